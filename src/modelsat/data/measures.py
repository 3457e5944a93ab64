"""What answers cost beside what they scored: dollars, tokens and seconds per candidate and prompt, if believable.

A value that cannot be true is left out with a note, and an answer without a value falls back on list prices: it never
becomes cheap.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import contracts
from modelsat.data.remarks import Remark

MOST = {"cost_usd": 1_000.0, "tokens_in": 100_000_000, "tokens_out": 100_000_000, "latency_seconds": 604_800.0}
"""What one answer can take at most: beyond, the unit is wrong (cents, micro-dollars, milliseconds)."""
_UNITS = {"cost_usd": "US dollars", "latency_seconds": "seconds"}


def believed(scores: pa.Table) -> tuple[pa.Table, list[str]]:
    """Return scores without impossible measures, and a sentence for each candidate and column that had some.

    Args:
        scores: Table of the contract `SCORES`.
    """
    notes = []
    for field, most in MOST.items():
        column = scores[field].combine_chunks()
        if column.null_count == len(column):
            continue
        values = pc.fill_null(pc.cast(column, pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        wrong = ~((values >= 0) & (values <= most))
        if not wrong.any():
            continue
        for name in sorted(set(scores["candidate"].filter(pa.array(wrong)).to_pylist())):
            mine = wrong & pc.equal(scores["candidate"], name).to_numpy()
            first = scores.slice(int(np.flatnonzero(mine)[0]), 1).to_pylist()[0]
            sentence = (
                f"{field} of {int(mine.sum()):,} answers of candidate {name!r} is no number from 0 to {most:,.0f} and "
                f"is left out, such as {first[field]} in {first['source_uri']} row {first['source_row']}; write "
                f"{_UNITS.get(field, 'tokens')} per answer"
            )
            notes.append(Remark.FIGURE_NOT_READ.of(sentence))
        kept = pc.if_else(pa.array(wrong), pa.scalar(None, column.type), column)
        scores = scores.set_column(scores.schema.get_field_index(field), contracts.SCORES.field(field), kept)
    return scores, notes


def completing(rows: Sequence[Mapping[str, object]], kept: int) -> dict[str, object]:
    """Return the measures that a score lacks and that rows with the same score of the same run's shape have.

    Args:
        rows: Of the contract `SCORES`, all of one candidate, prompt and metric.
        kept: Which of them stands.
    """
    found: dict[str, object] = {}
    for field in MOST:
        if rows[kept][field] is None:
            others = (row for row in rows if all(row[name] == rows[kept][name] for name in ("score", "num_fewshot")))
            value = next((row[field] for row in others if row[field] is not None), None)
            found |= {} if value is None else {field: value}
    return found


def completed(scores: pa.Table, missing: Mapping[int, Mapping[str, object]]) -> pa.Table:
    """Return scores with further measures, by row and column."""
    for field in MOST:
        mine = {row: values[field] for row, values in missing.items() if field in values}
        if mine:
            values = scores[field].to_pylist()
            for row, value in mine.items():
                values[row] = value
            kind = contracts.SCORES.field(field)
            scores = scores.set_column(scores.schema.get_field_index(field), kind, pa.array(values, kind.type))
    return scores


def any_money(scores: pa.Table) -> bool:
    """Say whether anything that was paid is known."""
    return bool(scores["cost_usd"].null_count < scores.num_rows)
