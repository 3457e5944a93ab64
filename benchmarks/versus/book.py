"""What each system did for its users, by day: requests lost, dollars, points, and the difference with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import markdown
import numpy as np

from versus.traffic import Answer


@dataclass
class Day:
    """One day on the book.

    Attributes:
        title: What happened.
        answers: By system, to the same prompts in the same order.
        dollars: By system, of these answers and of all calls made for them.
        best: Name of the best single model by what is known, and its scores and dollars on the same prompts.
        did: By system, what it or its team did.
    """

    title: str
    answers: dict[str, list[Answer]]
    dollars: dict[str, float]
    best: tuple[str, list[float], float]
    did: dict[str, str] = field(default_factory=dict)

    def row(self) -> dict[str, object]:
        """Return the day's figures: accuracies in percent, differences in points, dollars per 1,000 requests."""
        name, scores, dollars = self.best
        told: dict[str, object] = {"title": self.title, "requests": len(scores), "did": self.did}
        for system, answers in self.answers.items():
            told[system] = {
                "lost": lost(answers),
                "accuracy": accuracy([one.score for one in answers]),
                "dollars": per_thousand(self.dollars[system], len(answers)),
                "p95": round(float(np.quantile([one.seconds for one in answers], 0.95)), 2),
                "shares": shares(answers),
            }
        told["best single"] = {
            "model": name,
            "accuracy": accuracy(scores),
            "dollars": per_thousand(dollars, len(scores)),
        }
        return told | {"difference": markdown.mean_points(difference(*self.answers.values()))}


def joined(*days: Day) -> Day:
    """Return several entries as one, with the title of the first."""
    systems = list(days[0].answers)
    return Day(
        days[0].title,
        {system: [one for day in days for one in day.answers[system]] for system in systems},
        {system: sum(day.dollars[system] for day in days) for system in systems},
        (days[-1].best[0], [score for day in days for score in day.best[1]], sum(day.best[2] for day in days)),
    )


def difference(one: Sequence[Answer], other: Sequence[Answer]) -> np.ndarray:
    """Return how much better the first one's answers are, prompt by prompt; a lost request scored 0."""
    return np.asarray([a.score - b.score for a, b in zip(one, other, strict=True)])


def total(days: Sequence[Day]) -> dict[str, object]:
    """Return the figures of all days together."""
    return joined(*days).row() | {"title": "all days"}


def lost(answers: Sequence[Answer]) -> int:
    """Return how many requests got no answer."""
    return sum(not one.model for one in answers)


def accuracy(scores: Sequence[float]) -> float:
    """Return the mean score in percent."""
    return round(100 * float(np.mean(scores)), 1)


def per_thousand(dollars: float, requests: int) -> float:
    """Return dollars per 1,000 requests."""
    return round(1000 * dollars / requests, 3)


def shares(answers: Sequence[Answer]) -> dict[str, float]:
    """Return the share of the requests that each model answered, largest first."""
    names, counts = np.unique([one.model for one in answers if one.model], return_counts=True)
    return {str(names[i]): round(float(counts[i]) / len(answers), 3) for i in np.argsort(-counts, kind="stable")}
