"""Validates a collection against the data contract with Great Expectations."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import contract_suites, expectations, paid
from modelsat.data.collection import Collection
from modelsat.data.contract_suites import ValidationLimits
from modelsat.data.expectations import CRITICAL, WARNING, Check


@dataclass(frozen=True)
class ValidationOutcome:
    """All checks of a collection."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Return whether no critical check failed."""
        return all(check.passed for check in self.checks if check.severity == CRITICAL)

    def sentence(self) -> str:
        """Return the verdict in one sentence: what is wrong, where, what to do."""
        broken = [check for check in self.checks if not check.passed and check.severity == CRITICAL]
        if not broken:
            warned = [check.title for check in self.checks if not check.passed]
            held = f"{len(self.checks) - len(warned)} checks passed"
            named = "; ".join(f"'{title}' does not hold" for title in warned)
            return f"{held}, {len(warned)} {'warning' if len(warned) == 1 else 'warnings'}: {named}" if warned else held
        first = broken[0]
        row = first.rows[0] if first.rows else {}
        if "reason" in row:
            where = f"{_place(row)}{row['reason']}"
        else:
            fields = ", ".join(
                f"{name} {value!r}" for name, value in row.items() if name not in ("source_uri", "source_row")
            )
            where = f"{_place(row)}{fields}; {first.remedy}" if row else first.remedy
        more = "" if len(broken) == 1 else f" (and {len(broken) - 1} other checks failed)"
        rows = "1 row," if first.unexpected == 1 else f"{first.unexpected:,} rows, such as"
        return f"{first.title} does not hold for {rows} {where}{more}"


def _place(row: Mapping[str, Any]) -> str:
    if not row.get("source_uri"):
        return ""
    line = row.get("source_row")
    return f"{row['source_uri']}{'' if line is None else f' row {line}'}: "


def check(
    collection: Collection, previous: Mapping[str, Any] | None = None, limits: ValidationLimits = ValidationLimits()
) -> ValidationOutcome:
    """Check a collection against the data contract.

    Args:
        collection: What was collected.
        previous: `summary()` of the data behind the champion, for drift; None where there is no champion.
        limits: The settings.
    """
    # The score checks come first, because their rows name the file at fault.
    checks = [_rejected(collection, limits), _answered(collection)]
    checks += expectations.run(_scores_frame(collection), contract_suites.scores(collection))
    checks += expectations.run(_prompts_frame(collection), contract_suites.prompts(limits))
    checks += expectations.run(_candidates_frame(collection, limits), contract_suites.candidates(limits))
    levels = paid.levels(collection)
    if any(level["over_list"] for level in levels.values()):
        checks += expectations.run(_paid_frame(levels), contract_suites.paid(limits))
    checks += expectations.run(_benchmarks_frame(collection, limits), contract_suites.benchmarks(limits))
    drift = _drift_frame(collection, previous or {}, limits)
    if len(drift):
        checks += expectations.run(drift, contract_suites.drift(limits))
    return ValidationOutcome(tuple(checks))


def summary(collection: Collection) -> dict[str, dict[str, list[float]]]:
    """Return [prompts, mean score] by candidate and benchmark, for comparison with a later collection."""
    grouped = collection.scores.group_by(["candidate", "benchmark"]).aggregate([("score", "mean"), ("score", "count")])
    out: dict[str, dict[str, list[float]]] = {}
    for row in grouped.sort_by([("candidate", "ascending"), ("benchmark", "ascending")]).to_pylist():
        if row["score_mean"] is not None:
            out.setdefault(row["candidate"], {})[row["benchmark"]] = [row["score_count"], row["score_mean"]]
    return out


def _rejected(collection: Collection, limits: ValidationLimits) -> Check:
    share = collection.rejected_share
    return Check(
        title=f"At most {limits.max_rejected_share:.1%} of the rows are rejected",
        severity=CRITICAL,
        passed=share <= limits.max_rejected_share,
        unexpected=collection.rejects.num_rows,
        rows=tuple(collection.rejects.slice(0, 20).to_pylist()),
        remedy="correct the rows and run again",
    )


