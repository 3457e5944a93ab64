"""Published benchmark scores make a level likely before there is an answer."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from modelsat.aptitude import published
from modelsat.bundle import admission, champions
from modelsat.bundle import bundle as bundles
from modelsat.bundle.bundle import Bundle
from modelsat.data import candidate_facts, catalogue
from modelsat.data.collection import Collection
from modelsat.onboarding import order as orders
from modelsat.onboarding.asking import AskingSettings
from modelsat.routers.fusion import level
from modelsat.steps import estimate, onboard
from modelsat.text.rendering import stem_digest

ZOO = [{"MMLU": 0.3}, {"MMLU": 0.5}, {"MMLU": 0.7}]


def mmlu(ability: float) -> dict[str, float]:
    """Return the score that a model of this ability has on average: log-odds 0.18 + 0.61 per unit."""
    return {"MMLU": 1 / (1 + np.exp(-(0.18 + 0.61 * ability)))}


def test_average_score_makes_an_average_ability_likely() -> None:
    mean, variance = published.ability(mmlu(0.0)) or (np.nan, np.nan)

    # Loading 0.61 and deviation 0.28: the score counts (0.61 / 0.28)^2 = 4.746 beside the 1 of the prior.
    assert mean == pytest.approx(0.0, abs=1e-9)
    assert variance == pytest.approx(1 / 5.746, abs=1e-4)


def test_score_two_units_above_is_shrunk_by_what_it_counts() -> None:
    mean, _ = published.ability(mmlu(2.0)) or (np.nan, np.nan)

    assert mean == pytest.approx(2 * 4.746 / 5.746, abs=1e-3)


def test_benchmarks_are_known_in_the_spellings_of_model_cards() -> None:
    spelt = {"ARC-Challenge": 0.6, "MMLU Pro": 0.4, "gsm8k": 0.5, "Chatbot Arena": 0.9}

    assert published.known(spelt) == {"arc": 0.6, "mmlupro": 0.4, "gsm8k": 0.5}


def test_level_follows_the_line_of_the_zoo() -> None:
    abilities = np.array([-1.0, 0.0, 1.0, 2.0])
    zoo, levels = [mmlu(a) for a in abilities], 0.5 + 0.1 * abilities

    told = published.level(mmlu(4.0), zoo, levels)

    # Scores count 4.746 of 5.746 of a unit. Around their middle the spread is 5 * 0.826^2 = 3.41, beside the prior's 4
    # at slope 0.12: (0.413 + 0.48) / 7.41 = 0.1205. The newcomer lies 3.5 * 0.826 = 2.891 above the middle of 0.55.
    assert told is not None
    assert told.mean == pytest.approx(0.55 + 0.1205 * 2.891, abs=2e-3)
    assert 0.05 < np.sqrt(told.variance) < 0.15


@pytest.mark.parametrize(
    ("own", "zoo"),
    [({}, ZOO), ({"AIME": 0.5}, ZOO), ({"MMLU": 0.5}, [*ZOO[:2], {}])],
    ids=["nothing published", "no benchmark that is known", "too few of the zoo"],
)
def test_where_nothing_can_be_said_nothing_is(own: dict[str, float], zoo: list[dict[str, float]]) -> None:
    assert published.level(own, zoo, np.array([0.3, 0.5, 0.7])) is None


def test_answers_correct_what_published_scores_made_likely() -> None:
    levels, zoo = np.array([0.4, 0.6]), np.tile([0.4, 0.6], (100, 1))

    without = level.read(levels, zoo[:0], np.empty(0), (0.8, 0.0036))
    after = level.read(levels, zoo, np.full(100, 0.5), (0.8, 0.0036))

    # The score's variance is 0.25 / 100 * 2 / 2 * (1 + 1 / 2) = 0.00375, the prior's 0.0036: half way, at 0.653.
    assert without == (0.8, 0.0036)
    assert after[0] == pytest.approx(0.8 - 0.3 * 0.0036 / (0.0036 + 0.00375), abs=1e-6)


def test_scores_are_shares_or_percent_and_stay_what_they_are_in_a_written_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text("candidates:\n- {candidate: new, published: {MMLU-Pro: 71.2, GPQA: 0.5}}\n")

    table = catalogue.read(str(path))
    catalogue.write(table, tmp_path / "again.yaml")

    assert published.of_rows(table.to_pylist()) == {"new": {"MMLU-Pro": pytest.approx(0.712), "GPQA": 0.5}}
    assert catalogue.read(str(tmp_path / "again.yaml")).equals(table)


@pytest.mark.parametrize("cell", ["71.2", [0.5], {"MMLU": 101}, {"MMLU": "high"}, {"MMLU": True}], ids=repr)
def test_scores_that_are_none_are_named(cell: object) -> None:
    with pytest.raises(ValueError, match=r"published: (this is no table of scores|'MMLU' has)"):
        candidate_facts.parse({"published": cell})


@pytest.fixture
def folder(make_bundle: Callable[..., Bundle], tmp_path: Path) -> Path:
    """A champion of three candidates that score 0.3, 0.5 and 0.7; a catalogue with published scores of four."""
    means = {"ada": 0.3, "bob": 0.5, "cid": 0.7}
    rows: list[dict[str, object]] = [
        {
            **{"version": "apt-1", "task": "sums", "category": "sums", "keywords": ["sum"] * 5, "position": i},
            **{"prompt_id": f"q{i}", "stem_digest": stem_digest(f"What is {i} + 1?"), "text": f"What is {i} + 1?"},
        }
        for i in range(40)
    ]
    cards: list[dict[str, object]] = [
        {
            **{"candidate": name, "test_version": "apt-1", "task": "sums", "n": 40},
            **dict.fromkeys(("accuracy", "shrunken_accuracy"), mean),
        }
        for name, mean in means.items()
    ]
    made = make_bundle(means, aptitude_test=rows, cards=cards, lineage={"mean_score": means}).write(
        tmp_path / "bundles" / "first"
    )
    champions.promote(
        str(tmp_path / "champions"), str(tmp_path / "bundles" / "first"), made.digest, "router/1", "run", "promoted", 0
    )
    told = {"ada": 0.3, "bob": 0.5, "cid": 0.7, "new": 0.9}
    listed = [{"candidate": name, "published": {"MMLU": score}} for name, score in told.items()]
    (tmp_path / "catalogue.yaml").write_text(json.dumps({"candidates": listed}))
    return tmp_path


def test_newcomer_with_published_scores_alone_is_routable_with_a_loss_bound(folder: Path) -> None:
    order = orders.place("new", "add", str(folder / "catalogue.yaml"), str(folder / "champions"))
    sources = onboard.Sources([], [], "", folder / "work")

    onboard.gather(order, sources, AskingSettings(), folder / "results")
    refusal, _ = onboard.validate(order, folder / "results", 0, False, folder / "checks.html")
    onboard.admit(order, folder / "results", folder / "router", folder / "card.html")
    judged = onboard.compare(order, folder / "results", folder / "router", max_loss=0.05)

    expected = published.level({"MMLU": 0.9}, ZOO, np.array([0.3, 0.5, 0.7]))
    assert expected is not None
    assert Collection.read(folder / "results").scores.num_rows == 0
    assert refusal == ""
    # The card holds the lead over the zoo's mean of 0.5.
    card = bundles.read(folder / "router").cards.to_pylist()[-1]
    assert card["candidate"] == "new"
    assert card["shrunken_accuracy"] == pytest.approx(expected.mean, abs=0.02)
    # The newcomer takes everything from `cid` at 0.7.
    gain, spread = expected.mean - 0.7, np.sqrt(expected.variance)
    assert judged.shadow.gain is not None
    assert judged.shadow.gain.value == pytest.approx(gain, abs=1e-4)
    assert judged.shadow.loss_bound == pytest.approx(max(0.0, 1.645 * spread - gain), abs=1e-4)
    assert "by its published scores alone" in judged.sentence()


def test_level_that_was_foretold_is_no_evidence_for_the_next_one(
    folder: Path, make_collection: Callable[..., Collection]
) -> None:
    told = {"ada": 0.3, "bob": 0.5, "cid": 0.7, "new": 0.9, "next": 0.8}
    scores = {name: {"MMLU": score} for name, score in told.items()}
    first, expected = (
        bundles.read(folder / "bundles" / "first"),
        published.level({"MMLU": 0.8}, ZOO, np.array([0.3, 0.5, 0.7])),
    )

    once, answered = (
        admission.admit(first, make_collection([[score]], ["What is 0 + 1?"], ["new"]), published=scores)
        for score in (np.nan, 1.0)
    )
    silent = make_collection([[np.nan]], ["What is 0 + 1?"], ["next"])
    after, after_answers = (
        admission.admit(one, silent, published=scores).lineage[admission.PUBLISHED]["next"] for one in (once, answered)
    )

    assert expected is not None
    assert after == pytest.approx((expected.mean, expected.variance))
    # Of four candidates of the zoo the line is surer.
    assert after_answers[1] < expected.variance


def test_estimate_asks_nothing_of_a_candidate_that_cannot_be_asked_and_has_published_scores(folder: Path) -> None:
    found = estimate.of(
        "new", "add", str(folder / "catalogue.yaml"), [], str(folder / "champions"), AskingSettings(), folder / "work"
    )

    assert found.plan is None
    assert found.sentence().endswith(
        "no question is asked: its row has no endpoint, so its published scores alone place it"
    )
