"""Expected cost of a prompt at each candidate in US dollars; missing prices stay missing."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

CHARACTERS_PER_TOKEN = 4.0
"""Converts characters to tokens where the candidate's own tokenizer has not counted them."""
DEFAULT_TOKENS_OUT = 200.0
"""Assumed if no answer length was logged: about a paragraph."""
ENOUGH_PAID = 20
"""Answers with a known cost from which on a candidate's own costs are used before its list prices."""


def mean_tokens_out(scores: pa.Table, candidates: Sequence[str]) -> dict[str, float]:
    """Return each candidate's mean logged answer length in tokens; where none was logged, the mean over all, or 200."""
    grouped = scores.group_by("candidate").aggregate([("tokens_out", "mean")]).to_pydict()
    means = dict(zip(grouped["candidate"], grouped["tokens_out_mean"], strict=True))
    known = [value for value in means.values() if value is not None]
    default = float(np.mean(known)) if known else DEFAULT_TOKENS_OUT
    return {name: float(means[name]) if means.get(name) is not None else default for name in candidates}


def expected(texts: Sequence[str], candidates: pa.Table, tokens_out: Mapping[str, float] | np.ndarray) -> np.ndarray:
    """Return expected costs in USD.

    Args:
        texts: Rendered prompts; a token is taken as four characters.
        candidates: Table of the contract `CANDIDATES`.
        tokens_out: Answer lengths in tokens: an array (prompts, candidates), or the mean of each candidate by name.

    Returns:
        float64 array of shape (prompts, candidates), NaN where a price is missing or a length is NaN.
    """
    if isinstance(tokens_out, Mapping):
        names = candidates["candidate"].to_pylist()
        tokens_out = np.asarray([tokens_out.get(name, DEFAULT_TOKENS_OUT) for name in names])
    return at_prices(tokens_in(texts), numbers(candidates["price_in"]), numbers(candidates["price_out"]), tokens_out)


def at_prices(tokens_in: np.ndarray, price_in: np.ndarray, price_out: np.ndarray, tokens_out: np.ndarray) -> np.ndarray:
    """Return costs in USD (n, m) of n prompts of so many tokens at prices (m,) in USD per million tokens."""
    return np.asarray((tokens_in[:, None] * price_in + tokens_out * price_out) / 1e6)


def at_level(listed: np.ndarray, usd: np.ndarray, over_list: np.ndarray) -> np.ndarray:
    """Return expected costs in USD (n, m), what was paid for earlier answers before list prices.

    Args:
        listed: At list prices (n, m), NaN where a price is missing.
        usd: Mean of what was paid for an answer of each candidate, (m,), NaN where that is not known.
        over_list: By which factor that is more than list prices let expect, (m,), NaN where that is not known. It
            keeps what list prices know of a prompt's length.
    """
    known = np.where(np.isnan(listed * over_list), usd, listed * over_list)
    return np.asarray(np.where(np.isnan(known), listed, known))


def level_arrays(
    levels: Mapping[str, Mapping[str, float | None]], candidates: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return `usd` and `over_list` of `at_level` from levels by candidate (`modelsat.data.paid.levels`)."""
    told = [levels.get(name, {}) for name in candidates]
    usd, over = (
        np.asarray([np.nan if one.get(key) is None else one[key] for one in told], dtype=np.float64)
        for key in ("usd", "over_list")
    )
    return usd, over


def tokens_in(texts: Sequence[str]) -> np.ndarray:
    """Return how long prompts are in tokens, (n,)."""
    return np.asarray([len(text) for text in texts], dtype=np.float64) / CHARACTERS_PER_TOKEN


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of numbers as an array, NaN where missing."""
    return np.asarray([np.nan if value is None else value for value in column.to_pylist()], dtype=np.float64)


def filled(costs: np.ndarray, allowed: np.ndarray | None = None) -> np.ndarray:
    """Return costs without NaN: an unknown one counts as the most expensive of its prompt, never as free.

    Args:
        costs: In USD (prompts, candidates), NaN where unknown.
        allowed: Which candidates say what the most expensive one costs, boolean (prompts, candidates); all by default.

    Returns:
        Array of the same shape; unknown costs are 0 where no cost of the prompt is known.
    """
    known = ~np.isnan(costs) if allowed is None else allowed & ~np.isnan(costs)
    most = np.max(costs, axis=1, keepdims=True, where=known, initial=0.0)
    return np.asarray(np.where(np.isnan(costs), most, costs))
