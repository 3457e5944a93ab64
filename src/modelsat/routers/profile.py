"""What is known about new candidates when they are admitted to a router."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


def _none() -> np.ndarray:
    return np.empty((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class Profile:
    """Cards and answers of c new candidates; t tasks, a questions of the aptitude test, q other questions.

    Attributes:
        names: Their names, which the router does not know yet.
        accuracies: Shrunken accuracies of their cards, float32 (c, t), in [0, 1].
        means: Mean scores to expect by the cards, (c,), in [0, 1].
        answers: Scores on the aptitude test in its frozen order, (a, c), NaN where not asked; (0, 0) for none.
        texts: Other questions with known answers, as a router reads them, length q.
        scores: Scores on those, (q, c), NaN where not asked.
        levels: Mean and variance of the level of a candidate before its answers, by name; nothing for most.
        known: What candidates that the router knows scored on those, (q,) by name, NaN where not run.
        in_fair_order: Whether the aptitude test is in an order whose every beginning is a fair sample.
    """

    names: tuple[str, ...]
    accuracies: np.ndarray
    means: np.ndarray
    answers: np.ndarray = field(default_factory=_none)
    texts: Sequence[str] = ()
    scores: np.ndarray = field(default_factory=_none)
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    levels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    in_fair_order: bool = True
