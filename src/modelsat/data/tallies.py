"""What each candidate scored on each benchmark, counted in one pass: number, mean, lowest and highest score."""

from collections import defaultdict
from collections.abc import Collection as Container
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data.collection import Collection


@dataclass(frozen=True)
class Tally:
    """Scores of one candidate.

    Attributes:
        count: How many there are, missing ones aside.
        total: Their sum.
        least: The lowest, None where there is none.
        most: The highest.
        source_uri: First by name of the files that they stand in.
    """

    count: int
    total: float
    least: float | None
    most: float | None
    source_uri: str

    @property
    def mean(self) -> float | None:
        """Return the mean score, None where there is none."""
        return self.total / self.count if self.count else None

    @classmethod
    def of(cls, parts: Iterable["Tally"]) -> "Tally":
        """Return the tally of all parts together, of which there is at least one."""
        known = list(parts)
        told = [part for part in known if part.least is not None and part.most is not None]
        return cls(
            sum(part.count for part in known),
            sum(part.total for part in known),
            min((part.least for part in told if part.least is not None), default=None),
            max((part.most for part in told if part.most is not None), default=None),
            min(part.source_uri for part in known),
        )


def by_benchmark(collection: Collection) -> dict[tuple[str, str], Tally]:
    """Return the tally of each candidate on each benchmark, in the order of their names."""
    found: dict[tuple[str, str], list[Tally]] = defaultdict(list)
    for block in collection.blocks("candidate", "benchmark", "score", "source_uri"):
        uris = block["source_uri"].combine_chunks()
        ranked = pc.sort_indices(uris.dictionary)
        place = pa.array(range(len(ranked))).take(pc.sort_indices(ranked))
        table = block.set_column(3, "source_uri", place.take(uris.indices))
        # One thread adds in the order of the rows, so that sums are the same on every machine.
        grouped = table.group_by(["candidate", "benchmark"], use_threads=False).aggregate(
            [("score", "count"), ("score", "sum"), ("score", "min"), ("score", "max"), ("source_uri", "min")]
        )
        names = uris.dictionary.take(ranked)
        for row in grouped.to_pylist():
            found[row["candidate"], row["benchmark"]].append(
                Tally(
                    row["score_count"],
                    row["score_sum"] or 0.0,
                    row["score_min"],
                    row["score_max"],
                    names[row["source_uri_min"]].as_py(),
                )
            )
    return {key: Tally.of(found[key]) for key in sorted(found)}


def by_candidate(tallies: dict[tuple[str, str], Tally]) -> dict[str, Tally]:
    """Return the tally of each candidate over all benchmarks."""
    parts: dict[str, list[Tally]] = defaultdict(list)
    for (candidate, _), tally in tallies.items():
        parts[candidate].append(tally)
    return {candidate: Tally.of(parts[candidate]) for candidate in parts}


@dataclass(frozen=True)
class FileTally:
    """Scores of one candidate on one benchmark that one file gave.

    Attributes:
        source_uri: The file.
        first_row: The first of its rows with such a score.
        count: How many there are, missing ones aside.
        total: Their sum.
    """

    source_uri: str
    first_row: int
    count: int
    total: float


def by_file(collection: Collection, pairs: Container[tuple[str, str]]) -> dict[tuple[str, str], list[FileTally]]:
    """Return what each file gave of some candidates on some benchmarks, by (candidate, benchmark)."""
    names = pa.array(sorted({candidate for candidate, _ in pairs}), pa.string())
    parts: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {pair: defaultdict(list) for pair in pairs}
    for block in collection.blocks("candidate", "benchmark", "source_uri", "source_row", "score"):
        mine = block.filter(pc.is_in(block["candidate"].cast(pa.string()), value_set=names))
        if not mine.num_rows:
            continue
        told = [("source_row", "min"), ("score", "count"), ("score", "sum")]
        for row in (
            mine.group_by(["candidate", "benchmark", "source_uri"], use_threads=False).aggregate(told).to_pylist()
        ):
            pair = row["candidate"], row["benchmark"]
            if pair in parts:
                parts[pair][row["source_uri"]].append(row)
    return {
        pair: [
            FileTally(
                uri,
                min(row["source_row_min"] for row in rows),
                sum(row["score_count"] for row in rows),
                sum(row["score_sum"] or 0.0 for row in rows),
            )
            for uri, rows in sorted(files.items())
        ]
        for pair, files in parts.items()
    }
