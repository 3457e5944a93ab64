"""What a network saves beside fusion: log-loss on prompts that chose neither its weight nor anything else of it."""

from dataclasses import dataclass

import numpy as np

from modelsat.routers.mixture import asked_of_few, choose_weight, log_loss, rerank

LEAST = 0.001
"""Nats per answer; a smaller gain changes about no choice."""
FOLDS = 5


@dataclass(frozen=True)
class Gain:
    """Log-loss that a mixture saves over fusion alone, in nats per answer: mean over prompts and its standard error."""

    mean: float
    error: float

    @property
    def may_pay(self) -> bool:
        """Say whether the network may be of use: what it saves is within a standard error of what is."""
        return self.mean + self.error > LEAST

    @property
    def surely_pays(self) -> bool:
        """Say whether the network is of use, and by more than a standard error."""
        return self.mean - self.error > LEAST

    def told(self) -> str:
        """Return the gain for the middle of a sentence."""
        return f"{1000 * self.mean:+.1f} thousandths of a nat per answer (standard error {1000 * self.error:.1f})"


def gain(fused: np.ndarray, learned: np.ndarray, truth: np.ndarray) -> Gain:
    """Measure the mixture, its weight chosen on other prompts than those that it is measured on.

    Args:
        fused: Probabilities (prompts, m) of fusion, not fitted to these prompts; at least 2 prompts.
        learned: Those of the network, of the same shape, likewise.
        truth: Scores of the same shape, NaN where not run.
    """
    few = asked_of_few(learned, fused)
    counts = ~np.isnan(few) & ~np.isnan(truth)
    fold = np.random.default_rng(0).permutation(len(truth)) % FOLDS
    gains = np.zeros(len(truth))
    for number in range(FOLDS):
        here, there = fold == number, fold != number
        mixed = rerank(fused[here], few[here], choose_weight(fused[there], few[there], truth[there]))
        saved = log_loss(fused[here], truth[here]) - log_loss(mixed, truth[here])
        gains[here] = np.where(counts[here], saved, 0.0).sum(axis=1) / np.maximum(counts[here].sum(axis=1), 1)
    return Gain(float(gains.mean()), float(gains.std() / np.sqrt(len(gains))))
