"""What answers cost beside what they scored: dollars, tokens and seconds per candidate and prompt, if believable.

A value that cannot be true is left out with a note, and an answer without a value falls back on list prices: it never
becomes cheap.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data.remarks import Remark
from modelsat.data.short_scores import Numbering, ScoreBooks, ShortScores

MOST = {"cost_usd": 1_000.0, "tokens_in": 100_000_000, "tokens_out": 100_000_000, "latency_seconds": 604_800.0}
"""What one answer can take at most: beyond, the unit is wrong (cents, micro-dollars, milliseconds)."""
_UNITS = {"cost_usd": "US dollars", "latency_seconds": "seconds"}


def believed(scores: ShortScores, books: ScoreBooks) -> tuple[ShortScores, dict[str, list[str]]]:
    """Return scores without impossible measures, and by column a sentence for each candidate that had some.

    Args:
        scores: All rows of some candidates.
        books: What their numbers stand for.
    """
    notes: dict[str, list[str]] = {field: [] for field in MOST}
    kept = dict(scores.measures)
    for field, most in MOST.items():
        if field not in kept:
            continue
        column = kept[field]
        values = pc.fill_null(pc.cast(column, pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        wrong = ~((values >= 0) & (values <= most))
        if not wrong.any():
            continue
        rows = np.flatnonzero(wrong)
        numbers, first, counts = np.unique(scores.candidate[rows], return_index=True, return_counts=True)
        names, uris = books.candidates.values, books.column("source_uri")
        told = ((names[number], rows[at], n) for number, at, n in zip(numbers, first, counts, strict=True))
        for name, row, n in sorted(told):
            sentence = (
                f"{field} of {n:,} answers of candidate {name!r} is no number from 0 to {most:,.0f} and "
                f"is left out, such as {column[row].as_py()} in {uris[scores.origin[row]]} row {scores.row[row]}; "
                f"write {_UNITS.get(field, 'tokens')} per answer"
            )
            notes[field].append(Remark.FIGURE_NOT_READ.of(sentence))
        kept[field] = pc.if_else(pa.array(wrong), pa.scalar(None, column.type), column)
    return replace(scores, measures=kept), notes


def completed(
    scores: ShortScores, books: ScoreBooks, rows: np.ndarray, group: np.ndarray, starts: np.ndarray, kept: np.ndarray
) -> ShortScores:
    """Return scores that have from their rivals what they lack: with the same score of the same run's shape.

    Args:
        scores: The rows.
        books: What their numbers stand for.
        rows: Those that have a rival, group by group.
        group: Of each of them.
        starts: Where each group begins.
        kept: Place among `rows` of the one that stands in each group, -1 for none.
    """
    found = dict(scores.measures)
    stands = np.maximum(kept, 0)
    values = scores.score.take(rows)
    mine = values.take(stands[group])
    alike = pc.fill_null(pc.equal(values, mine), False).to_numpy(zero_copy_only=False)
    alike |= pc.and_(pc.is_null(values), pc.is_null(mine)).to_numpy(zero_copy_only=False)
    examples = Numbering().of(books.column("num_fewshot"))[scores.origin[rows]]
    alike &= examples == examples[stands[group]]
    for field, column in found.items():
        told = pc.is_valid(column.take(rows)).to_numpy(zero_copy_only=False)
        first = np.minimum.reduceat(np.where(alike & told, np.arange(len(rows)), len(rows)), starts)
        lacking = (kept >= 0) & ~told[stands] & (first < len(rows))
        if lacking.any():
            source = np.arange(len(column))
            source[rows[kept[lacking]]] = rows[first[lacking]]
            found[field] = column.take(source)
    return replace(scores, measures=found)
