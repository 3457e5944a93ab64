"""The choice of a bundle for a request that asks for nothing: its default, as it is served."""

import numpy as np

from modelsat.bundle.bundle import Bundle
from modelsat.policy import choice, promise
from modelsat.policy.preferences import Preferences


def by_default(
    bundle: Bundle,
    probabilities: np.ndarray,
    tokens_in: np.ndarray,
    allowed: np.ndarray | None = None,
    cost_usd: np.ndarray | None = None,
) -> np.ndarray:
    """Choose a candidate per prompt, (n,), -1 where none can be chosen.

    Args:
        bundle: The router.
        probabilities: Its success probabilities (n, candidates).
        tokens_in: How long the prompts are in tokens, (n,).
        allowed: Which candidates may be chosen, boolean (n, candidates); all by default.
        cost_usd: As of `Prediction`.
    """
    asked = promise.resolved(Preferences(), bundle.promise)
    return choice.choose(
        probabilities,
        allowed,
        bundle.pool.mean_score,
        bundle.pool.cost(tokens_in, cost_usd),
        asked.cost_weight or 0.0,
        bundle.router.doubt,
        policy=asked.policy,
        single=bundle.single,
    )
