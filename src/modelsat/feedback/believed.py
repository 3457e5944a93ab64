"""Finds clients whose votes are not trusted: constant votes, contradictions with the operator, or outliers.

Every rule is a test against chance: an honest client with easy questions may well praise twenty answers in a row.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.feedback.votes import Votes, rows_by

CONSTANT, CONTRADICTS, APART = (
    "the client says the same of every answer",
    "the client contradicts the operator",
    "the client stands apart from all others",
)
_MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class BeliefLimits:
    """The limits for one client.

    Attributes:
        constant_chance: Identical votes are rejected below this probability, in [0, 1].
        least_known: Votes on answers with an operator outcome that are needed to detect a contradiction.
        most_contradiction: Largest mean distance from the operator, in [0, 1].
        least_votes: Votes on one candidate that are needed to call a client an outlier.
        least_clients: Clients with that many votes that are needed for a baseline.
        deviations: Distance from the others that makes an outlier, in robust standard deviations.
    """

    constant_chance: float = 0.001
    least_known: int = 10
    most_contradiction: float = 0.4
    least_votes: int = 5
    least_clients: int = 5
    deviations: float = 3.5


def not_believed(votes: Votes, limits: BeliefLimits = BeliefLimits()) -> dict[str, str]:
    """Return the clients that are not trusted, each with the reason."""
    reasons: dict[str, str] = {}
    for rows in rows_by(votes.candidates, votes.by_clients).values():
        reasons |= dict.fromkeys(_apart(votes, rows, limits), APART)
    for giver, own in rows_by(votes.givers, votes.by_clients).items():
        if _contradicts(votes, own, limits):
            reasons[giver] = CONTRADICTS
        if chance_of_constant(votes, own) < limits.constant_chance:
            reasons[giver] = CONSTANT
    return reasons


def chance_of_constant(votes: Votes, own: np.ndarray) -> float:
    """Return the probability that a client who votes like the others gives identical votes; 1 if the votes differ.

    Args:
        votes: All votes.
        own: Rows of the client's own votes.
    """
    value = votes.scores[own[0]]
    if not (votes.scores[own] == value).all():
        return 1.0
    chance = 1.0
    for candidate in set(votes.candidates[own].tolist()):
        of_candidate = votes.candidates == candidate
        n = int(of_candidate[own].sum())
        same = int((votes.scores[of_candidate] == value).sum()) - n
        # Laplace's rule of succession: an event that was not observed still has positive probability.
        chance *= ((same + 1) / (int(of_candidate.sum()) - n + 2)) ** n
    return chance


def _contradicts(votes: Votes, own: np.ndarray, limits: BeliefLimits) -> bool:
    judged = own[~np.isnan(votes.known[own])]
    if len(judged) < limits.least_known:
        return False
    return bool(np.abs(votes.scores[judged] - votes.known[judged]).mean() > limits.most_contradiction)


def _apart(votes: Votes, rows: np.ndarray, limits: BeliefLimits) -> list[str]:
    """Return the clients whose votes on one candidate deviate from the expectation more than those of the others."""
    givers, place, counts = np.unique(votes.givers[rows].astype(str), return_inverse=True, return_counts=True)
    sums = np.bincount(place, weights=votes.scores[rows] - votes.expected[rows], minlength=len(givers))
    enough = counts >= limits.least_votes
    if enough.sum() < limits.least_clients:
        return []
    excess, n = sums[enough] / counts[enough], counts[enough]
    distance = np.abs(excess - np.median(excess))
    usual = _MAD_TO_DEVIATION * np.median(distance)
    # Upper bound of the standard deviation of the mean of n votes in [0, 1].
    far = distance > limits.deviations * np.maximum(usual, 0.5 / np.sqrt(n))
    return [str(name) for name in givers[enough][far]]
