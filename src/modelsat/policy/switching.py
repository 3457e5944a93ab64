"""What the next answer of a conversation costs at each candidate, and whether it is worth a switch.

Every turn sends the whole history again. The candidate that read it a moment ago has it in its provider's prompt cache
and reads it at the cached price; any other one reads it for the first time, at the full price.

    history 20,000 tokens, new question 200, answer 300; USD per million tokens   input  cached  output
    large, which answered so far, success probability 0.80                          3      0.3     15
    small, success probability 0.78                                                 1      -        4

    the question alone:   large  200 * 3 + 300 * 15 = 0.0051 USD    small  200 * 1 + 300 * 4 = 0.0014 USD
    with the history:     large  0.0051 + 20,000 * 0.3 = 0.0111     small  0.0014 + 20,000 * 1 = 0.0214

At a cost weight of 0.2 the question alone says small (0.80 - 0.2 = 0.60 against 0.78 - 0.2 * 0.27 = 0.73), and the
whole turn says large (0.80 - 0.2 * 0.52 = 0.70 against 0.78 - 0.2 = 0.58): what is cheaper by the list costs twice as
much here.
"""

import numpy as np

from modelsat.policy import choice
from modelsat.policy.preferences import CHEAPEST, Preferences

CACHED_SECONDS = 300.0
"""How long a history is counted on to be cached after it was read: providers promise five minutes at least."""


def turn_costs(
    costs: np.ndarray,
    history_tokens: float,
    cached_tokens: np.ndarray,
    price_in: np.ndarray,
    price_cached_in: np.ndarray,
) -> np.ndarray:
    """Return what the next answer costs in USD with the history that is sent along, (m,); NaN where that is not known.

    Args:
        costs: Of the new question and its answer alone, in USD (m,), NaN where unknown.
        history_tokens: What is sent beside the question: earlier turns, system prompt, tools.
        cached_tokens: How much of that each candidate's provider has cached, (m,), at most `history_tokens`.
        price_in: In USD per million tokens (m,), NaN where unknown.
        price_cached_in: Of cached input, likewise; where unknown, cached input costs the full price.
    """
    cached_price = np.where(np.isnan(price_cached_in), price_in, price_cached_in)
    fresh = history_tokens - cached_tokens
    return np.asarray(costs + (fresh * price_in + cached_tokens * cached_price) / 1e6)


def stays(
    probabilities: np.ndarray, costs: np.ndarray, previous: int, first: int, preferences: Preferences, gain: float
) -> bool:
    """Say whether a conversation stays with the candidate that answered it last.

    Args:
        probabilities: Success probabilities (m,).
        costs: Of the next answer, as `turn_costs` returns them, (m,), NaN where unknown.
        previous: Column of the candidate that answered last.
        first: Column of the one that the router puts first.
        preferences: Of the request. Where the cheapest is wanted, the conversation stays where that is no dearer.
        gain: Utility by which another candidate has to be better, in [0, 1].
    """
    if preferences.policy == CHEAPEST:
        # An unknown price is never cheap.
        return bool(previous == first or costs[previous] <= costs[first])
    utility = choice.utility(probabilities[None], costs[None], preferences.cost_weight or 0.0)[0]
    return not utility[first] - utility[previous] > gain
