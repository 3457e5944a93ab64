"""The model card says what is registered: its kind, address, figures, data and how to load it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelsat.bundle import bundle
from modelsat.bundle.bundle import Bundle
from modelsat.routers.selection import Selection
from modelsat.steps import model_card
from modelsat.steps.model_card import CardFacts

OLD = Path(__file__).parents[1] / "data" / "bundle_0_1_0" / "bundle"
RESULT = {
    "verdict": {"sentence": "The challenger is promoted."},
    "prompts": 1200,
    "metrics": {"accuracy": 0.81},
    "lines": [
        {
            "name": "challenger",
            "accuracy": {"value": 0.81, "low": 0.79, "high": 0.83},
            "gain": {"value": 0.025, "low": 0.01, "high": 0.04},
            "cost_usd_per_1k": 0.5,
        },
        {
            "name": "best single",
            "accuracy": {"value": 0.785, "low": 0.76, "high": 0.81},
            "gain": {"value": 0.0, "low": 0.0, "high": 0.0},
            "cost_usd_per_1k": None,
        },
    ],
}


def card(line: str) -> list[str]:
    made = bundle.read(OLD, with_router=False)
    facts = CardFacts(bundle.kind(OLD), "s3://bundles/one", "modelsat-router", line)
    return model_card.markdown(made, facts, RESULT).splitlines()


def test_card_names_kind_address_figures_and_how_to_load() -> None:
    lines = card("challenger")

    for line in (
        "- Accuracy: 81.0 % (95 % interval 79.0 to 83.0) on 1,200 held-out prompts",
        "- Gain over the best single candidate: +2.5 points (+1.0 to +4.0)",
        "- Cost: 0.5000 USD per 1,000 prompts",
        "- Kind: `selection of fusion`",
        "- Bundle: `s3://bundles/one`, digest `158ecc851dbe7e43df758321456ef224`",
    ):
        assert line in lines
    assert 'Load it with `modelsat.load("models:/modelsat-router@champion")` or, without modelsat installed,' in lines


def test_card_of_the_fallback_has_the_figures_of_the_best_single_candidate() -> None:
    lines = card("best single")

    assert "- Accuracy: 78.5 % (95 % interval 76.0 to 81.0) on 1,200 held-out prompts" in lines
    assert "- Cost: unknown: a price is missing" in lines


@pytest.mark.parametrize("selected", [False, True])
def test_kind_is_read_from_the_folder(make_bundle: Callable[..., Bundle], tmp_path: Path, selected: bool) -> None:
    made = make_bundle({"small": 0.7, "large": 0.8})
    if selected:
        object.__setattr__(made, "router", Selection.of(made.router, [0, 1]))
    made.write(tmp_path / "bundle")

    assert bundle.kind(tmp_path / "bundle") == ("selection of constant" if selected else "constant")
    assert bundle.needed_extra(tmp_path / "bundle") == ""
    assert bundle.needed_extra(OLD) == "torch"
