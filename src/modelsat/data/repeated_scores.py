"""One score per candidate, prompt and metric, where several runs or files give one.

Equal scores are one row, counted. Of different scores stands, in this order:

1. the number of examples before the question that most candidates have on the task, then that of most rows, then the
   fewest examples, which is nearest to what a router's clients send;
2. the newest version of the harness;
3. the file with more results of that candidate on the benchmark, so a whole run before a limited one;
4. the run of the latest date, where the harness writes dates.

What one of several rows with the same score says of cost, tokens and time completes the row that stands.

A difference that remains is a conflict, and both rows go among the rejects, named. The order in which files are listed
never decides.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import measures
from modelsat.data.readers.harvest import reject
from modelsat.data.remarks import Remark

SAME_SCORE = 1e-6

_KEY = ["candidate", "prompt_id", "metric"]
_DATED = "lm-evaluation-harness"

_Row = dict[str, object]


@dataclass(frozen=True)
class SettledScores:
    """Scores without repetition.

    Attributes:
        scores: One row per (candidate, prompt, metric).
        rejects: Rows in conflict.
        notes: Sentences on what was counted once and what gave way.
    """

    scores: pa.Table
    rejects: list[_Row]
    notes: list[str]


def settle(table: pa.Table) -> SettledScores:
    """Keep one score per (candidate, prompt, metric) by the rule at the top of this module."""
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in [*_KEY, "source_uri", "source_row"]])
    table = table.take(order)
    codes = np.column_stack(
        [table[name].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False) for name in _KEY]
    )
    starts = np.flatnonzero(np.r_[True, (codes[1:] != codes[:-1]).any(axis=1)]) if len(codes) else np.array([], int)
    ends = np.r_[starts[1:], len(codes)]
    doubled = np.flatnonzero(ends - starts > 1)
    drop = np.zeros(len(codes), dtype=bool)
    rejects: list[_Row] = []
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    ranks = _ranks(table) if len(doubled) else []
    measured: dict[int, dict[str, object]] = {}
    for group in doubled:
        rows = table.slice(starts[group], ends[group] - starts[group]).to_pylist()
        kept, out, superseded = _settle(rows, ranks)
        for i in set(range(len(rows))) - ({kept} if kept is not None else set()):
            drop[starts[group] + i] = True
        rejects += out
        if kept is not None:
            measured[int(starts[group] + kept)] = measures.completing(rows, kept)
            beaten, standing = _origins(rows[superseded], rows[kept]) if superseded is not None else ("", "")
            counts[str(rows[kept]["candidate"]), beaten, standing] += 1
    table = measures.completed(table, measured)
    return SettledScores(table.filter(pa.array(~drop)), rejects, _notes(counts))


def _ranks(table: pa.Table) -> list[Callable[[_Row], object]]:
    """Return the criteria in their order: the row of the highest value stands."""
    shots = table.group_by(["task", "num_fewshot"]).aggregate([("candidate", "count_distinct"), ("score", "count")])
    usual = {
        (row["task"], row["num_fewshot"]): (row["candidate_count_distinct"], row["score_count"])
        for row in shots.to_pylist()
    }
    of_file = table.group_by(["candidate", "benchmark", "source_uri"]).aggregate([("score", "count")])
    sizes = {(row["candidate"], row["benchmark"], row["source_uri"]): row["score_count"] for row in of_file.to_pylist()}

    def by_shots(row: _Row) -> object:
        shots = row["num_fewshot"]
        return (*usual[row["task"], shots], -int(str(shots)) if shots is not None else -np.inf)

    return [
        by_shots,
        lambda row: _version(row["harness_version"]),
        lambda row: sizes[row["candidate"], row["benchmark"], row["source_uri"]],
        lambda row: row["collected_at"] if row["harness"] == _DATED else None,
    ]


def _settle(
    rows: Sequence[_Row], ranks: Sequence[Callable[[_Row], object]]
) -> tuple[int | None, list[_Row], int | None]:
    """Choose one of several rows with one key: its index or None, rejects, and the index of a row that gave way."""
    current = list(range(len(rows)))
    for i, rank in enumerate(ranks):
        # An older version gives way even where it agrees, so that what stands comes from the newest.
        if i > 1 and _agree(rows, current):
            break
        values = [rank(rows[row]) for row in current]
        if None not in values:
            best = max(values)  # type: ignore[type-var]
            current = [row for row, value in zip(current, values, strict=True) if value == best]
    if _agree(rows, current):
        kept = rows[current[0]]
        beaten = [i for i, row in enumerate(rows) if i not in current and not _same(row["score"], kept["score"])]
        return current[0], [], beaten[0] if beaten else None
    where = " and ".join(
        f"{rows[i]['score']} in {rows[i]['source_uri']} row {rows[i]['source_row']}" for i in current[:3]
    )
    reason = (
        f"candidate {rows[0]['candidate']!r} has different scores for prompt {rows[0]['prompt_id']!r} "
        f"({where}); keep the right one"
    )
    out = [
        reject(str(rows[i]["source_uri"]), reason, int(str(rows[i]["source_row"])), "score", rows[i]["score"])
        for i in current
    ]
    return None, out, None


def _agree(rows: Sequence[_Row], chosen: Sequence[int]) -> bool:
    return all(_same(rows[i]["score"], rows[chosen[0]]["score"]) for i in chosen)


def _same(a: object, b: object) -> bool:
    if a is None or b is None:
        return a is b
    left, right = float(str(a)), float(str(b))
    return abs(left - right) <= SAME_SCORE or (left != left and right != right)


def _version(text: object) -> tuple[int, ...]:
    """Order dotted versions; a commit or nothing is older than any of them."""
    dotted = re.match(r"\d+(\.\d+)+", str(text or ""))
    return tuple(int(number) for number in dotted[0].split(".")) if dotted else ()


def _origins(beaten: _Row, kept: _Row) -> tuple[str, str]:
    """Name two runs by what tells them apart."""
    if beaten["num_fewshot"] != kept["num_fewshot"]:
        return _shots(beaten), _shots(kept)
    if (named := (_named(beaten), _named(kept))) and named[0] != named[1]:
        return named
    if beaten["collected_at"] != kept["collected_at"] and kept["harness"] == _DATED:
        return (
            f"a run at {beaten['collected_at']:%Y-%m-%d %H:%M:%S}",
            f"a run at {kept['collected_at']:%Y-%m-%d %H:%M:%S}",
        )
    return str(beaten["source_uri"]), str(kept["source_uri"])


def _shots(row: _Row) -> str:
    shots = row["num_fewshot"]
    return "a run with an unknown number of examples" if shots is None else f"a run with {shots} examples"


def _named(row: _Row) -> str:
    version = row["harness_version"]
    return f"{row['harness']} {version}" if version else str(row["source_uri"])


def _notes(counts: dict[tuple[str, str, str], int]) -> list[str]:
    notes = []
    for (candidate, beaten, kept), n in sorted(counts.items()):
        if beaten:
            notes.append(
                Remark.SCORES_SUPERSEDED.of(
                    f"candidate {candidate!r} has scores of {beaten} and of {kept} that differ on {n} prompts; "
                    f"those of {kept} are used, remove the others to silence this"
                )
            )
        else:
            notes.append(
                Remark.SCORE_REPEATED.of(
                    f"candidate {candidate!r} has the same score twice on {n} prompts; each is counted once"
                )
            )
    return notes
