"""What stands beside the outcome surface: simple members of the mixture that are read off the same prompt.

- *Task classifier*: how likely the surface finds each kind of prompt, times the candidates' means on the kinds.
- *Words*: a surface of its own on the words of the prompt (`modelsat.text.words`).
- *Levels*: each candidate's mean, whatever the prompt; its weight shrinks all differences.

A member that cannot speak of a candidate, as of one that came after the training, leaves its weight to the surface.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelsat.data.score_matrix import filled
from modelsat.routers.fusion import surface as surfaces
from modelsat.routers.fusion import weights as super_learner
from modelsat.routers.fusion.surface import Surface
from modelsat.text.words import Words

SURFACE, TASKS, WORDS, LEVELS = "fusion", "task classifier", "words", "levels"
NAMES = (SURFACE, TASKS, WORDS, LEVELS)
ASSUMED = (0.25, 0.25, 0.5, 0.0)
"""Weights before any outcome is seen: half for each of the two ways to read a prompt."""
PARTS = 4
_AT_ONCE = 2**12
_PRIOR_PROMPTS = 5.0
"""How many prompts a candidate's level counts for among those of a kind."""

Tokens = Sequence[Sequence[int]]
"""Token ids that the language model reads of each prompt."""


@dataclass(frozen=True)
class Beside:
    """The members beside a surface of m candidates and c kinds.

    Attributes:
        by_kind: Mean score of each candidate on the prompts of a kind, (c, m).
        words: Reads words; None where no two training prompts share one.
        spoken: Surface of m candidates on what `words` returns; None likewise.
        weights: Of all members in the order of `NAMES`, at least 0, (4,), adding up to 1.
    """

    by_kind: np.ndarray
    words: Words | None
    spoken: Surface | None
    weights: np.ndarray

    def say(self, surface: Surface, vectors: np.ndarray, tokens: Tokens) -> np.ndarray:
        """Return the success probabilities of every member, float32 (4, n, m), NaN where one cannot speak.

        Args:
            surface: Beside which they stand, with newcomers behind the m candidates.
            vectors: Of n prompts (n, layers, width).
            tokens: Of the same prompts.
        """
        return self.say_of(surface, vectors, None if self.words is None else self.words(tokens))

    def say_of(self, surface: Surface, vectors: np.ndarray, worded: np.ndarray | None) -> np.ndarray:
        """Return the same, from the vectors that `words` returns."""
        directions, kinds, steep = surface.read(vectors)
        known, m = self.by_kind.shape[1], len(surface.means)
        levels = surface.means[:known]
        out = np.full((len(NAMES), len(vectors), m), np.nan, dtype=np.float32)
        out[0] = surface.success_probability(directions)
        out[1, :, :known] = levels + steep * (kinds @ self.by_kind - levels)
        if self.spoken is not None and worded is not None:
            out[2, :, :known] = self.spoken.success_probability(self.spoken.directions(worded))
        out[3, :, :known] = levels
        return out


def mixed(said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of members (k, n, m), the first of which speaks of all and takes what others leave."""
    out = np.empty(said.shape[1:], dtype=np.float32)
    for start in range(0, len(out), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        out[some] = np.tensordot(weights, _complete(said[:, some]), axes=1)
    return out


def fit(
    vectors: np.ndarray,
    worded: np.ndarray | None,
    scores: np.ndarray,
    kinds: np.ndarray,
    weights: Sequence[float] | np.ndarray = ASSUMED,
    words: Words | None = None,
) -> tuple[Surface, Beside]:
    """Fit a surface and what stands beside it.

    Args:
        vectors: As of `surface.fit`.
        worded: What `words` returns of the same n prompts, (n, width); None where no two of them share a word.
        scores: As of `surface.fit`.
        kinds: Likewise.
        weights: Of the members (4,). Words of weight 0 are left out.
        words: Reads words in other prompts.
    """
    found, by_kind = surfaces.fit(vectors, scores, kinds), _by_kind(scores, kinds)
    if worded is None or not weights[2] > 0:
        return found, Beside(by_kind, None, None, np.asarray(weights))
    return found, Beside(by_kind, words, surfaces.fit(worded, scores, kinds), np.asarray(weights))


def cross_fitted(
    vectors: np.ndarray, worded: np.ndarray | None, scores: np.ndarray, kinds: np.ndarray, groups: Sequence[str]
) -> np.ndarray:
    """Return what members say of each prompt that were fitted without its part, (4, n, m).

    Args:
        vectors: As of `fit`.
        worded: Likewise.
        scores: Likewise.
        kinds: Likewise.
        groups: Prompts of one group, such as copies of a question, are in one part, (n,).
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    part = (np.random.default_rng(0).permutation(int(group.max(initial=0)) + 1) % PARTS)[group]
    found = np.empty((len(NAMES), *scores.shape), dtype=np.float32)
    for held_out in np.unique(part):
        mine = part == held_out
        # Where all prompts are copies of one question, there are no others.
        others = ~mine if not mine.all() else mine
        surface, beside = fit(
            vectors[others], None if worded is None else worded[others], scores[others], kinds[others]
        )
        said = beside.say_of(surface, vectors[mine], None if worded is None else worded[mine])
        found[:, mine] = _complete(said)
    return found


def weigh(said: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the weights of members (4,) that suit outcomes.

    Args:
        said: As of `cross_fitted`.
        scores: Scores (n, m), NaN where not run.
    """
    return super_learner.fitted(said, scores, ASSUMED)


def _complete(said: np.ndarray) -> np.ndarray:
    """Return what members say, and what the surface says where one cannot speak."""
    return np.where(np.isnan(said), said[:1], said)


def _by_kind(scores: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    names, kind = np.unique(np.asarray(kinds, dtype=str), return_inverse=True)
    inside = np.eye(len(names))[kind]
    known = filled(scores)
    count = inside.sum(axis=0)[:, None] + _PRIOR_PROMPTS
    return np.asarray((inside.T @ known + _PRIOR_PROMPTS * known.mean(axis=0)) / count, dtype=np.float32)
