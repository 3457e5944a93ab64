"""The data contract as Great Expectations suites, with guards against what that package lets pass.

Great Expectations calls an empty table, an empty suite and NaN inside a range a success. So every suite counts its
rows, every key and score must not be null, and an outcome with another number of results than expected is a failure.
"""

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.collection import Collection
from modelsat.errors import ModelsatError

CRITICAL, WARNING = "critical", "warning"


@dataclass(frozen=True)
class Limits:
    """The settings of validation.

    Attributes:
        max_rejected_share: Largest tolerated share of rejected rows, in [0, 1].
        max_drift: Largest tolerated change of a candidate's mean on a benchmark since the champion's data, in [0, 1].
        perfect_score: A mean at or above this over `enough_prompts` is suspicious, in [0, 1].
        enough_prompts: Means over fewer prompts are not judged.
        longest_prompt: Longer prompts are pointed out, in characters.
    """

    max_rejected_share: float = 0.0
    max_drift: float = 0.10
    perfect_score: float = 0.995
    enough_prompts: int = 50
    longest_prompt: int = 32_768


@dataclass(frozen=True)
class Check:
    """One expectation and how it came out.

    Attributes:
        title: What is expected, as a statement.
        severity: Critical halts the run, warning is shown.
        passed: Whether it holds.
        unexpected: How many rows break it.
        rows: Up to 20 of them, as shown on the page.
        remedy: What to do.
    """

    title: str
    severity: str
    passed: bool
    unexpected: int
    rows: tuple[Mapping[str, Any], ...]
    remedy: str


@dataclass(frozen=True)
class Outcome:
    """All checks of a collection."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Say whether nothing critical is broken."""
        return all(check.passed for check in self.checks if check.severity == CRITICAL)

    def sentence(self) -> str:
        """Return the verdict in one sentence: what is wrong, where, what to do."""
        broken = [check for check in self.checks if not check.passed and check.severity == CRITICAL]
        if not broken:
            warned = sum(not check.passed for check in self.checks)
            return (
                f"{len(self.checks)} checks passed"
                if not warned
                else f"{len(self.checks) - warned} checks passed, {warned} {'warning' if warned == 1 else 'warnings'}"
            )
        first = broken[0]
        row = first.rows[0] if first.rows else {}
        if "reason" in row:
            where = f"{_place(row)}{row['reason']}"
        else:
            facts = ", ".join(
                f"{name} {value!r}" for name, value in row.items() if name not in ("source_uri", "source_row")
            )
            where = f"{_place(row)}{facts}; {first.remedy}" if row else first.remedy
        more = "" if len(broken) == 1 else f" (and {len(broken) - 1} other checks failed)"
        rows = "1 row," if first.unexpected == 1 else f"{first.unexpected:,} rows, such as"
        return f"{first.title} does not hold for {rows} {where}{more}"


def _place(row: Mapping[str, Any]) -> str:
    if not row.get("source_uri"):
        return ""
    line = row.get("source_row")
    return f"{row['source_uri']}{'' if line is None else f' row {line}'}: "


def check(collection: Collection, previous: Mapping[str, Any] | None = None, limits: Limits = Limits()) -> Outcome:
    """Check a collection against the data contract.

    Args:
        collection: What was collected.
        previous: `summary()` of the data behind the champion, for drift; None where there is no champion.
        limits: The settings.
    """
    # The score check comes first: its rows name their file, which is what a person needs to see.
    checks = [_rejected(collection, limits)]
    checks += _run(_scores_frame(collection), _scores_suite(collection))
    checks += _run(_prompts_frame(collection), _prompts_suite(limits))
    checks += _run(_candidates_frame(collection, limits), _candidates_suite(limits))
    drift = _drift_frame(collection, previous or {}, limits)
    if len(drift):
        checks += _run(drift, _drift_suite(limits))
    return Outcome(tuple(checks))


def summary(collection: Collection) -> dict[str, dict[str, list[float]]]:
    """Return [prompts, mean score] by candidate and benchmark: what a later collection is compared with."""
    grouped = collection.scores.group_by(["candidate", "benchmark"]).aggregate([("score", "mean"), ("score", "count")])
    out: dict[str, dict[str, list[float]]] = {}
    for row in grouped.sort_by([("candidate", "ascending"), ("benchmark", "ascending")]).to_pylist():
        if row["score_mean"] is not None:
            out.setdefault(row["candidate"], {})[row["benchmark"]] = [row["score_count"], row["score_mean"]]
    return out


