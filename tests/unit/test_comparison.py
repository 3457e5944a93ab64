"""Any routers on any results: bundles as they are, rivals fitted there, newcomers named as such."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelsat.bundle import admission
from modelsat.bundle.bundle import Bundle
from modelsat.cli import evaluation as verb
from modelsat.data import sample
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation import comparison, printed
from modelsat.evaluation.comparison import Comparison
from modelsat.evaluation.table import BEST_SINGLE
from modelsat.reports import compared
from modelsat.statistics import Interval

KNOWN = "sim-generalist-large", "sim-generalist-small"


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "sample"
    sample.write(folder, prompts=300)
    return folder


@pytest.fixture
def make_results(scores: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes what one candidate of the sample answered."""

    def of_one(name: str) -> Path:
        folder = tmp_path / "outcomes"
        shutil.copytree(scores, folder)
        with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
            rows = [f"{row['prompt_id']},{row[name]}" for row in csv.DictReader(file)]
        (folder / "scores.csv").write_text("\n".join([f"prompt_id,{name}", *rows]), encoding="utf-8")
        return folder

    return of_one


@pytest.fixture(scope="module")
def always_large(make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that knows two candidates and prefers the large one."""
    folder = tmp_path_factory.mktemp("bundles") / "large"
    make_bundle(dict(zip(KNOWN, (0.99, 0.10), strict=True)), lineage={"trained_on": list(KNOWN)}).write(folder)
    return folder


@pytest.fixture(scope="module")
def found(scores: Path, always_large: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return comparison.compare([str(scores)], [str(always_large), "knn", "ridge"], tmp_path_factory.mktemp("vectors"))


def test_bundle_and_rivals_stand_in_one_table_with_the_reference_lines(found: Comparison) -> None:
    names = [line.name for line in found.evaluation.lines]

    assert names[:3] == ["large", "knn", "ridge"]
    assert BEST_SINGLE in names


def test_bundle_chooses_what_it_prefers(found: Comparison) -> None:
    chosen = {found.arena.candidates[i] for i in found.evaluation.choices["large"]}

    assert chosen == {KNOWN[0]}


def test_candidates_that_a_bundle_never_saw_are_named(found: Comparison, always_large: Path) -> None:
    facts = comparison.as_json(found)["routers"]

    assert facts["large"]["uri"] == str(always_large)
    assert facts["large"]["seen"] == list(KNOWN)
    assert "sim-translator" in facts["large"]["unseen"]
    assert facts["knn"]["unseen"] == []


def test_uncertainty_margins_of_newcomers_are_given_by_candidate_under_both_names(found: Comparison) -> None:
    margin = np.where(np.asarray(found.arena.candidates) == "sim-translator", 0.25, 0.0)
    terms = found.evaluation.terms | {"large": replace(found.evaluation.terms["large"], uncertainty_margin=margin)}

    facts = comparison.as_json(replace(found, evaluation=replace(found.evaluation, terms=terms)))["routers"]

    for key in ("uncertainty_margin", "doubt"):
        assert facts["large"][key] == {"sim-translator": 0.25}
        assert facts["knn"][key] == {}


def test_json_holds_every_choice_and_no_text(found: Comparison, tmp_path: Path) -> None:
    comparison.write(found, tmp_path / "out.json")

    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    rows = json.loads(text)["per_prompt"]
    assert len(rows) == found.evaluation.prompts
    for row, index in zip(rows, range(len(rows)), strict=True):
        told = row["routers"]["ridge"]
        assert told["chosen"] in row["pool"]
        assert told["chosen"] == max(row["pool"], key=lambda name: told["utility"][name]) or np.isclose(
            told["utility"][told["chosen"]], max(told["utility"].values())
        )
        assert told["score"] == found.evaluation.correct["ridge"][index]
    assert not any(prompt in text for prompt in found.arena.texts)


def test_row_that_cannot_be_used_is_counted_told_and_listed(scores: Path, tmp_path: Path) -> None:
    broken, told = tmp_path / "broken", []
    shutil.copytree(scores, broken)
    table = (broken / "scores.csv").read_text(encoding="utf-8").splitlines()
    table[1] = table[1].rsplit(",", 1)[0] + ",well"
    (broken / "scores.csv").write_text("\n".join(table), encoding="utf-8")

    found = comparison.compare([str(broken)], ["knn"], tmp_path, progress=told.append)
    compared.write(found, tmp_path / "page.html")

    assert comparison.as_json(found)["rejected_rows"] == 1
    assert any("1 row is rejected" in line and "scores.csv row 2" in line for line in told)
    assert "Rejected rows" in (tmp_path / "page.html").read_text(encoding="utf-8")


def with_gain(found: Comparison, gain: Interval) -> Comparison:
    """Return the comparison with this gain of kNN's and nothing of the others'."""
    lines = [
        line if line.is_reference else replace(line, gain=gain if line.name == "knn" else Interval(-1.0, -1.0, -1.0))
        for line in found.evaluation.lines
    ]
    return replace(found, evaluation=replace(found.evaluation, lines=tuple(lines)))


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (
            Interval(0.02, 0.01, 0.03),
            "knn routes best, significantly better than the best single candidate: +2.0 points (+1.0 to +3.0). "
            "It is the best of 3 on these very prompts, which flatters it.",
        ),
        (
            Interval(0.02, -0.01, 0.05),
            "knn routes best, not significantly better than the best single candidate: +2.0 points (-1.0 to +5.0). "
            "It is the best of 3 on these very prompts, which flatters it.",
        ),
        (
            Interval(-0.005, -0.012, 0.001),
            "No router is better than the best single candidate; knn comes closest: -0.5 points (-1.2 to +0.1).",
        ),
    ],
    ids=["better", "perhaps", "no better"],
)
def test_page_says_who_routes_best_and_whether_that_is_significant(
    found: Comparison, tmp_path: Path, gain: Interval, said: str
) -> None:
    compared.write(with_gain(found, gain), tmp_path / "page.html")

    assert said in (tmp_path / "page.html").read_text(encoding="utf-8")


def tied(found: Comparison, gain: float) -> Comparison:
    """Return the comparison with this gain of kNN's and of ridge's, ridge's off by what a sum of floats loses."""
    gains = {"knn": Interval(gain, -1.0, 1.0), "ridge": Interval(gain + 1e-16, 0.0, 0.0)}
    lines = [replace(line, gain=gains.get(line.name, Interval(-1.0, -1.0, -1.0))) for line in found.evaluation.lines]
    return replace(found, evaluation=replace(found.evaluation, lines=tuple(lines)))


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (
            0.02,
            "No router is the best: knn and ridge are equally accurate, +2.0 points over the best single candidate.",
        ),
        (
            -0.01,
            "No router is better than the best single candidate; knn and ridge come equally close: -1.0 points.",
        ),
    ],
    ids=["better", "no better"],
)
def test_exact_tie_names_no_winner_on_terminal_page_and_in_json(
    found: Comparison, tmp_path: Path, gain: float, said: str
) -> None:
    equal = tied(found, gain)

    compared.write(equal, tmp_path / "page.html")

    facts = comparison.as_json(equal)
    assert (facts["winner"], facts["tied"]) == (None, ["knn", "ridge"])
    assert printed.sentence(equal.evaluation) == said
    assert said in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_winner_is_named_in_json_where_there_is_one(found: Comparison) -> None:
    best, none, few = (
        with_gain(found, Interval(0.02, 0.01, 0.03)),
        with_gain(found, Interval(-0.01, -0.02, 0.0)),
        replace(found, evaluation=replace(found.evaluation, prompts=49)),
    )

    assert [comparison.as_json(one)["winner"] for one in (best, none, few)] == ["knn", None, None]
    assert comparison.as_json(best)["tied"] == []


