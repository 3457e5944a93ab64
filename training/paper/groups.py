"""Which prompts teach together: one that a candidate solved and some that it failed, of one benchmark.

Stronger candidates and questions that about half of the zoo solves are drawn more often (Model-SAT, section 4.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

NOBODY = -1


@dataclass(frozen=True)
class GroupOutcomes:
    """What groups are drawn from: n prompts, m candidates.

    Attributes:
        targets: Scores (n, m) in [0, 1], NaN where not run; above 0.5 is solved.
        benchmarks: Number of each prompt's benchmark (n,).
        prompt_weights: How often a prompt is drawn, relative to others (n,); 0 for never.
        candidate_weights: The same of candidates (m,).
    """

    targets: np.ndarray
    benchmarks: np.ndarray
    prompt_weights: np.ndarray
    candidate_weights: np.ndarray

    def within(self, prompts: np.ndarray) -> "GroupOutcomes":
        """Return the same with prompts outside a boolean mask (n,) never drawn."""
        return replace(self, prompt_weights=np.where(prompts, self.prompt_weights, 0.0))

    def positives(self) -> np.ndarray:
        """Return where a group can start, boolean (n, m): solved, and a prompt of the same benchmark was not."""
        drawn = self.prompt_weights[:, None] > 0
        failed = (self.targets <= 0.5) & drawn
        fails_there = np.zeros((int(self.benchmarks.max(initial=0)) + 1, self.targets.shape[1]), dtype=bool)
        np.logical_or.at(fails_there, self.benchmarks, failed)
        return np.asarray((self.targets > 0.5) & drawn & fails_there[self.benchmarks])


def discrimination(targets: np.ndarray) -> np.ndarray:
    """Return p(1-p) per prompt, p the share of the candidates that solved it: 0 where all or none did, at most 1/4."""
    asked = ~np.isnan(targets)
    solved = np.where(asked, targets > 0.5, False).sum(axis=1) / np.maximum(asked.sum(axis=1), 1)
    return np.asarray(solved * (1 - solved))


def strength(targets: np.ndarray) -> np.ndarray:
    """Return each candidate's rank by mean score, 1 for the weakest; equals share the lower rank."""
    asked = ~np.isnan(targets)
    mean = np.where(asked, targets, 0.0).sum(axis=0) / np.maximum(asked.sum(axis=0), 1)
    return np.asarray(1 + (mean[None, :] < mean[:, None]).sum(axis=1))


def circle_test(targets: np.ndarray, stems: Sequence[str], choices: Sequence[Sequence[str] | None]) -> np.ndarray:
    """Forget successes that do not survive another order of the options.

    Prompts with one stem and the same options in different orders are rotations of one question. A candidate that
    solved some of them and failed others was lucky: its successes become NaN, its failures stay.

    Args:
        targets: Scores (n, m), NaN where not run.
        stems: Digest of each prompt's question without its options, length n.
        choices: Options of each prompt, length n; None for open questions, which have no rotations.
    """
    rotations: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for i, (stem, options) in enumerate(zip(stems, choices, strict=True)):
        if options:
            rotations.setdefault((stem, tuple(sorted(options))), []).append(i)
    kept = targets.copy()
    for rows in rotations.values():
        if len({tuple(choices[i] or ()) for i in rows}) > 1:
            lucky = (targets[rows] <= 0.5).any(axis=0)
            kept[rows] = np.where(lucky & (targets[rows] > 0.5), np.nan, targets[rows])
    return kept


@dataclass(frozen=True)
class Groups:
    """Several groups of k prompts: the candidate of each (g,), and its prompts (g, k), the positive first.

    A group with fewer than k-1 negatives is filled up with `NOBODY`.
    """

    candidates: np.ndarray
    prompts: np.ndarray


def draw(rng: np.random.Generator, evidence: GroupOutcomes, count: int, k: int) -> Groups:
    """Draw groups.

    Args:
        rng: Decides everything.
        evidence: From which at least one group can be drawn.
        count: Number of groups.
        k: Prompts per group, at least 2.
    """
    positives = evidence.positives()
    weights = evidence.candidate_weights * positives.any(axis=0)
    candidates = rng.choice(len(weights), size=count, p=weights / weights.sum())
    prompts = np.full((count, k), NOBODY, dtype=np.int64)
    for row, candidate in zip(prompts, candidates, strict=True):
        row[0] = _weighted(rng, evidence.prompt_weights * positives[:, candidate], 1)[0]
        alike = evidence.benchmarks == evidence.benchmarks[row[0]]
        failed = alike & (evidence.targets[:, candidate] <= 0.5)
        negatives = _weighted(rng, evidence.prompt_weights * failed, k - 1)
        row[1 : 1 + len(negatives)] = negatives
    return Groups(candidates, prompts)


def _weighted(rng: np.random.Generator, weights: np.ndarray, most: int) -> np.ndarray:
    """Draw up to `most` different indices by weight."""
    size = min(most, int((weights > 0).sum()))
    return rng.choice(len(weights), size=size, replace=False, p=weights / weights.sum())
