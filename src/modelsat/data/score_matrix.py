"""Outcomes as a matrix: one row per prompt, one column per candidate, NaN where a candidate was not run."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import table_blocks


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
    blocks: Iterable[pa.Table], prompt_ids: Sequence[str], candidates: Sequence[str], field: str = "score"
) -> np.ndarray:
    """Return what `matrix` returns of scores that come in blocks, or of another column of them."""
    out = np.full((len(prompt_ids), len(candidates)), np.nan, dtype=np.float32)
    for block in blocks:
        rows = positions(block["prompt_id"], prompt_ids)
        columns = positions(block["candidate"], candidates)
        known = (rows >= 0) & (columns >= 0)
        values = block[field].to_numpy(zero_copy_only=False)
        out[rows[known], columns[known]] = values[known]
    return out


def only(blocks: Iterable[pa.Table], prompt_ids: Sequence[str]) -> pa.Table:
    """Return the scores on some prompts, of which there are few."""
    kept = [block.filter(pa.array(positions(block["prompt_id"], prompt_ids) >= 0)) for block in blocks]
    return pa.concat_tables([table_blocks.decoded(block) for block in kept])


CORE_SHARE = 0.95
"""Share of a set's prompts on which a candidate has to be run to be judged there."""


def core_candidates(outcomes: np.ndarray, min_share: float = CORE_SHARE) -> np.ndarray:
    """Return which columns were run on at least `min_share` of the rows, as a boolean array."""
    if not len(outcomes):
        return np.zeros(outcomes.shape[1], dtype=bool)
    return np.asarray((~np.isnan(outcomes)).mean(axis=0) >= min_share)


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


def levels(outcomes: np.ndarray, rounds: int = 30, prior: float = 2.0) -> np.ndarray:
    """Estimate what each candidate would score on average over all prompts, those it was not run on included.

    A score is taken as candidate plus prompt plus noise: a candidate that was spared the hardest prompts is not the
    better for it. A prompt's ease is a random effect, shrunk by how noisy its answers are; fitted freely, the only
    answer to a prompt, as in a gateway's log, would tell of the prompt alone and nothing of who gave it.

    Args:
        outcomes: Scores (prompts, candidates), NaN where not run.
        rounds: Of alternating least squares.
        prior: How many of a candidate's observations the mean over all counts for.

    Returns:
        float64 array (candidates,) in [0, 1].
    """
    asked = ~np.isnan(outcomes)
    right = np.nan_to_num(outcomes).astype(np.float64)
    mean = right.sum() / max(asked.sum(), 1)
    n, per_candidate = asked.sum(axis=1), asked.sum(axis=0)
    prompt, candidate = np.zeros(len(outcomes)), np.zeros(outcomes.shape[1])
    for _ in range(rounds):
        left = np.where(asked, right - mean - candidate, 0.0)
        prompt = left.sum(axis=1) / np.maximum(n + _noise_ratio(left, asked), 1e-12)
        prompt -= prompt.mean() if len(prompt) else 0.0
        candidate = (right.sum(axis=0) - prompt @ asked - per_candidate * mean) / (per_candidate + prior)
        if asked.all():
            break
    return np.asarray(np.clip(mean + candidate, 0.0, 1.0))


def _noise_ratio(left: np.ndarray, asked: np.ndarray) -> float:
    """Return the variance of answers to one prompt over that of the prompts' ease (analysis of variance).

    Args:
        left: Scores less mean and candidate, (prompts, candidates), 0 where not run.
        asked: Which were run, of the same shape.
    """
    n = asked.sum(axis=1)
    spread = float((left**2).sum()) / max(float(n.sum()), 1.0)
    inside = float((left**2).sum() - (left.sum(axis=1) ** 2 / np.maximum(n, 1)).sum())
    # Where hardly a prompt has two answers, half of the spread is taken as noise.
    noise = (inside + spread / 2) / (float(np.maximum(n - 1, 0).sum()) + 1.0)
    return noise / max(spread - noise, 1e-12)


def filled(outcomes: np.ndarray) -> np.ndarray:
    """Return outcomes (prompts, candidates) without gaps: NaN becomes the candidate's level plus the prompt's ease."""
    asked = ~np.isnan(outcomes)
    level = levels(outcomes)
    known = np.where(asked, outcomes - level, 0.0)
    ease = known.sum(axis=1) / (asked.sum(axis=1) + 1.0)
    return np.where(asked, outcomes, np.clip(level + ease[:, None], 0.0, 1.0)).astype(np.float64)
