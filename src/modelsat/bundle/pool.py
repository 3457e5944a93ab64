"""The candidates of a bundle as arrays: what every request needs of them, read from the tables once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from modelsat.policy import costs


@dataclass(frozen=True)
class CandidatePool:
    """Facts of m candidates in the bundle's order, arrays of shape (m,); missing numbers are NaN.

    Attributes:
        names: Candidates, object.
        price_in: USD per million tokens.
        price_out: USD per million tokens.
        tokens_out: Expected length of an answer in tokens.
        paid_usd: What was paid for an answer on average, in USD.
        paid_over_list: By which factor that is more than list prices let expect.
        context_length: In tokens.
        mean_score: In training, in [0, 1]; 0 where unknown.
        seen_in_training: Whether training knew the candidate.
        modalities: What each reads beside text; empty where unknown.
        tools: Whether each is known to call tools.
        regions: Where each is served; empty where unknown.
    """

    names: np.ndarray
    price_in: np.ndarray
    price_out: np.ndarray
    tokens_out: np.ndarray
    paid_usd: np.ndarray
    paid_over_list: np.ndarray
    context_length: np.ndarray
    mean_score: np.ndarray
    seen_in_training: np.ndarray
    modalities: tuple[frozenset[str], ...]
    tools: np.ndarray
    regions: tuple[frozenset[str], ...]

    def cost(self, tokens_in: np.ndarray, predicted: np.ndarray | None = None) -> np.ndarray:
        """Return expected costs in USD (n, m) of n prompts, NaN where nothing is known.

        What the cost head predicts comes first, then what was paid on average, then list prices times lengths.

        Args:
            tokens_in: How long the prompts are in tokens, (n,).
            predicted: By the router's cost head (n, m), NaN where it has none for a candidate; None without one.
        """
        listed = costs.at_prices(tokens_in, self.price_in, self.price_out, self.tokens_out)
        usual = costs.at_level(listed, self.paid_usd, self.paid_over_list)
        return usual if predicted is None else np.where(np.isnan(predicted), usual, predicted)


def of(table: pa.Table, lineage: Mapping[str, Any]) -> CandidatePool:
    """Return the pool of a bundle's candidates.

    Args:
        table: Of the contract `CANDIDATES`.
        lineage: Of the bundle; of it `tokens_out`, `paid`, `mean_score` and `trained_on` are read where they are told.
    """
    names = table["candidate"].to_pylist()
    paid_usd, paid_over_list = costs.level_arrays(lineage.get("paid", {}), names)
    tokens_out, mean_score = lineage.get("tokens_out", {}), lineage.get("mean_score", {})
    # One that came later is expected to answer the same prompts at the usual length of those who have.
    usual = float(np.mean(list(tokens_out.values()))) if tokens_out else costs.DEFAULT_TOKENS_OUT
    trained_on = frozenset(lineage.get("trained_on", names))
    return CandidatePool(
        names=np.asarray(names, dtype=object),
        price_in=costs.numbers(table["price_in"]),
        price_out=costs.numbers(table["price_out"]),
        tokens_out=np.asarray([tokens_out.get(name, usual) for name in names], dtype=np.float64),
        paid_usd=paid_usd,
        paid_over_list=paid_over_list,
        context_length=costs.numbers(table["context_length"]),
        mean_score=np.asarray([mean_score.get(name, 0.0) for name in names], dtype=np.float64),
        seen_in_training=np.asarray([name in trained_on for name in names], dtype=bool),
        modalities=tuple(frozenset(value or ()) for value in table["modalities"].to_pylist()),
        tools=np.asarray([bool(value) for value in table["tools"].to_pylist()], dtype=bool),
        regions=tuple(frozenset(value or ()) for value in table["regions"].to_pylist()),
    )