def test_nobody_routes_best_on_a_handful_of_prompts(found: Comparison) -> None:
    few = replace(found, evaluation=replace(found.evaluation, prompts=49))

    assert printed.sentence(few.evaluation) == "Too few held-out prompts to say who routes best: 49, and 50 are needed."


def test_router_that_nobody_knows_is_refused_before_the_others_are_scored(scores: Path, tmp_path: Path) -> None:
    told: list[str] = []

    with pytest.raises(InputError, match="there is no rival 'kn'; name one of knn, ridge"):
        comparison.compare([str(scores)], ["knn", "kn"], tmp_path, progress=told.append)
    assert told == []


def test_candidate_of_whom_no_answer_is_known_is_named(
    scores: Path, always_large: Path, make_results: Callable[[str], Path], tmp_path: Path
) -> None:
    told: list[str] = []

    comparison.compare(
        [str(scores)], [str(always_large)], tmp_path, [str(make_results("sim-translator"))], progress=told.append
    )

    (note,) = [line for line in told if "cannot choose" in line]
    assert "sim-generalist-medium" in note
    assert "sim-translator" not in note
    assert not any(name in note.replace(",", "").split() for name in KNOWN)


def test_page_draws_gains_and_names_whom_a_router_was_not_trained_on(found: Comparison, tmp_path: Path) -> None:
    compared.write(found, tmp_path / "page.html")

    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "Candidates that a router was not trained on" in page


