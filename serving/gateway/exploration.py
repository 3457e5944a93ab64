"""Exploration: now and then another candidate than the best is tried, so that feedback tells of more than the choice.

What is never chosen is never observed. A small share of choices by chance, with their probability in the log, lets
outcomes be weighed by it; by default nothing is left to chance.
"""

from collections.abc import Sequence


def drawn(order: Sequence[str], share: float, draw: float) -> tuple[list[str], float]:
    """Return the order with the drawn candidate first, and the probability with which that one comes first.

    Args:
        order: Candidates, the best first; at least one.
        share: Of the choices that are left to chance, each candidate being as likely, in [0, 1].
        draw: A random number, uniform in [0, 1).
    """
    if share == 0 or len(order) == 1:
        return list(order), 1.0
    first = int(draw / share * len(order)) if draw < share else 0
    propensity = share / len(order) + (1 - share if first == 0 else 0.0)
    return [order[first], *order[:first], *order[first + 1 :]], propensity
