"""`modelsat route --router-arena`: decisions in the form of its files, and files that are no data set."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelsat import cli
from modelsat.bundle.bundle import Bundle

Export = Callable[..., tuple[int, str]]


@pytest.fixture
def export(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, three: tuple[Path, Bundle]
) -> Export:
    """Return a function that exports decisions of the bundle `three` on rows: exit code and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODELSAT_FOLDER", raising=False)
    monkeypatch.delenv("MODELSAT_DEBUG", raising=False)

    def run(rows: object, *arguments: str) -> tuple[int, str]:
        (tmp_path / "router_data.json").write_text(json.dumps(rows), encoding="utf-8")
        given = ("--router-arena", "router_data.json", "--bundle", str(three[0]), *arguments)
        monkeypatch.setattr(sys, "argv", ["modelsat", "route", *given])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


ROWS = [
    {"global index": "GPQA_1", "prompt": "unformatted", "prompt_formatted": "What is 2 + 2?\nA. 3\nB. 4 \u2028"},
    {"global index": "NarrativeQA_2", "prompt": "Wer schrieb Faust?", "domain": "800"},
]


def test_every_query_has_an_entry_with_its_prompt_letter_by_letter(export: Export, tmp_path: Path) -> None:
    code, complained = export(ROWS, "--into", "ours.json")

    assert (code, complained) == (0, "")
    written = json.loads((tmp_path / "ours.json").read_text(encoding="utf-8"))
    assert [(one["global index"], one["prompt"], one["prediction"]) for one in written] == [
        ("GPQA_1", "What is 2 + 2?\nA. 3\nB. 4 \u2028", "strong"),
        ("NarrativeQA_2", "Wer schrieb Faust?", "strong"),
    ]
    assert all(one[name] is None for one in written for name in ("generated_result", "cost", "accuracy"))


def test_configuration_names_every_model_that_may_be_chosen(export: Export, tmp_path: Path) -> None:
    export(ROWS, "--into", "ours.json", "--cost-weight", "0.5")

    told = json.loads((tmp_path / "ours.config.json").read_text(encoding="utf-8"))["pipeline_params"]
    chosen = {one["prediction"] for one in json.loads((tmp_path / "ours.json").read_text(encoding="utf-8"))}
    assert (told["router_name"], sorted(told["models"]), chosen) == ("ours", ["cheap", "strong", "weak"], {"cheap"})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"data": []}, "is no list of queries"),
        ([{"prompt": "What?"}], "query 1 of 'router_data.json' has no 'global index'"),
        ([{"global index": "a"}], "has no 'prompt_formatted' and no 'prompt'"),
        ([ROWS[0], ROWS[0]], "has the global index 'GPQA_1' twice"),
    ],
)
def test_other_file_is_refused_and_nothing_is_written(export: Export, tmp_path: Path, rows: object, said: str) -> None:
    code, complained = export(rows, "--into", "ours.json")

    assert code == 2
    assert said in complained
    assert not (tmp_path / "ours.json").exists()


def test_prediction_file_has_to_be_named(export: Export) -> None:
    code, complained = export(ROWS)

    assert code == 2
    assert "--into" in complained
