"""What was paid for answers, in dollars: per prompt and candidate, and per candidate on average.

Measured costs come before list prices wherever money is counted; a candidate of which neither is known stays unknown.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from modelsat.data import score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.policy import costs
from modelsat.text.rendering import render_prompt


def is_known(scores: pa.Table) -> bool:
    """Say whether a table of the contract `SCORES` tells anything of what was paid: dollars, or tokens both ways."""
    told = {name for name in ("cost_usd", "tokens_in", "tokens_out") if scores[name].null_count < scores.num_rows}
    return "cost_usd" in told or {"tokens_in", "tokens_out"} <= told


def paid(collection: Collection, prompt_ids: Sequence[str]) -> np.ndarray:
    """Return what answers cost as measured, in USD (prompts, candidates), NaN where it is not known.

    A measured cost stands; where it is missing and the tokens of prompt and answer were counted, these at list prices.

    Args:
        collection: The results.
        prompt_ids: Row order; columns are the collection's candidates.
    """
    names = collection.candidates["candidate"].to_pylist()
    cost, read, written = (
        _matrix(collection.scores, prompt_ids, names, field) for field in ("cost_usd", "tokens_in", "tokens_out")
    )
    price_in, price_out = (costs.numbers(collection.candidates[name]) for name in ("price_in", "price_out"))
    return np.asarray(np.where(np.isnan(cost), (read * price_in + written * price_out) / 1e6, cost))


def listed(collection: Collection, rows: np.ndarray) -> np.ndarray:
    """Return what prompts are expected to cost at list prices, in USD (rows, candidates), NaN where one is missing.

    Args:
        collection: The results.
        rows: Of its table of prompts.
    """
    taken = collection.prompts.take(rows)
    pairs = zip(taken["prompt"].to_pylist(), taken["choices"].to_pylist(), strict=True)
    tokens_out = costs.mean_tokens_out(collection.scores, collection.candidates["candidate"].to_pylist())
    return costs.expected([render_prompt(*pair) for pair in pairs], collection.candidates, tokens_out)


def levels(collection: Collection) -> dict[str, dict[str, float | None]]:
    """Return what each candidate's answers cost on average, held-out prompts aside; empty where nothing was paid.

    Args:
        collection: The results.

    Returns:
        By candidate with `costs.ENOUGH_PAID` measured answers or more: `usd`, the mean cost of an answer; `over_list`,
        by which factor that is more than the same prompts were expected to cost at list prices, None without those.
    """
    if not is_known(collection.scores):
        return {}
    ids = collection.prompts["prompt_id"].to_pylist()
    usual = listed(collection, np.arange(len(ids)))
    known = paid(collection, ids)
    known[splits.assign(collection.prompts["stem_digest"].to_pylist()) == splits.TEST] = np.nan
    found: dict[str, dict[str, float | None]] = {}
    for i, name in enumerate(collection.candidates["candidate"].to_pylist()):
        rows = ~np.isnan(known[:, i])
        if rows.sum() >= costs.ENOUGH_PAID:
            mean, at_list = float(known[rows, i].mean()), float(usual[rows, i].mean())
            found[name] = {"usd": mean, "over_list": mean / at_list if at_list > 0 else None}
    return found


def _matrix(scores: pa.Table, prompt_ids: Sequence[str], candidates: Sequence[str], field: str) -> np.ndarray:
    if scores[field].null_count == scores.num_rows:
        return np.full((len(prompt_ids), len(candidates)), np.nan)
    table = scores.select(["prompt_id", "candidate", field]).rename_columns(["prompt_id", "candidate", "score"])
    # Dollars are small: in float32 they would keep seven digits, which is enough, and sums are made in float64.
    return score_matrix.matrix(table, prompt_ids, candidates).astype(np.float64)
