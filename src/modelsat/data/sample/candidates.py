"""Simulated candidates: no language model was run, their answers are drawn from the response model below.

    P(right) = guess + (1 - guess) * sigmoid(ability[candidate, category] - difficulty[question])

`guess` is one over the number of options, and 0 for an open question. `difficulty` grows with the level that shows in
the text. `ability` is the candidate's overall level plus what it is good or bad at, by benchmark and by category.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from modelsat.data.sample.drafts import LEVELS
from modelsat.data.sample.questions import SampleQuestion

FAMILY = "simulated"

DIFFICULTIES: Mapping[int, float] = dict(zip(LEVELS, (-3.2, -1.6, 0.0, 1.6, 3.6), strict=True))


@dataclass(frozen=True)
class Candidate:
    """A made-up model. Prices in USD per million tokens, parameters in billions, abilities in logits."""

    name: str
    released: date
    n_params_b: float
    context_length: int
    price_in: float | None
    price_out: float | None
    overall: float
    strengths: Mapping[str, float] = field(default_factory=dict)

    def ability(self, benchmark: str, category: str) -> float:
        """Return the ability in a category, in logits."""
        return self.overall + self.strengths.get(benchmark, 0.0) + self.strengths.get(category, 0.0)


CANDIDATES = (
    Candidate("sim-generalist-large", date(2025, 3, 18), 400, 200_000, 5.0, 15.0, 2.3),
    Candidate("sim-generalist-large-2023", date(2023, 5, 9), 175, 8_192, 10.0, 15.0, 0.8, {"sample-language": 0.4}),
    Candidate("sim-generalist-medium", date(2024, 9, 3), 70, 128_000, 1.0, 4.0, 1.0),
    Candidate("sim-generalist-small", date(2024, 6, 11), 8, 32_768, 0.2, 0.6, 0.0),
    Candidate("sim-generalist-small-2025", date(2025, 9, 2), 9, 131_072, 0.2, 0.5, 0.7, {"sample-code": 0.3}),
    Candidate("sim-generalist-tiny", date(2023, 10, 24), 1.5, 8_192, 0.1, 0.1, -1.2),
    Candidate(
        *("sim-maths-specialist", date(2025, 1, 14), 32, 65_536, 0.8, 2.4, 0.2),
        {"sample-arithmetic": 3.2, "unit-conversion": -2.0, "sets": 1.0},
    ),
    Candidate(
        *("sim-code-specialist", date(2024, 11, 19), 34, 65_536, 0.4, 1.2, 0.2),
        {"sample-code": 3.2, "booleans": -1.6},
    ),
    Candidate(
        *("sim-logic-specialist", date(2025, 5, 27), 120, 131_072, 2.0, 8.0, 0.4),
        {"sample-logic": 3.0, "sets": -1.7, "calendar": -1.4},
    ),
    Candidate(
        *("sim-language-specialist", date(2024, 2, 6), 24, 32_768, 0.5, 1.5, 0.0),
        {"sample-language": 3.4, "synonyms": -1.6, "translation": -1.2},
    ),
    Candidate("sim-translator", date(2023, 12, 12), 13, 16_384, 0.15, 0.3, -0.6, {"translation": 4.4, "synonyms": 1.6}),
    Candidate("sim-open-preview", date(2025, 2, 20), 27, 131_072, None, None, 0.8, {"calendar": 0.8, "spelling": 0.5}),
)
"""Twelve candidates; the last one has no price, which is not a price of 0."""

NOT_RUN = ("sim-language-specialist", "sample-code")
"""One candidate was not run on one benchmark, as happens with real results."""


def probabilities(questions: Sequence[SampleQuestion]) -> np.ndarray:
    """Return P(right) of the response model.

    Returns:
        Array of shape (questions, candidates), values in (0, 1).
    """
    guess = np.array([1 / len(question.choices) if question.choices else 0.0 for question in questions])[:, None]
    margin = np.array(
        [[c.ability(q.benchmark, q.category) - DIFFICULTIES[q.level] for c in CANDIDATES] for q in questions]
    )
    return np.asarray(guess + (1 - guess) / (1 + np.exp(-margin)))


def draw_scores(questions: Sequence[SampleQuestion], seed: int) -> np.ndarray:
    """Draw right (1) or wrong (0) for each question and candidate.

    Returns:
        Array of shape (questions, candidates); NaN where `NOT_RUN` says so.
    """
    p = probabilities(questions)
    scores = (np.random.default_rng(seed).random(p.shape) < p).astype(np.float64)
    name, benchmark = NOT_RUN
    column = [candidate.name for candidate in CANDIDATES].index(name)
    scores[[question.benchmark == benchmark for question in questions], column] = np.nan
    return scores