def _rejected(collection: Collection, limits: Limits) -> Check:
    share = collection.rejected_share
    return Check(
        title=f"At most {limits.max_rejected_share:.1%} of the rows are rejected",
        severity=CRITICAL,
        passed=share <= limits.max_rejected_share,
        unexpected=collection.rejects.num_rows,
        rows=tuple(collection.rejects.slice(0, 20).to_pylist()),
        remedy="correct the rows and run again",
    )


@dataclass(frozen=True)
class _Rule:
    """One expectation with the words around it."""

    title: str
    kind: str
    arguments: Mapping[str, Any]
    remedy: str
    severity: str = CRITICAL


def _scores_suite(collection: Collection) -> list[_Rule]:
    prompts = collection.prompts["prompt_id"].to_pylist()
    candidates = collection.candidates["candidate"].to_pylist()
    return [
        _Rule(
            "There are scores",
            "ExpectTableRowCountToBeBetween",
            {"min_value": 1, "max_value": 10**9},
            "collect some results",
        ),
        _Rule(
            "Every score is a number",
            "ExpectColumnValuesToNotBeNull",
            {"column": "score"},
            "remove the row where a candidate was not run",
        ),
        _Rule(
            "Every score lies in [0, 1]",
            "ExpectColumnValuesToBeBetween",
            {"column": "score", "min_value": 0, "max_value": 1},
            "rescale percentages and points to [0, 1] before upload",
        ),
        _Rule(
            "Every score names its candidate",
            "ExpectColumnValuesToNotBeNull",
            {"column": "candidate"},
            "name the candidate",
        ),
        _Rule(
            "Every score names its prompt", "ExpectColumnValuesToNotBeNull", {"column": "prompt_id"}, "name the prompt"
        ),
        _Rule(
            "Every score's prompt is known",
            "ExpectColumnValuesToBeInSet",
            {"column": "prompt_id", "value_set": prompts},
            "add the prompt to the prompts table or remove its scores",
        ),
        _Rule(
            "Every score's candidate is known",
            "ExpectColumnValuesToBeInSet",
            {"column": "candidate", "value_set": candidates},
            "add the candidate to the models table",
        ),
        _Rule(
            "A candidate has one score per prompt",
            "ExpectCompoundColumnsToBeUnique",
            {"column_list": ["candidate", "prompt_id"]},
            "keep one of the rows, or one metric of the benchmark",
        ),
    ]


def _prompts_suite(limits: Limits) -> list[_Rule]:
    return [
        _Rule(
            "There are prompts",
            "ExpectTableRowCountToBeBetween",
            {"min_value": 1, "max_value": 10**9},
            "add the prompts table",
        ),
        _Rule(
            "Every prompt stands once",
            "ExpectColumnValuesToBeUnique",
            {"column": "prompt_id"},
            "give each prompt its own id",
        ),
        _Rule(
            "Every prompt has a text",
            "ExpectColumnValuesToBeBetween",
            {"column": "characters", "min_value": 1},
            "add the text",
        ),
        _Rule(
            f"No prompt is longer than {limits.longest_prompt:,} characters",
            "ExpectColumnValuesToBeBetween",
            {"column": "characters", "max_value": limits.longest_prompt},
            "the router reads only a part of it; shorten it or leave it out if that misleads",
            WARNING,
        ),
    ]


def _candidates_suite(limits: Limits) -> list[_Rule]:
    return [
        _Rule(
            "There are at least two candidates",
            "ExpectTableRowCountToBeBetween",
            {"min_value": 2, "max_value": 10**6},
            "collect results of a second candidate",
        ),
        _Rule(
            f"No candidate scores the same on {limits.enough_prompts} or more prompts",
            "ExpectColumnValuesToNotBeInSet",
            {"column": "constant", "value_set": [True]},
            "check how this candidate was scored; a run that failed or was copied looks like this",
        ),
        _Rule(
            f"No candidate's mean reaches {limits.perfect_score} on {limits.enough_prompts} or more prompts",
            "ExpectColumnValuesToNotBeInSet",
            {"column": "suspiciously_perfect", "value_set": [True]},
            "check for answers that leaked into the candidate or its scorer",
        ),
        _Rule(
            "Every price is a number of at least 0",
            "ExpectColumnValuesToNotBeInSet",
            {"column": "impossible_price", "value_set": [True]},
            "correct price_in or price_out; leave it empty where it is not known",
        ),
        _Rule(
            "Every candidate has prices",
            "ExpectColumnValuesToNotBeNull",
            {"column": "price"},
            "add price_in and price_out; until then it counts as the dearest",
            WARNING,
        ),
    ]


def _drift_suite(limits: Limits) -> list[_Rule]:
    return [
        _Rule(
            f"No candidate's mean on a benchmark moved by more than {limits.max_drift:.0%} since the champion's data",
            "ExpectColumnValuesToBeBetween",
            {"column": "change", "min_value": -limits.max_drift, "max_value": limits.max_drift},
            "check the harness of this run; raise validate_max_drift if the change is real",
        )
    ]


