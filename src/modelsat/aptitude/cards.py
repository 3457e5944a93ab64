"""Capability cards: how a candidate did on each task of the aptitude test, and how far to trust it.

Twenty questions a task leave a standard error of eleven points at 50 %, so each accuracy is shrunk towards what the
zoo makes likely for a candidate of this overall ability: a posterior mean, whose weight travels as `n`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from modelsat.aptitude.frozen_test import AptitudeTest
from modelsat.data import contracts, score_matrix
from modelsat.text.rendering import render_card, render_card_line

_LEAST_PRIOR_QUESTIONS, _MOST_PRIOR_QUESTIONS = 2.0, 200.0


@dataclass(frozen=True)
class Prior:
    """Prior of task accuracies, estimated from the zoo.

    Attributes:
        task_mean: Mean accuracy of the zoo on each task, shape (tasks,), in [0, 1].
        questions: How many questions the prior is worth, at least 2.
    """

    task_mean: np.ndarray
    questions: float

    def posterior(self, accuracy: np.ndarray, n: np.ndarray, lead: np.ndarray | float = 0.0) -> np.ndarray:
        """Return shrunken accuracies.

        Args:
            accuracy: Shape (candidates, tasks), in [0, 1]; anything where n is 0.
            n: Questions answered, shape (candidates, tasks).
            lead: By how much the candidates are expected to differ from the zoo before any answer, (candidates,).

        Returns:
            Shape (candidates, tasks), in [0, 1]. A task that was not asked gets the zoo's mean, shifted by how much
            the candidate differs from the zoo on the tasks that it was asked, so skipping a task that is hard for all
            candidates does not raise its estimate. A weakness on a task that was never asked stays unknown.
        """
        right = np.where(n > 0, accuracy * n, 0.0)
        expected = n @ self.task_mean
        ability = (right.sum(axis=1) - expected + self.questions * lead) / (n.sum(axis=1) + self.questions)
        centre = np.clip(self.task_mean[None, :] + ability[:, None], 0.01, 0.99)
        return np.asarray((right + self.questions * centre) / (n + self.questions))


def fit_prior(accuracy: np.ndarray, n: np.ndarray) -> Prior:
    """Estimate the prior from the zoo by moments: how much more task accuracies vary than sampling explains."""
    right = np.where(n > 0, accuracy * n, 0.0)
    task_mean = (right.sum(axis=0) + 0.5) / (n.sum(axis=0) + 1.0)
    ability = (right.sum(axis=1) - n @ task_mean) / np.maximum(n.sum(axis=1), 1)
    centre = np.clip(task_mean[None, :] + ability[:, None], 0.01, 0.99)
    asked = n > 0
    if not asked.any():
        return Prior(task_mean, _MOST_PRIOR_QUESTIONS)
    spread = centre * (1 - centre)
    noise = (spread / np.maximum(n, 1))[asked].mean()
    scatter = ((np.where(asked, accuracy, centre) - centre) ** 2)[asked].mean()
    real = max(scatter - noise, 1e-9)
    questions = float(np.clip(spread[asked].mean() / real - 1, _LEAST_PRIOR_QUESTIONS, _MOST_PRIOR_QUESTIONS))
    return Prior(task_mean, questions)


def count(test: AptitudeTest, scores: pa.Table, candidates: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracy (NaN where nothing was answered) and number of answers, each (candidates, tasks)."""
    answers = score_matrix.matrix(scores, test.table["prompt_id"].to_pylist(), candidates)
    tasks = test.tasks
    member = np.asarray([tasks.index(task) for task in test.table["task"].to_pylist()])
    asked = ~np.isnan(answers)
    n = np.zeros((len(candidates), len(tasks)))
    right = np.zeros_like(n)
    for t in range(len(tasks)):
        rows = member == t
        n[:, t] = asked[rows].sum(axis=0)
        right[:, t] = np.where(asked[rows], answers[rows], 0.0).sum(axis=0)
    return np.where(n > 0, right / np.maximum(n, 1), np.nan), n


def build(
    test: AptitudeTest,
    scores: pa.Table,
    candidates: Sequence[str],
    prior: Prior | None = None,
    lead: np.ndarray | float = 0.0,
) -> tuple[pa.Table, Prior]:
    """Build the cards of all candidates.

    Args:
        test: The frozen aptitude test.
        scores: Scores that hold the candidates' answers to it.
        candidates: Whose cards to build, in order.
        prior: The zoo's prior from an earlier call; None estimates it from these candidates.
        lead: As of `Prior.posterior`.

    Returns:
        Table of the contract `CARDS`, and the prior that was used.
    """
    accuracy, n = count(test, scores, candidates)
    prior = prior or fit_prior(accuracy, n)
    shrunken = prior.posterior(accuracy, n, lead)
    rows: list[dict[str, object]] = [
        {
            "candidate": name,
            "test_version": test.version,
            "task": task,
            "accuracy": None if n[i, t] == 0 else float(accuracy[i, t]),
            "n": int(n[i, t]),
            "shrunken_accuracy": float(shrunken[i, t]),
        }
        for i, name in enumerate(candidates)
        for t, task in enumerate(test.tasks)
    ]
    return contracts.from_rows(rows, contracts.CARDS), prior


def accuracies(cards: pa.Table, candidates: Sequence[str], tasks: Sequence[str]) -> np.ndarray:
    """Return the shrunken accuracies of cards as float32 of shape (candidates, tasks)."""
    values = dict(
        zip(
            zip(cards["candidate"].to_pylist(), cards["task"].to_pylist(), strict=True),
            cards["shrunken_accuracy"].to_pylist(),
            strict=True,
        )
    )
    return np.asarray([[values[name, task] for task in tasks] for name in candidates], dtype=np.float32)


def lines(test: AptitudeTest, shrunken: np.ndarray) -> list[str]:
    """Render the entries of one candidate's card, one per task; `shrunken` has shape (tasks,)."""
    return [render_card_line(words, float(value)) for words, value in zip(test.keywords, shrunken, strict=True)]


def text(test: AptitudeTest, shrunken: np.ndarray) -> str:
    """Render one candidate's capability representation as text."""
    return render_card(lines(test, shrunken))
