"""Each check of the data contract broken on purpose, and the guards against what Great Expectations lets pass."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from modelsat.data import contracts, expectations, validation
from modelsat.data.collection import Collection
from modelsat.data.contract_suites import ValidationLimits
from modelsat.data.expectations import CRITICAL, WARNING, Check
from modelsat.data.validation import ValidationOutcome
from modelsat.errors import ModelsatError

NAN = float("nan")
IN_RANGE = "Every score lies in [0, 1]"
MakeCollection = Callable[..., Collection]


@pytest.fixture(scope="module")
def clean(make_collection: MakeCollection) -> Collection:
    """60 prompts, two priced candidates that are right on two thirds and on half of them."""
    scores = [[float(i % 3 > 0), float(i % 2)] for i in range(60)]
    return make_collection(scores, [f"Question {i}" for i in range(60)], ("ada", "bob"), prices=(1.0, 2.0))


@pytest.fixture(scope="module")
def passed(clean: Collection) -> ValidationOutcome:
    return validation.check(clean)


def with_scores(
    collection: Collection, change: Callable[[list[dict[str, Any]]], Sequence[dict[str, Any]]]
) -> Collection:
    rows = change(collection.scores.to_pylist())
    return replace(collection, scores=contracts.from_rows(list(rows), contracts.SCORES))


def set_score(value: float | None, candidate: str = "ada", rows: int = 1) -> Callable[[Collection], Collection]:
    def change(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
        mine = [row for row in table if row["candidate"] == candidate]
        for row in mine[:rows]:
            row["score"] = value
        return table

    return lambda collection: with_scores(collection, change)


def broken(outcome: ValidationOutcome) -> list[str]:
    return [check.title for check in outcome.checks if not check.passed]


def the_broken(outcome: ValidationOutcome) -> Check:
    (check,) = (check for check in outcome.checks if not check.passed)
    return check


def double_a_row(collection: Collection) -> Collection:
    return with_scores(collection, lambda rows: [*rows, rows[0]])


def move_to_unknown_prompt(collection: Collection) -> Collection:
    return with_scores(collection, lambda rows: [rows[0] | {"prompt_id": "elsewhere"}, *rows[1:]])


def move_to_unknown_candidate(collection: Collection) -> Collection:
    return with_scores(collection, lambda rows: [rows[0] | {"candidate": "stranger"}, *rows[1:]])


def double_a_prompt(collection: Collection) -> Collection:
    return replace(collection, prompts=pa.concat_tables([collection.prompts, collection.prompts.slice(0, 1)]))


def lengthen_a_prompt(collection: Collection) -> Collection:
    rows = collection.prompts.to_pylist()
    return replace(
        collection, prompts=contracts.from_rows([rows[0] | {"prompt": "x" * 40_000}, *rows[1:]], contracts.PROMPTS)
    )


def drop_a_price(collection: Collection) -> Collection:
    rows = collection.candidates.to_pylist()
    return replace(
        collection, candidates=contracts.from_rows([rows[0] | {"price_out": None}, rows[1]], contracts.CANDIDATES)
    )


def reject_a_row(collection: Collection) -> Collection:
    row: dict[str, object] = {
        "source_uri": "s3://b/scores.csv",
        "source_row": 7,
        "value": "'x'",
        "reason": "the score is no number; fix it",
    }
    return replace(collection, rejects=contracts.from_rows([row], contracts.REJECTS))


def keep_one_candidate(collection: Collection) -> Collection:
    left = with_scores(collection, lambda rows: [row for row in rows if row["candidate"] == "ada"])
    return replace(left, candidates=left.candidates.slice(0, 1))


CASES = [
    ("score above the range", set_score(1.4), IN_RANGE, CRITICAL, 1),
    ("scores below the range", set_score(-0.1, rows=3), IN_RANGE, CRITICAL, 3),
    ("NaN", set_score(NAN), "Every score is a number", CRITICAL, 1),
    ("null", set_score(None, rows=2), "Every score is a number", CRITICAL, 2),
    ("unknown prompt", move_to_unknown_prompt, "Every score's prompt is known", CRITICAL, 1),
    ("unknown candidate", move_to_unknown_candidate, "Every score's candidate is known", CRITICAL, 1),
    ("score twice", double_a_row, "A candidate has one score per prompt", CRITICAL, 2),
    ("prompt twice", double_a_prompt, "Every prompt stands once", CRITICAL, 2),
    ("long prompt", lengthen_a_prompt, "No prompt is longer than 32,768 characters", WARNING, 1),
    ("one candidate", keep_one_candidate, "There are at least two candidates", CRITICAL, 1),
    ("constant", set_score(0.5, rows=60), "No candidate scores the same on 50 or more prompts", CRITICAL, 1),
    ("price", drop_a_price, "Every candidate has prices", WARNING, 1),
    ("reject", reject_a_row, "At most 0.0% of the rows are rejected", CRITICAL, 1),
]


def test_clean_collection_passes(passed: ValidationOutcome) -> None:
    assert passed.passed
    assert broken(passed) == []
    assert passed.sentence() == "20 checks passed"


@pytest.mark.parametrize(
    ("fault", "title", "severity", "rows"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_check_finds_its_fault_and_no_other(
    clean: Collection, fault: Callable[[Collection], Collection], title: str, severity: str, rows: int
) -> None:
    outcome = validation.check(fault(clean))

    check = the_broken(outcome)
    assert (check.title, check.severity, check.unexpected) == (title, severity, rows)
    assert outcome.passed is (severity == WARNING)


@pytest.mark.parametrize(("value", "rows"), [(87.0, 60), (float("inf"), 1)])
def test_score_far_outside_the_range_is_found_beside_what_it_does_to_the_mean(
    clean: Collection, value: float, rows: int
) -> None:
    outcome = validation.check(set_score(value, rows=rows)(clean))

    check = next(check for check in outcome.checks if check.title == IN_RANGE)
    assert (check.passed, check.unexpected) == (False, rows)
    assert outcome.sentence().startswith(IN_RANGE)


def test_broken_score_is_told_with_file_row_and_remedy(clean: Collection) -> None:
    outcome = validation.check(set_score(1.4)(clean))

    assert outcome.sentence() == (
        "Every score lies in [0, 1] does not hold for 1 row, source/scores.csv row 1: candidate 'ada', "
        "prompt_id 'p0000', metric 'score', score 1.4; rescale percentages and points to [0, 1] before upload, "
        "or name a file of percentages scores_percent.csv"
    )


def test_rejected_row_is_told_with_its_own_reason(clean: Collection) -> None:
    outcome = validation.check(reject_a_row(clean))

    assert outcome.sentence() == (
        "At most 0.0% of the rows are rejected does not hold for 1 row, s3://b/scores.csv row 7: "
        "the score is no number; fix it"
    )


def test_warnings_do_not_halt_but_are_named(clean: Collection) -> None:
    outcome = validation.check(drop_a_price(lengthen_a_prompt(clean)))

    assert outcome.passed
    assert outcome.sentence() == (
        "18 checks passed, 2 warnings: 'No prompt is longer than 32,768 characters' does not hold; "
        "'Every candidate has prices' does not hold"
    )


def test_several_faults_are_counted_in_the_sentence(clean: Collection) -> None:
    outcome = validation.check(double_a_prompt(set_score(1.4)(clean)))

    assert outcome.sentence().startswith(IN_RANGE)
    assert outcome.sentence().endswith("(and 1 other checks failed)")


def test_at_most_twenty_rows_are_shown(clean: Collection) -> None:
    check = the_broken(validation.check(set_score(-0.5, rows=30)(clean)))

    assert (check.unexpected, len(check.rows)) == (30, 20)
    assert check.rows[0]["score"] == -0.5


def test_perfect_candidate_is_suspicious(clean: Collection) -> None:
    limits = ValidationLimits(perfect_score=0.66)

    check = the_broken(validation.check(clean, limits=limits))

    assert check.title == "No candidate's mean reaches 0.66 on 50 or more prompts"
    assert [row["candidate"] for row in check.rows] == ["ada"]


def test_means_over_few_prompts_are_not_judged(clean: Collection) -> None:
    constant = set_score(1.0, rows=60)(clean)

    assert validation.check(constant, limits=ValidationLimits(enough_prompts=61)).passed


def test_empty_collection_never_passes() -> None:
    empty = Collection(
        contracts.SCORES.empty_table(),
        contracts.PROMPTS.empty_table(),
        contracts.CANDIDATES.empty_table(),
        contracts.REJECTS.empty_table(),
        (),
        (),
    )

    outcome = validation.check(empty)

    assert not outcome.passed
    assert broken(outcome) == ["There are scores", "There are prompts", "There are at least two candidates"]


def test_scores_without_prompts_never_pass(clean: Collection) -> None:
    outcome = validation.check(replace(clean, prompts=contracts.PROMPTS.empty_table()))

    assert broken(outcome) == ["Every score's prompt is known", "There are prompts"]


def test_prompt_without_a_text_is_critical(clean: Collection) -> None:
    rows = clean.prompts.to_pylist()
    outcome = validation.check(
        replace(clean, prompts=contracts.from_rows([rows[0] | {"prompt": ""}, *rows[1:]], contracts.PROMPTS))
    )

    assert broken(outcome) == ["Every prompt has a text"]


def test_two_metrics_of_one_prompt_are_told(clean: Collection) -> None:
    outcome = validation.check(with_scores(clean, lambda rows: [*rows, rows[0] | {"metric": "another", "score": 0.5}]))

    assert broken(outcome) == ["A candidate has one score per prompt"]


@pytest.mark.parametrize("price", [-1.0, float("inf")])
def test_impossible_price_is_told(clean: Collection, price: float) -> None:
    rows = clean.candidates.to_pylist()
    candidates = contracts.from_rows([rows[0] | {"price_in": price}, rows[1]], contracts.CANDIDATES)

    assert broken(validation.check(replace(clean, candidates=candidates))) != []


@pytest.mark.parametrize(("share", "passes"), [(0.0, False), (0.005, False), (0.01, True), (1.0, True)])
def test_tolerated_share_of_rejected_rows(clean: Collection, share: float, passes: bool) -> None:
    assert reject_a_row(clean).rejected_share == pytest.approx(1 / 121)

    assert validation._rejected(reject_a_row(clean), ValidationLimits(max_rejected_share=share)).passed is passes


def test_summary_counts_and_averages_by_candidate_and_benchmark(clean: Collection) -> None:
    assert validation.summary(clean) == {
        "ada": {"benchmark": [60, pytest.approx(2 / 3)]},
        "bob": {"benchmark": [60, pytest.approx(1 / 2)]},
    }


@pytest.mark.parametrize(
    ("before", "drifted"),
    [([60, 2 / 3], False), ([60, 0.60], False), ([60, 0.50], True), ([60, 0.80], True), ([49, 0.10], False)],
)
def test_drift_since_the_champion(clean: Collection, before: list[float], drifted: bool) -> None:
    outcome = validation.check(clean, previous={"ada": {"benchmark": before}})

    assert (
        "No candidate's mean on a benchmark moved by more than 10% since the champion's data" in broken(outcome)
    ) is drifted
    assert outcome.passed is not drifted


def test_drift_is_told_with_both_means_and_the_files_that_moved_them(clean: Collection) -> None:
    def move(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        mine = [row for row in rows if row["candidate"] == "ada"]
        for place, row in enumerate(mine):
            row |= {"source_uri": f"{place // 20}.csv", "source_row": 60 - place}
            row["score"] = float(place >= 40 or place % 2)
        return rows

    # The files have means of 0.5, 0.5 and 1: the last one alone moved that of all, by 20 / 60 * (1 - 0.5).
    outcome = validation.check(with_scores(clean, move), previous={"ada": {"benchmark": [60, 0.5]}})

    assert the_broken(outcome).rows[0] == {
        "source_uri": "2.csv",
        "source_row": 1,
        "candidate": "ada",
        "benchmark": "benchmark",
        "before": 0.5,
        "now": pytest.approx(2 / 3),
        "change": pytest.approx(1 / 6),
        "files": "2.csv (mean 1.000 of 20), 0.csv (mean 0.500 of 20), 1.csv (mean 0.500 of 20)",
    }
    assert "2.csv row 1: candidate 'ada', benchmark 'benchmark', before 0.5" in outcome.sentence()


def test_candidates_and_benchmarks_that_are_new_or_gone_do_not_drift(clean: Collection) -> None:
    previous = {"gone": {"benchmark": [60, 0.0]}, "ada": {"another": [60, 0.0]}}

    assert broken(validation.check(clean, previous)) == []


def test_drift_limit_can_be_raised(clean: Collection) -> None:
    previous = {"ada": {"benchmark": [60, 0.5]}}

    assert validation.check(clean, previous, ValidationLimits(max_drift=0.2)).passed


def test_outcome_without_any_rule_is_a_fault(clean: Collection) -> None:
    with pytest.raises(ModelsatError, match="evaluated 0 of 0 expectations; report this as a bug"):
        expectations.run(clean.scores.to_pandas(), [])


def test_expectation_that_cannot_be_evaluated_is_a_fault(clean: Collection) -> None:
    rule = expectations.Rule("Every colour is known", "ExpectColumnValuesToNotBeNull", {"column": "colour"}, "add it")

    with pytest.raises(ModelsatError, match="the expectation 'Every colour is known' could not be evaluated"):
        expectations.run(clean.scores.to_pandas(), [rule])


def test_failed_expectation_without_rows_counts_as_one() -> None:
    rule = expectations.Rule("There are scores", "ExpectTableRowCountToBeBetween", {}, "collect some")
    result = SimpleNamespace(exception_info=None, result={}, success=False)

    check = expectations._check(rule, result, pd.DataFrame())

    assert (check.passed, check.unexpected, check.rows) == (False, 1, ())


def test_table_of_checks_has_one_row_each(passed: ValidationOutcome) -> None:
    table = validation.as_table(passed)

    assert table.column_names == ["check", "severity", "passed", "unexpected", "remedy"]
    assert table.num_rows == 20
    assert set(table["passed"].to_pylist()) == {True}


def test_faults_planted_together_are_found_each(clean: Collection) -> None:
    faulty = clean
    for fault in (
        double_a_prompt,
        lengthen_a_prompt,
        drop_a_price,
        reject_a_row,
        set_score(NAN),
        set_score(2.0, "bob"),
    ):
        faulty = fault(faulty)

    outcome = validation.check(faulty)

    assert broken(outcome) == [
        "At most 0.0% of the rows are rejected",
        "Every score is a number",
        IN_RANGE,
        "Every prompt stands once",
        "No prompt is longer than 32,768 characters",
        "Every candidate has prices",
    ]


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["zeroeval", "mmlupro", "mmlu_helm"])
def test_real_results_validate_without_critical_failures(collect_real: Callable[[str], Collection], name: str) -> None:
    outcome = validation.check(collect_real(name))

    assert outcome.passed
    assert set(broken(outcome)) <= {"Every candidate has prices", "No prompt is longer than 32,768 characters"}
