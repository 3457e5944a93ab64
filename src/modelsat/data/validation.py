"""Validates a collection against the data contract with Great Expectations."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from modelsat.data import contract_suites, expectations, paid, suspects, tallies
from modelsat.data.collection import Collection
from modelsat.data.contract_suites import ValidationLimits
from modelsat.data.expectations import CRITICAL, WARNING, Check
from modelsat.data.tallies import FileTally, Tally

_FILES = 3
"""So many of the files behind a drift are named."""


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
    checks += _score_checks(collection) + _prompt_checks(collection, limits)
    tallied = tallies.by_benchmark(collection)
    checks += expectations.run(_candidates_frame(collection, tallied, limits), contract_suites.candidates(limits))
    levels = paid.levels(collection)
    if any(level["over_list"] for level in levels.values()):
        checks += expectations.run(_paid_frame(levels), contract_suites.paid(limits))
    checks += expectations.run(_benchmarks_frame(tallied, limits), contract_suites.benchmarks(limits))
    drift = _drift_frame(tallied, previous or {}, limits)
    if len(drift):
        checks += [_with_files(check, collection) for check in expectations.run(drift, contract_suites.drift(limits))]
    return ValidationOutcome(tuple(checks))


def summary(collection: Collection) -> dict[str, dict[str, list[float]]]:
    """Return [prompts, mean score] by candidate and benchmark, for comparison with a later collection."""
    return _summary(tallies.by_benchmark(collection))


def _summary(tallied: Mapping[tuple[str, str], Tally]) -> dict[str, dict[str, list[float]]]:
    out: dict[str, dict[str, list[float]]] = {}
    for (candidate, benchmark), tally in tallied.items():
        if tally.mean is not None:
            out.setdefault(candidate, {})[benchmark] = [tally.count, tally.mean]
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


def _score_checks(collection: Collection) -> list[Check]:
    found = suspects.of_scores(collection)
    frame = found.frame()
    prompts = set(frame["prompt_id"]) & set(collection.prompts["prompt_id"].to_pylist())
    candidates = set(frame["candidate"]) & set(collection.candidates["candidate"].to_pylist())
    rules = contract_suites.scores(sorted(prompts), sorted(candidates))
    return [
        *expectations.run(_empty_frame(collection.rows), contract_suites.some_scores()),
        *expectations.run(frame, rules, found.counts),
    ]


def _prompt_checks(collection: Collection, limits: ValidationLimits) -> list[Check]:
    found = suspects.of_prompts(collection.prompts, limits.longest_prompt)
    return [
        *expectations.run(_empty_frame(collection.prompts.num_rows), contract_suites.some_prompts()),
        *expectations.run(found.frame(), contract_suites.prompts(limits), found.counts),
    ]


def _empty_frame(rows: int) -> Any:
    """Return a frame of so many rows that holds nothing else."""
    return pd.DataFrame(index=pd.RangeIndex(rows))


def _candidates_frame(
    collection: Collection, tallied: Mapping[tuple[str, str], Tally], limits: ValidationLimits
) -> Any:
    prices, shown = ["price_in", "price_out"], ["source_uri", "candidate", "prompts", "mean_score"]
    frame = collection.candidates.select(["candidate", *prices]).sort_by("candidate").to_pandas()
    stats = _stats(tallies.by_candidate(dict(tallied)))
    frame = frame.merge(stats, how="left", left_on="candidate", right_index=True)
    levels = paid.levels(collection)
    measured = frame["candidate"].map({name: level["usd"] for name, level in levels.items()}).astype(float)
    enough = frame["prompts"] >= limits.enough_prompts
    return frame.assign(
        mean_score=frame["mean"].round(4),
        constant=enough & (frame["least"] == frame["most"]),
        suspiciously_perfect=enough & (frame["mean"] >= limits.perfect_score),
        # Who is known by what was paid needs no list price.
        price=(frame["price_in"] + frame["price_out"]).fillna(measured),
        impossible_price=(frame[prices] < 0).any(axis=1) | np.isinf(frame[prices].astype(float)).any(axis=1),
    )[[*shown, "constant", "suspiciously_perfect", "price", "impossible_price"]].reset_index(drop=True)


def _stats(tallied: Mapping[Any, Tally]) -> Any:
    """Return a frame of tallies, indexed by what they are of."""
    numbers = ("count", "mean", "least", "most")
    columns = {name: np.asarray([getattr(one, name) for one in tallied.values()], dtype=float) for name in numbers}
    uris = pd.Series([one.source_uri for one in tallied.values()], dtype=object)
    frame = pd.DataFrame({"source_uri": uris, **columns}).assign(prompts=columns["count"].astype(np.int64))
    return frame.set_index(pd.Index(list(tallied), dtype=object, tupleize_cols=False))


def _paid_frame(levels: Mapping[str, Mapping[str, float | None]]) -> Any:
    """Return a row per candidate with measured costs and list prices; answers that cost nothing are no fault."""
    rows = [{"candidate": name, "usd": one["usd"], "times_list": one["over_list"]} for name, one in levels.items()]
    return pd.DataFrame([row for row in rows if row["times_list"]])


def _benchmarks_frame(tallied: Mapping[tuple[str, str], Tally], limits: ValidationLimits) -> Any:
    """Return a row per candidate and benchmark; a candidate that scores the same everywhere is not shown again."""
    frame = _stats(tallied).reset_index(drop=True)
    frame = frame.assign(candidate=[name for name, _ in tallied], benchmark=[name for _, name in tallied])
    same = frame["least"] == frame["most"]
    varies = frame.groupby("candidate")["mean"].transform("nunique") > 1
    return frame.assign(
        mean_score=frame["mean"].round(4),
        constant=(frame["prompts"] >= limits.enough_prompts) & same & varies,
    )[["source_uri", "candidate", "benchmark", "prompts", "mean_score", "constant"]]


def _drift_frame(
    tallied: Mapping[tuple[str, str], Tally], previous: Mapping[str, Any], limits: ValidationLimits
) -> Any:
    rows = []
    for candidate, benchmarks in _summary(tallied).items():
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


def _with_files(check: Check, collection: Collection) -> Check:
    """Return the check of drift, each of its rows with the files that its scores come from."""
    if check.passed:
        return check
    found = tallies.by_file(collection, {(row["candidate"], row["benchmark"]) for row in check.rows})
    return replace(check, rows=tuple(_located(row, found[row["candidate"], row["benchmark"]]) for row in check.rows))


def _located(row: Mapping[str, Any], files: Sequence[FileTally]) -> dict[str, Any]:
    """Return a row of drift with its files; first stands the one that moved the mean most, with its first row."""
    files = sorted(files, key=lambda one: -abs(one.total - one.count * row["before"]))
    said = [f"{one.source_uri} (mean {one.total / max(one.count, 1):.3f} of {one.count:,})" for one in files[:_FILES]]
    more = f" and {len(files) - _FILES} more" if len(files) > _FILES else ""
    place = {"source_uri": files[0].source_uri, "source_row": files[0].first_row}
    return {**place, **row, "files": ", ".join(said) + more}


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
