"""`modelsat route`: the ranking on a terminal, as JSON, and what it says where it cannot answer.

A prompt of 40 characters is 10 tokens, and 90 are expected in return: 1,000 prompts cost 0.1 USD at `cheap` and 1 USD
at `strong`.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from endpoint_process import promote

from modelsat import cli
from modelsat.bundle import bundle as bundles
from modelsat.bundle import loaded
from modelsat.bundle.bundle import Bundle
from modelsat.io import progress

FORTY = "What is the sum of all digits of 12,345?"


@dataclass(frozen=True)
class Run:
    """What a command said and how it ended."""

    code: object
    said: str
    complained: str

    @property
    def table(self) -> list[str]:
        """The lines between the heading and the reason."""
        return self.said.split("\n\n")[1].splitlines()[1:]

    @property
    def reason(self) -> str:
        return self.said.split("\n\n")[2].strip()


Route = Callable[..., Run]


@pytest.fixture
def route(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Route:
    """Return a function that runs `modelsat route` with arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODELSAT_FOLDER", raising=False)
    monkeypatch.delenv("MODELSAT_DEBUG", raising=False)

    def run(*arguments: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["modelsat", "route", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said, complained = capsys.readouterr()
        return Run(ended.value.code or 0, said, complained)

    return run


@pytest.fixture
def from_three(route: Route, three: tuple[Path, Bundle]) -> Route:
    """Return a function that asks the bundle `three`."""
    return lambda *arguments: route(*arguments, "--bundle", str(three[0]))


def test_ranking_is_a_table_that_marks_the_choice(from_three: Route, three: tuple[Path, Bundle]) -> None:
    run = from_three(FORTY)

    assert (run.code, run.complained) == (0, "")
    assert re.match(rf"router {three[1].digest[:12]} · cost weight 0\.00 · \d+ ms\n\n", run.said)
    assert run.said.split("\n\n")[1].splitlines()[0] == "  model   success  USD/1,000 prompts"
    assert run.table == [
        "› strong    0.800              1.000",
        "  cheap     0.700              0.100",
        "  weak      0.300                  –",
    ]
    assert run.reason == "strong: 10.0 points more likely to succeed than cheap, the next best."


def test_cost_weight_changes_the_choice_and_says_why(from_three: Route) -> None:
    run = from_three(FORTY, "--cost-weight", "0.5")

    assert [line.split()[-3] for line in run.table] == ["cheap", "strong", "weak"]
    assert run.reason == (
        "cheap: 10.0 points less likely to succeed than strong, "
        "but cheaper by more than that is worth at cost weight 0.50."
    )


def test_only_the_named_candidates_are_shown(from_three: Route) -> None:
    run = from_three(FORTY, "--candidate", "weak", "--candidate", "cheap")

    assert [line[:7].strip("› ") for line in run.table] == ["cheap", "weak"]
    assert run.reason == "cheap: 40.0 points more likely to succeed than weak, the next best."


def test_single_candidate_needs_no_comparison(from_three: Route) -> None:
    run = from_three(FORTY, "--candidate", "weak")

    assert run.table == ["› weak    0.300                  –"]
    assert run.reason == "weak: the only candidate that was allowed."


def test_top_cuts_the_table_and_not_the_reason(from_three: Route) -> None:
    run = from_three(FORTY, "--top", "1")

    assert run.table == ["› strong    0.800              1.000"]
    assert run.reason == "strong: 10.0 points more likely to succeed than cheap, the next best."


def test_json_holds_the_same(from_three: Route, three: tuple[Path, Bundle]) -> None:
    run = from_three(FORTY, "--json", "--top", "2")

    assert run.code == 0
    assert json.loads(run.said) == {
        "model": "strong",
        "router_version": three[1].digest[:12],
        "foreign": 0.0,
        "candidates": [
            {
                "candidate": "strong",
                "success_probability": pytest.approx(0.8),
                "expected_cost_usd": pytest.approx(1e-3),
                "seen_in_training": True,
            },
            {
                "candidate": "cheap",
                "success_probability": pytest.approx(0.7),
                "expected_cost_usd": pytest.approx(1e-4),
                "seen_in_training": True,
            },
        ],
    }


OLD = Path(__file__).parents[1] / "data" / "bundle_0_1_0" / "bundle"


def test_foreign_prompt_is_called_so(route: Route) -> None:
    foreign, familiar = (route(prompt, "--bundle", str(OLD)) for prompt in ("Name a river.", "What is 80 + 90?"))

    assert re.search(r" · foreign 0\.73 · \d+ ms", foreign.said)
    assert foreign.said.splitlines()[-1] == (
        "This prompt is unlike the training prompts (foreign 0.73), so the probabilities are less certain."
    )
    assert "foreign" not in familiar.said


def test_foreign_prompts_of_a_batch_are_counted(route: Route, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('"Name a river."\n"What is 80 + 90?"\n', encoding="utf-8")

    table = route("--prompts", str(tmp_path / "prompts.jsonl"), "--bundle", str(OLD)).said
    lines = route("--prompts", str(tmp_path / "prompts.jsonl"), "--bundle", str(OLD), "--json").said

    assert table.splitlines()[-1] == "1 of 2 prompts are unlike the training prompts."
    assert [round(json.loads(line)["foreign"], 2) for line in lines.splitlines()] == [0.73, 0.0]


@pytest.fixture
def file_of_four(tmp_path: Path) -> str:
    """File of four prompts of 40 characters, one of them with options."""
    lines = [FORTY, FORTY, {"prompt": FORTY}, {"prompt": FORTY[:-12], "choices": ["12", "15"]}]
    (tmp_path / "prompts.jsonl").write_text("\n\n".join(map(json.dumps, lines)), encoding="utf-8")
    return str(tmp_path / "prompts.jsonl")


def test_batch_within_a_budget_is_a_table_of_who_gets_how_many(from_three: Route, file_of_four: str) -> None:
    run = from_three("--prompts", file_of_four, "--budget", "0.0023")

    assert (run.code, run.complained) == (0, "")
    assert re.search(r" · budget 0\.0023 USD · \d+ ms\n\n", run.said)
    assert run.said.split("\n\n")[1].splitlines() == [
        "model   prompts  success        USD",
        "cheap         2    0.700   0.000200",
        "strong        2    0.800   0.002000",
        "all           4    0.750   0.002200",
    ]


def test_batch_as_json_is_a_line_per_prompt(from_three: Route, file_of_four: str) -> None:
    rows = [json.loads(line) for line in from_three("--prompts", file_of_four, "--json").said.splitlines()]

    one = {"model": "strong", "success_probability": pytest.approx(0.8), "expected_cost_usd": pytest.approx(1e-3)}
    one |= {"foreign": 0.0}
    assert rows == [one] * 4


def test_batch_of_many_blocks_is_read_as_one(
    from_three: Route, file_of_four: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = from_three("--prompts", file_of_four, "--budget", "0.0023", "--json").said

    monkeypatch.setattr(loaded, "BLOCK", 3)
    monkeypatch.setattr(progress, "EVERY_SECONDS", -1.0)
    run = from_three("--prompts", file_of_four, "--budget", "0.0023", "--json")

    assert run.said == whole
    assert run.complained.splitlines() == ["reading prompts 3/4"]


def test_line_break_within_a_prompt_of_a_batch_is_part_of_it(from_three: Route, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('"What is\u2028 1 + 1?"\r\n', encoding="utf-8")

    assert len(from_three("--prompts", "prompts.jsonl", "--json").said.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("What is 2 + 2?", "is not valid JSON"),
        ("7", 'is neither a string nor an object with a string "prompt"'),
        ('{"prompt": "Which?", "choices": "ab"}', "is not a list of strings"),
        (r'"Which \ud800?"', "contains half a surrogate pair"),
        ('{"prompt": " "}', "contains an empty prompt"),
    ],
)
def test_unusable_line_of_a_batch_is_named(from_three: Route, tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "prompts.jsonl").write_text(f'"What is 1 + 1?"\n{line}\n', encoding="utf-8")

    run = from_three("--prompts", "prompts.jsonl")

    assert (run.code, run.said) == (2, "")
    assert "line 2 of 'prompts.jsonl'" in run.complained
    assert complaint in run.complained


def test_file_of_prompts_may_begin_with_the_mark_of_windows(from_three: Route, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('"What is 1 + 1?"\r\n', encoding="utf-8-sig")

    assert len(from_three("--prompts", "prompts.jsonl", "--json").said.splitlines()) == 1


def test_file_without_prompts_is_named(from_three: Route, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("\n", encoding="utf-8")

    run = from_three("--prompts", "prompts.jsonl")

    assert (run.code, run.complained) == (2, "prompts 'prompts.jsonl' contains no prompt; write at least one line\n")


def test_missing_file_of_prompts_is_a_sentence(from_three: Route) -> None:
    assert "prompts 'nothing.jsonl' cannot be read" in from_three("--prompts", "nothing.jsonl").complained


def test_champion_of_the_folder_is_asked_by_default(route: Route, three: tuple[Path, Bundle], tmp_path: Path) -> None:
    promote(str(tmp_path / ".run" / "champions"), three[0], three[1].digest)

    run = route(FORTY)

    assert run.code == 0
    assert run.said.startswith(f"router {three[1].digest[:12]} ")


def test_newest_champion_of_a_named_folder_is_asked(
    route: Route, three: tuple[Path, Bundle], make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    second = make_bundle({"only": 0.5}).write(tmp_path / "second")
    promote(str(tmp_path / "there" / "champions"), three[0], three[1].digest)
    promote(str(tmp_path / "there" / "champions"), tmp_path / "second", second.digest)

    run = route(FORTY, "--folder", str(tmp_path / "there"), "--json")

    assert json.loads(run.said)["router_version"] == second.digest[:12]


def test_folder_may_be_named_in_the_environment(
    route: Route, three: tuple[Path, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(str(tmp_path / "there" / "champions"), three[0], three[1].digest)
    monkeypatch.setenv("MODELSAT_FOLDER", str(tmp_path / "there"))

    assert json.loads(route(FORTY, "--json").said)["model"] == "strong"


def test_bundle_in_s3_is_asked(route: Route, three: tuple[Path, Bundle], bucket: str) -> None:
    uri = bundles.publish(three[0], f"s3://{bucket}/bundles")

    assert json.loads(route(FORTY, "--bundle", uri, "--json").said)["model"] == "strong"


def test_folder_without_a_champion_is_a_sentence(route: Route) -> None:
    run = route(FORTY)

    assert (run.code, run.said) == (2, "")
    assert run.complained == "'.run' has no champion yet; run `modelsat run`, or name a router with --bundle\n"


def test_missing_bundle_is_a_sentence(route: Route) -> None:
    run = route(FORTY, "--bundle", "nothing")

    assert (run.code, run.said) == (2, "")
    assert run.complained == "'nothing' is no complete router bundle: it has no readable manifest.json\n"


def test_tampered_bundle_is_a_sentence(route: Route, make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    make_bundle({"only": 0.5}).write(tmp_path / "bundle")
    with (tmp_path / "bundle" / "ATTRIBUTION.md").open("a") as file:
        file.write("more")

    run = route(FORTY, "--bundle", "bundle")

    assert (run.code, run.said) == (2, "")
    assert run.complained == "'ATTRIBUTION.md' of bundle 'bundle' differs from its manifest; fetch the bundle again\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("",), "prompt 0 is empty; send the text to be routed"),
        ((" \n",), "prompt 0 is empty; send the text to be routed"),
        (
            (FORTY, "--candidate", "gpt"),
            "candidates ['gpt'] are unknown to this router; it knows cheap, strong, weak",
        ),
        ((FORTY, "--cost-weight", "-0.1"), "cost_weight -0.1 is outside [0, 1]; 0 ignores costs"),
        ((FORTY, "--cost-weight", "2"), "cost_weight 2.0 is outside [0, 1]; 0 ignores costs"),
        ((FORTY, "--cost-weight", "nan"), "cost_weight nan is outside [0, 1]; 0 ignores costs"),
        ((FORTY, "--budget", "-1"), "budget_usd -1.0 is not a number from 0 on"),
        (
            (FORTY, "--budget", "0.00001"),
            "the cheapest allowed candidates cost 0.0001 USD for 1 prompt; raise budget_usd of 1e-05",
        ),
    ],
)
def test_unusable_argument_is_a_sentence(from_three: Route, arguments: tuple[str, ...], complaint: str) -> None:
    run = from_three(*arguments)

    assert (run.code, run.said, run.complained) == (2, "", f"{complaint}\n")


@pytest.mark.parametrize(
    "arguments",
    [(), (FORTY, "--prompts", "file"), (FORTY, "--cost-weight", "low"), (FORTY, "--top", "x"), (FORTY, "--nonsense")],
)
def test_wrong_usage_is_explained(route: Route, arguments: tuple[str, ...]) -> None:
    run = route(*arguments)

    assert (run.code, run.said) == (2, "")
    assert "modelsat route [OPTIONS]" in run.complained
    assert "Traceback" not in run.complained


@pytest.mark.parametrize("top", ["0", "-1"])
def test_table_without_rows_is_refused(from_three: Route, top: str) -> None:
    run = from_three(FORTY, "--top", top)

    assert run.code == 2
    assert run.said == ""


def test_command_in_its_own_process_prints_only_the_ranking(three: tuple[Path, Bundle], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "modelsat.cli", "route", FORTY, "--bundle"]

    good = subprocess.run([*command, str(three[0])], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    bad = subprocess.run([*command, "nothing"], capture_output=True, text=True, cwd=tmp_path, timeout=60)

    assert (good.returncode, good.stderr) == (0, "")
    assert "› strong    0.800" in good.stdout
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == "'nothing' is no complete router bundle: it has no readable manifest.json\n"
