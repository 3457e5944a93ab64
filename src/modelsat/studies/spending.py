"""What it costs to be as good as the best single candidate: the policy is chosen on other prompts than it is used on.

A router with a cost weight is a curve, and the point of it that looks best on the test prompts is no point that anybody
could have chosen. Here each fold takes the largest weight that kept up with the best single on all other folds, and the
front of single candidates, which reads no prompt, is placed in the same way.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.data.collection import Collection
from modelsat.evaluation import front
from modelsat.policy import choice as policy
from modelsat.policy import costs
from modelsat.studies import lengths
from modelsat.studies.cross_validation import Folds

WEIGHTS = (0.0, *np.geomspace(0.002, 5.0, 35).tolist())


@dataclass(frozen=True)
class Bill:
    """What every prompt costs at every candidate in USD (n, candidates); no NaN.

    Attributes:
        expected: What is known before an answer.
        realised: As measured, else by the logged length of the answer; as expected where nothing was logged.
    """

    expected: np.ndarray
    realised: np.ndarray


@dataclass(frozen=True)
class Spending:
    """What came of it, per prompt (n,).

    Attributes:
        cost: Expected cost of the chosen candidate, in USD; of a random split the mean over the draw, as all others.
        realised: Its realised cost, in USD.
        gain: Its score minus that of the best single candidate.
        single_cost: Expected cost of the best single candidate, in USD.
        single_realised: Its realised cost, in USD.
    """

    cost: np.ndarray
    realised: np.ndarray
    gain: np.ndarray
    single_cost: np.ndarray
    single_realised: np.ndarray


def billed(expected: np.ndarray, realised: np.ndarray) -> Bill | None:
    """Return the bill of costs with NaN where a price is missing; None where no candidate has a price.

    A missing price counts as the most expensive of its prompt: never as free.
    """
    if np.isnan(expected).all():
        return None
    return Bill(costs.filled(expected), costs.filled(realised))


def bill_of(collection: Collection, folds: Folds, vectors: np.ndarray) -> Bill | None:
    """Return the bill of a set, each prompt's lengths expected by a head that was fitted without its fold.

    Args:
        collection: What the set was built of.
        folds: The set.
        vectors: Unit vectors of its prompts (n, width).
    """
    arena = folds.arena
    logged = lengths.logged(collection.scores, arena.prompt_ids, arena.candidates)
    expected = lengths.held_out(folds, vectors, logged)
    realised = np.where(np.isnan(logged), expected, logged)
    expected_usd, realised_usd = (costs_at(collection, folds, tokens) for tokens in (expected, realised))
    if arena.paid is not None and not np.isnan(arena.paid).all():
        # Other prompts of a measured candidate say more of its price than a list does.
        expected_usd = np.where(np.isnan(arena.paid).all(axis=0), expected_usd, arena.cost)
        realised_usd = np.where(np.isnan(arena.paid), realised_usd, arena.paid)
    return billed(expected_usd, realised_usd)


def costs_at(collection: Collection, folds: Folds, tokens_out: np.ndarray) -> np.ndarray:
    """Return what the prompts of a set cost in USD (n, candidates) where answers have these lengths in tokens."""
    names = collection.candidates["candidate"].to_pylist()
    candidates = collection.candidates.take([names.index(name) for name in folds.arena.candidates])
    return costs.expected(folds.arena.texts, candidates, tokens_out)


def cost_to_match(folds: Folds, scores: np.ndarray, bill: Bill | None = None, short: float = 0.0) -> Spending | None:
    """Choose a cost weight per fold and apply it; None where no candidate has a price.

    Args:
        folds: The set.
        scores: Held-out utilities (n, candidates), larger is better.
        bill: What prompts cost; by default as the arena expects.
        short: By how much the best single may be missed on the other folds, in [0, 1].
    """
    arena = folds.arena
    bill = bill or billed(arena.cost, arena.cost)
    if bill is None:
        return None
    rows = np.arange(len(scores))
    single = arena.truth[rows, arena.best_single]
    spread = np.ptp(scores, axis=1).mean()
    choices = [
        policy.choose(scores, mean_score=arena.prior, costs=bill.expected, cost_weight=weight * spread)
        for weight in WEIGHTS
    ]
    gains = np.stack([arena.truth[rows, choice] - single for choice in choices])
    chosen = np.empty(len(scores), dtype=np.int64)
    for fold in range(folds.count):
        here = folds.fold == fold
        keeps_up = np.flatnonzero(gains[:, ~here].mean(axis=1) >= -short)
        weight = int(keeps_up.max()) if len(keeps_up) else 0
        chosen[here] = choices[weight][here]
    return spend(folds, np.eye(scores.shape[1])[chosen], bill)


def front_to_match(folds: Folds, bill: Bill, short: float = 0.0) -> Spending:
    """Split the prompts of each fold at random between the two candidates that match cheapest on the other folds.

    Args:
        folds: The set.
        bill: What prompts cost.
        short: By how much the best single may be missed on the other folds, in [0, 1].
    """
    arena = folds.arena
    single = arena.truth[np.arange(len(arena.truth)), arena.best_single]
    shares = np.empty(arena.truth.shape)
    for fold in range(folds.count):
        here = folds.fold == fold
        cost, accuracy = bill.realised[~here].mean(axis=0), arena.truth[~here].mean(axis=0)
        shares[here] = front.mixture(cost, accuracy, float(single[~here].mean()) - short)
    return spend(folds, shares, bill)


def spend(folds: Folds, shares: np.ndarray, bill: Bill) -> Spending:
    """Return what came of giving each candidate these shares of each prompt (n, candidates), rows summing to 1."""
    arena = folds.arena
    single = np.eye(shares.shape[1])[arena.best_single]
    gain = ((shares - single) * arena.truth).sum(axis=1)
    paid = [(who * cost).sum(axis=1) for who in (shares, single) for cost in (bill.expected, bill.realised)]
    return Spending(paid[0], paid[1], gain, paid[2], paid[3])
