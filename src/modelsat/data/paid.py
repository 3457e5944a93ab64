"""What was paid for answers, in dollars: per prompt and candidate, and per candidate on average.

Measured costs come before list prices wherever money is counted; a candidate of which neither is known stays unknown.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import routed_texts, score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.policy import costs


def is_known(collection: Collection) -> bool:
    """Say whether results tell anything of what was paid: dollars, or tokens both ways."""
    told: set[str] = set()
    for block in collection.blocks("cost_usd", "tokens_in", "tokens_out"):
        told |= {name for name in block.column_names if block[name].null_count < block.num_rows}
    return "cost_usd" in told or {"tokens_in", "tokens_out"} <= told


def paid(collection: Collection, prompt_ids: Sequence[str]) -> np.ndarray:
    """Return what answers cost as measured, in USD (prompts, candidates), NaN where it is not known.

    A measured cost stands; where it is missing and the tokens of prompt and answer were counted, these at list prices.

    Args:
        collection: The results.
        prompt_ids: Row order; columns are the collection's candidates.
    """
    cost, read, written = (_matrix(collection, prompt_ids, field) for field in ("cost_usd", "tokens_in", "tokens_out"))
    price_in, price_out = (costs.numbers(collection.candidates[name]) for name in ("price_in", "price_out"))
    return np.asarray(np.where(np.isnan(cost), (read * price_in + written * price_out) / 1e6, cost))


def mean_tokens_out(collection: Collection) -> dict[str, float]:
    """Return each candidate's mean answer length in tokens (`costs.mean_tokens_out`)."""
    logged = [
        block.filter(pc.is_valid(block["tokens_out"]))
        for block in collection.blocks("candidate", "tokens_out")
        if block["tokens_out"].null_count < block.num_rows
    ]
    names = collection.candidates["candidate"].to_pylist()
    if not logged:
        return dict.fromkeys(names, costs.DEFAULT_TOKENS_OUT)
    return costs.mean_tokens_out(pa.concat_tables(logged).unify_dictionaries().combine_chunks(), names)


def listed(collection: Collection, rows: np.ndarray) -> np.ndarray:
    """Return what prompts are expected to cost at list prices, in USD (rows, candidates), NaN where one is missing.

    Args:
        collection: The results.
        rows: Of its table of prompts.
    """
    texts = routed_texts.of(collection.prompts.take(rows))
    tokens_out = mean_tokens_out(collection)
    return costs.expected(texts, collection.candidates, tokens_out)


def levels(collection: Collection) -> dict[str, dict[str, float | None]]:
    """Return what each candidate's answers cost on average, held-out prompts aside; empty where nothing was paid.

    Args:
        collection: The results.

    Returns:
        By candidate with `costs.ENOUGH_PAID` measured answers or more: `usd`, the mean cost of an answer; `over_list`,
        by which factor that is more than the same prompts were expected to cost at list prices, None without those.
    """
    if not is_known(collection):
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


def _matrix(collection: Collection, prompt_ids: Sequence[str], field: str) -> np.ndarray:
    # Dollars are small: in float32 they would keep seven digits, which is enough, and sums are made in float64.
    blocks = (
        block
        for block in collection.blocks("prompt_id", "candidate", field)
        if block[field].null_count < block.num_rows
    )
    candidates = collection.candidates["candidate"].to_pylist()
    return score_matrix.spread(blocks, prompt_ids, candidates, field).astype(np.float64)
