"""Results that routers can be measured on: what would make figures wrong is refused, what is left out is reported.

The pipeline halts at the first bad row (`validation`). Here a researcher compares on whatever was collected, so single
rows may be missing; but no table comes of a file that nobody could read, nor of scores on another scale.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import collection
from modelsat.data.collection import Collection
from modelsat.data.remarks import Remark
from modelsat.errors import InputError


def collect(sources: Sequence[str], tell: Callable[[str], None] = lambda _: None) -> Collection:
    """Collect results to measure on.

    Args:
        sources: Folders or `s3://` prefixes with benchmark results.
        tell: Called with a line for everything that is left out.

    Raises:
        InputError: A source or a whole file of it cannot be read, or scores are not in [0, 1] or have no prompts.
    """
    found = collection.collect(sources)
    _refuse_unread(found.rejects)
    _refuse_other_scales(found.scores)
    for note in found.notes:
        tell(f"note: {note}")
    if found.rejects.num_rows:
        first = found.rejects.slice(0, 1).to_pylist()[0]
        where = f"{first['source_uri']} row {first['source_row']}: {first['reason']}"
        tell(f"note: {Remark.ROWS_REJECTED.of(f'{_rows(found.rejects)} rejected, such as {where}')}")
    unknown = found.scores.filter(
        pc.invert(pc.is_in(found.scores["prompt_id"], value_set=found.prompts["prompt_id"].combine_chunks()))
    )
    if unknown.num_rows:
        first = unknown.slice(0, 1).to_pylist()[0]
        where = f"{first['source_uri']} row {first['source_row']}: prompt id {first['prompt_id']!r}"
        if unknown.num_rows == found.scores.num_rows:
            raise InputError(f"no score is on a known prompt ({where}); put the table of prompts beside the scores")
        sentence = f"{_rows(unknown)} on unknown prompts and left out, such as {where}"
        tell(f"note: {Remark.PROMPTS_UNKNOWN.of(sentence)}")
    return found


def _rows(table: pa.Table) -> str:
    return "1 row is" if table.num_rows == 1 else f"{table.num_rows:,} rows are"


def _refuse_unread(rejects: pa.Table) -> None:
    unread = rejects.filter(pc.is_null(rejects["source_row"])).slice(0, 1).to_pylist()
    if unread:
        raise InputError(f"{unread[0]['source_uri']}: {unread[0]['reason']}")


def _refuse_other_scales(scores: pa.Table) -> None:
    values = scores["score"].to_numpy(zero_copy_only=False)
    outside = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if len(outside):
        row = scores.slice(int(outside[0]), 1).to_pylist()[0]
        raise InputError(
            f"{_rows(scores.take(outside))} not a score in [0, 1], such as {row['score']} of {row['candidate']!r} in "
            f"{row['source_uri']} row {row['source_row']}; rescale percentages and points"
        )