def test_terminal_leaves_the_gain_of_best_single_over_itself_out(found: Comparison) -> None:
    table = printed.table(comparison.as_json(found))

    (line,) = [row for row in table.splitlines() if row.strip().startswith(BEST_SINGLE)]
    assert "+0.0" not in line


def test_names_are_short_where_that_tells_them_apart() -> None:
    digest = "289970e03392babe409fc3ee67b26bd0"

    assert comparison.short_names([f"/runs/bundles/{digest}", "models:/router@champion", "knn"]) == {
        "289970e03392": f"/runs/bundles/{digest}",
        "router@champion": "models:/router@champion",
        "knn": "knn",
    }
    assert list(comparison.short_names(["/a/router", "/b/router"])) == ["/a/router", "/b/router"]


def test_router_named_twice_is_refused(scores: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a router is named twice"):
        comparison.compare([str(scores)], ["knn", "knn"], tmp_path)


@pytest.fixture(scope="module")
def under_another_name(make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that knows the large generalist as `org/large` and prefers it."""
    folder = tmp_path_factory.mktemp("bundles") / "renamed"
    names = "org/large", KNOWN[1]
    make_bundle(dict(zip(names, (0.99, 0.10), strict=True)), lineage={"trained_on": list(names)}).write(folder)
    return folder


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    """A catalogue that says who `org/large` is, and what it costs."""
    path = tmp_path / "candidates.csv"
    path.write_text(f"candidate,price_in,price_out,aliases\norg/large,1000,1000,{KNOWN[0]}\n")
    return path


def test_candidate_that_a_bundle_knows_by_an_alias_is_seen(
    scores: Path, under_another_name: Path, facts: Path, tmp_path: Path
) -> None:
    found = comparison.compare([str(scores)], [str(under_another_name)], tmp_path, facts=str(facts))

    assert found.seen["renamed"] == list(KNOWN)
    assert {found.arena.candidates[i] for i in found.evaluation.choices["renamed"]} == {KNOWN[0]}


def test_without_a_catalogue_a_candidate_of_another_name_is_a_newcomer(
    scores: Path, under_another_name: Path, tmp_path: Path
) -> None:
    assert comparison.compare([str(scores)], [str(under_another_name)], tmp_path).seen["renamed"] == [KNOWN[1]]


def test_prices_of_the_catalogue_count(scores: Path, always_large: Path, found: Comparison, facts: Path) -> None:
    dear = comparison.compare([str(scores)], [str(always_large)], facts.parent, facts=str(facts))

    large = dear.arena.candidates.index(KNOWN[0])
    others = np.arange(len(dear.arena.candidates)) != large
    assert (dear.arena.cost[:, large] > 10 * found.arena.cost[:, large]).all()
    np.testing.assert_array_equal(dear.arena.cost[:, others], found.arena.cost[:, others])


@pytest.mark.parametrize("questions", [None, 7])
def test_number_of_questions_reaches_the_admission(
    scores: Path, always_large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, questions: int | None
) -> None:
    asked: list[int | None] = []
    admit = admission.admit

    def recording(bundle: Bundle, collection: Collection, questions: int | None = None) -> Bundle:
        asked.append(questions)
        return admit(bundle, collection, questions)

    monkeypatch.setattr(admission, "admit", recording)
    comparison.compare([str(scores)], [str(always_large)], tmp_path, questions=questions)

    assert asked == [questions]


def test_command_writes_json_and_page_beside_it(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb.evaluate(routers=["ridge"], scores=[str(scores)], json_file=tmp_path / "out.json", cache=tmp_path / "vectors")

    assert "ridge" in capsys.readouterr().out
    assert (tmp_path / "out.json").is_file()
    assert (tmp_path / "out.html").is_file()


def test_command_passes_catalogue_and_number_of_questions_on(
    scores: Path, under_another_name: Path, facts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = comparison.compare
    given: dict[str, object] = {}

    def recording(*options: Any) -> Comparison:
        given.update(signature(compare).bind(*options).arguments)
        return compare(*options)

    monkeypatch.setattr(comparison, "compare", recording)
    verb.evaluate(
        routers=[str(under_another_name)], scores=[str(scores)], candidates=str(facts), questions=3, cache=tmp_path
    )

    assert (given["facts"], given["questions"]) == (str(facts), 3)