def _scores_frame(collection: Collection) -> Any:
    columns = ["source_uri", "source_row", "candidate", "prompt_id", "metric", "score"]
    return collection.scores.select(columns).to_pandas(strings_to_categorical=False)


def _prompts_frame(collection: Collection) -> Any:
    frame = collection.prompts.select(["prompt_id", "prompt"]).to_pandas()
    frame["characters"] = pc.utf8_length(collection.prompts["prompt"]).to_pandas().to_numpy()
    return frame


def _candidates_frame(collection: Collection, limits: Limits) -> Any:
    stats = collection.scores.group_by("candidate").aggregate(
        [("score", "mean"), ("score", "min"), ("score", "max"), ("score", "count"), ("source_uri", "min")]
    )
    prices, shown = ["price_in", "price_out"], ["source_uri", "candidate", "prompts", "mean_score"]
    frame = (
        collection.candidates.select(["candidate", *prices]).join(stats, "candidate").sort_by("candidate").to_pandas()
    )
    enough = frame["score_count"] >= limits.enough_prompts
    return frame.assign(
        source_uri=frame["source_uri_min"],
        prompts=frame["score_count"],
        mean_score=frame["score_mean"].round(4),
        constant=enough & (frame["score_min"] == frame["score_max"]),
        suspiciously_perfect=enough & (frame["score_mean"] >= limits.perfect_score),
        price=frame["price_in"] + frame["price_out"],
        impossible_price=(frame[prices] < 0).any(axis=1) | np.isinf(frame[prices].astype(float)).any(axis=1),
    )[[*shown, "constant", "suspiciously_perfect", "price", "impossible_price"]]


def _drift_frame(collection: Collection, previous: Mapping[str, Any], limits: Limits) -> Any:
    import pandas as pd

    rows = []
    for candidate, benchmarks in summary(collection).items():
        for benchmark, (n, mean) in benchmarks.items():
            before = previous.get(candidate, {}).get(benchmark)
            if before and min(n, before[0]) >= limits.enough_prompts:
                rows.append(
                    {
                        "candidate": candidate,
                        "benchmark": benchmark,
                        "before": before[1],
                        "now": mean,
                        "change": mean - before[1],
                    }
                )
    return pd.DataFrame(rows)


def _run(frame: Any, rules: Sequence[_Rule]) -> list[Check]:
    """Run the rules on one data frame through Great Expectations."""
    gx = _great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    batch = (
        context.data_sources.add_pandas("frame").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    )
    expectations = [
        getattr(gx.expectations, rule.kind)(**rule.arguments, severity=rule.severity, meta={"rule": i})
        for i, rule in enumerate(rules)
    ]
    suite = context.suites.add(gx.ExpectationSuite(name="contract", expectations=expectations))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="contract", data=batch, suite=suite))
    with warnings.catch_warnings():
        # Great Expectations compares with pandas calls that warn about their own future.
        warnings.simplefilter("ignore")
        results = definition.run(batch_parameters={"dataframe": frame}, result_format="COMPLETE").results
    if len(results) != len(rules) or not rules:
        raise ModelsatError(
            f"Great Expectations evaluated {len(results)} of {len(rules)} expectations; report this as a bug"
        )
    by_rule = {result.expectation_config.meta["rule"]: result for result in results}
    return [_check(rule, by_rule[i], frame) for i, rule in enumerate(rules)]


def _check(rule: _Rule, result: Any, frame: Any) -> Check:
    told = result.exception_info or {}
    # Great Expectations puts what went wrong under the name of each metric, or at the top.
    faults = [fault for fault in (told, *told.values()) if isinstance(fault, dict) and fault.get("raised_exception")]
    if faults:
        raise ModelsatError(f"the expectation {rule.title!r} could not be evaluated: {faults[0]['exception_message']}")
    index = result.result.get("unexpected_index_list") or []
    shown = frame.iloc[index[:20]].replace({np.nan: None}).to_dict("records")
    unexpected = len(index) if index else int(not result.success)
    return Check(rule.title, rule.severity, bool(result.success), unexpected, tuple(shown), rule.remedy)


def _great_expectations() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return gx


def as_table(outcome: Outcome) -> pa.Table:
    """Return one row per check, for MLflow and for scripts."""
    return pa.Table.from_pylist(
        [
            {
                "check": c.title,
                "severity": c.severity,
                "passed": c.passed,
                "unexpected": c.unexpected,
                "remedy": c.remedy,
            }
            for c in outcome.checks
        ]
    )
