"""Outcomes as a matrix: one row per prompt, one column per candidate, NaN where a candidate was not run."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import table_blocks

_AT_ONCE = 2**15
"""Rows of a matrix that are computed with at once."""


def matrix(scores: pa.Table, prompt_ids: Sequence[str], candidates: Sequence[str]) -> np.ndarray:
    """Spread a scores table over the given rows and columns.

    Args:
        scores: Table of the scores contract, one row per (candidate, prompt).
        prompt_ids: Row order; other prompts are left out.
        candidates: Column order; other candidates are left out.

    Returns:
        float32 array of shape (prompts, candidates) with values in [0, 1] or NaN.
    """
    return spread([scores], prompt_ids, candidates)


def spread(
    tables: Iterable[pa.Table], prompt_ids: Sequence[str], candidates: Sequence[str], field: str = "score"
) -> np.ndarray:
    """Return what `matrix` returns of scores that come block by block, or of another column of them."""
    out = np.full((len(prompt_ids), len(candidates)), np.nan, dtype=np.float32)
    for block in tables:
        rows = positions(block["prompt_id"], prompt_ids)
        columns = positions(block["candidate"], candidates)
        known = (rows >= 0) & (columns >= 0)
        values = block[field].to_numpy(zero_copy_only=False)
        out[rows[known], columns[known]] = values[known]
    return out


def blocks(rows: int) -> Iterator[slice]:
    """Return slices of so many rows, in which float64 of a large matrix does not take eight bytes a cell of it."""
    return (slice(start, start + _AT_ONCE) for start in range(0, rows, _AT_ONCE))


def only(tables: Iterable[pa.Table], prompt_ids: Sequence[str]) -> pa.Table:
    """Return the scores on some prompts, of which there are few."""
    kept = [block.filter(pa.array(positions(block["prompt_id"], prompt_ids) >= 0)) for block in tables]
    return pa.concat_tables([table_blocks.decoded(block) for block in kept])


CORE_SHARE = 0.95
"""Share of a set's prompts on which a candidate has to be run to be judged there."""


def core_candidates(outcomes: np.ndarray, min_share: float = CORE_SHARE, rows: np.ndarray | None = None) -> np.ndarray:
    """Return which columns were run on at least `min_share` of the rows, as a boolean array.

    Args:
        outcomes: Scores (prompts, candidates), NaN where not run.
        min_share: In [0, 1].
        rows: Which rows count, boolean (prompts,); None for all.
    """
    size = len(outcomes) if rows is None else int(rows.sum())
    if not size:
        return np.zeros(outcomes.shape[1], dtype=bool)
    run = np.zeros(outcomes.shape[1], dtype=np.int64)
    for some in blocks(len(outcomes)):
        part = outcomes[some] if rows is None else outcomes[some][rows[some]]
        run += (~np.isnan(part)).sum(axis=0)
    return np.asarray(run / size >= min_share)


def positions(column: pa.ChunkedArray, order: Sequence[str]) -> np.ndarray:
    """Return the place of each name of a column in an order, -1 where it is not in it."""
    known = pa.array(order, pa.string())
    column = column.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        return _places(column, known)
    return _places(column.dictionary, known)[column.indices.to_numpy(zero_copy_only=False)]


def _places(names: pa.Array, known: pa.Array) -> np.ndarray:
    found = pc.fill_null(pc.index_in(names, value_set=known), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


_COMPARED = 30
"""So many answers to prompts that others answered too are enough to tell a candidate's level."""


def levels(outcomes: np.ndarray, rounds: int = 30, prior: float = 2.0) -> np.ndarray:
    """Estimate what each candidate would score on average over all prompts, those it was not run on included.

    A score is taken as candidate plus prompt: a candidate that was spared the hardest prompts is not the better for it.
    The only answer to a prompt, as in a gateway's log, cannot tell one from the other. It counts only for candidates
    that have hardly an answer beside others; such a prompt is then taken to be half as unusual as the answer.

    Args:
        outcomes: Scores (prompts, candidates), NaN where not run.
        rounds: Of alternating least squares.
        prior: How many of a candidate's observations the mean over all counts for.

    Returns:
        float64 array (candidates,) in [0, 1].
    """
    asked = ~np.isnan(outcomes)
    n, per_candidate = asked.sum(axis=1), asked.sum(axis=0)
    compared = asked[n > 1].sum(axis=0)
    alone = (n == 1) & asked[:, compared < _COMPARED].any(axis=1)
    prompt, candidate = np.zeros(len(outcomes)), np.zeros(outcomes.shape[1])
    of_prompt, of_candidate = np.zeros(len(outcomes)), np.zeros(outcomes.shape[1])
    total = 0.0
    for some in blocks(len(outcomes)):
        right = np.nan_to_num(outcomes[some]).astype(np.float64)
        total, of_prompt[some] = total + right.sum(), right.sum(axis=1)
        of_candidate += right.sum(axis=0)
    mean = total / max(asked.sum(), 1)
    for _ in range(rounds):
        shared = np.zeros(outcomes.shape[1])
        for some in blocks(len(outcomes)):
            unusual = of_prompt[some] - asked[some] @ candidate - n[some] * mean
            prompt[some] = unusual / np.maximum(n[some] + alone[some], 1)
            shared += prompt[some] @ asked[some]
        candidate = (of_candidate - shared - per_candidate * mean) / (per_candidate + prior)
        if asked.all():
            break
    usual = mean + (prompt.mean() if len(prompt) else 0.0)
    return np.asarray(np.clip(usual + candidate, 0.0, 1.0))


def filled(outcomes: np.ndarray) -> np.ndarray:
    """Return outcomes (prompts, candidates) without gaps: NaN becomes the candidate's level plus the prompt's ease."""
    asked = ~np.isnan(outcomes)
    level = levels(outcomes)
    known = np.where(asked, outcomes - level, 0.0)
    ease = known.sum(axis=1) / (asked.sum(axis=1) + 1.0)
    return np.where(asked, outcomes, np.clip(level + ease[:, None], 0.0, 1.0)).astype(np.float64)
