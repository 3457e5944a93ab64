"""What two bundles choose on the same prompts, in one numbering of their candidates."""

import numpy as np

from modelsat.bundle.bundle import Bundle
from modelsat.policy import choice, costs, eligibility


def columns(bundle: Bundle, wide: Bundle) -> list[int]:
    """Return where a bundle's candidates stand in a wider bundle that holds all of them."""
    return [wide.names.index(name) for name in bundle.names]


def choose(bundle: Bundle, texts: list[str], probability: np.ndarray, wide: Bundle) -> np.ndarray:
    """Return which column of the wide bundle a bundle chooses, (n,).

    Args:
        bundle: The one that chooses.
        texts: The n prompts.
        probability: Success probabilities by the wide bundle (n, its candidates).
        wide: As of `columns`.
    """
    among = np.asarray(columns(bundle, wide))
    readable = eligibility.readable(bundle.pool.context_length, costs.tokens_in(texts))
    # A prompt that no candidate reads is refused when it is sent; here it counts as if all could read it.
    allowed = readable | ~readable.any(axis=1, keepdims=True)
    chosen = choice.choose(
        probability[:, among], allowed, bundle.pool.mean_score, uncertainty_margin=bundle.router.doubt
    )
    return np.asarray(among[chosen])