def _answered(collection: Collection) -> Check:
    """Warn about empty answers; they count as missing, not as wrong, so they do not halt the run."""
    return Check(
        title="Every candidate answers where it was run",
        severity=WARNING,
        passed=not collection.empty_answers,
        unexpected=len(collection.empty_answers),
        rows=tuple(asdict(entry) for entry in collection.empty_answers[:20]),
        remedy="empty answers count as missing; check the endpoint and the limit of tokens, and run the task again",
    )


def _scores_frame(collection: Collection) -> Any:
    columns = ["source_uri", "source_row", "candidate", "prompt_id", "metric", "score"]
    return collection.scores.select(columns).to_pandas(strings_to_categorical=False)


def _prompts_frame(collection: Collection) -> Any:
    frame = collection.prompts.select(["prompt_id", "prompt"]).to_pandas()
    frame["characters"] = pc.utf8_length(collection.prompts["prompt"]).to_pandas().to_numpy()
    return frame


def _candidates_frame(collection: Collection, limits: ValidationLimits) -> Any:
    stats = collection.scores.group_by("candidate").aggregate(
        [("score", "mean"), ("score", "min"), ("score", "max"), ("score", "count"), ("source_uri", "min")]
    )
    prices, shown = ["price_in", "price_out"], ["source_uri", "candidate", "prompts", "mean_score"]
    frame = (
        collection.candidates.select(["candidate", *prices]).join(stats, "candidate").sort_by("candidate").to_pandas()
    )
    levels = paid.levels(collection)
    measured = frame["candidate"].map({name: level["usd"] for name, level in levels.items()}).astype(float)
    enough = frame["score_count"] >= limits.enough_prompts
    return frame.assign(
        source_uri=frame["source_uri_min"],
        prompts=frame["score_count"],
        mean_score=frame["score_mean"].round(4),
        constant=enough & (frame["score_min"] == frame["score_max"]),
        suspiciously_perfect=enough & (frame["score_mean"] >= limits.perfect_score),
        # Who is known by what was paid needs no list price.
        price=(frame["price_in"] + frame["price_out"]).fillna(measured),
        impossible_price=(frame[prices] < 0).any(axis=1) | np.isinf(frame[prices].astype(float)).any(axis=1),
    )[[*shown, "constant", "suspiciously_perfect", "price", "impossible_price"]]


def _paid_frame(levels: Mapping[str, Mapping[str, float | None]]) -> Any:
    """Return a row per candidate with measured costs and list prices; answers that cost nothing are no fault."""
    rows = [{"candidate": name, "usd": one["usd"], "times_list": one["over_list"]} for name, one in levels.items()]
    return pd.DataFrame([row for row in rows if row["times_list"]])


def _benchmarks_frame(collection: Collection, limits: ValidationLimits) -> Any:
    """Return a row per candidate and benchmark; a candidate that scores the same everywhere is not shown again."""
    stats = [("score", "mean"), ("score", "min"), ("score", "max"), ("score", "count"), ("source_uri", "min")]
    frame = collection.scores.group_by(["candidate", "benchmark"]).aggregate(stats).to_pandas()
    frame = frame.sort_values(["candidate", "benchmark"], ignore_index=True)
    same = frame["score_min"] == frame["score_max"]
    varies = frame.groupby("candidate")["score_mean"].transform("nunique") > 1
    return frame.assign(
        source_uri=frame["source_uri_min"],
        prompts=frame["score_count"],
        mean_score=frame["score_mean"].round(4),
        constant=(frame["score_count"] >= limits.enough_prompts) & same & varies,
    )[["source_uri", "candidate", "benchmark", "prompts", "mean_score", "constant"]]


def _drift_frame(collection: Collection, previous: Mapping[str, Any], limits: ValidationLimits) -> Any:
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


def as_table(outcome: ValidationOutcome) -> pa.Table:
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
