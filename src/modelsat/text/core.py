"""The core of a prompt: what is asked, without the sentences that wrap it.

Applications and people wrap the same question in greetings, roles, instructions and stories. A wrapper changes the mean
over all tokens, and so the choice. Here a prompt's sentences and lines are classified by their hidden states; the run
of them with the largest sum of log-odds is the core, and a prompt is read as if it were its core alone. What marks a
wrapper is learned from training prompts in synthetic wrappers (`text.learned_core`); it is not a list of words. How
a segment relates to the rest of its text is learned, too: that holds for wrappers of other words.
"""

import re
from dataclasses import dataclass

import numpy as np

LEAST_EVIDENCE = 0.7
"""Log-odds that what is left out is no part of the question, below which the whole prompt is read."""
_GAP = re.compile(r"(?<=[.!?:;])[\"')\]]*\s+|\s*\n\s*")


@dataclass(frozen=True)
class Segmented:
    """One text in s segments.

    Attributes:
        starts: Where each segment starts, in characters, (s,).
        states: Mean hidden states of each segment's tokens by layer, of length 1, (s, layers, width).
        tokens: Tokens of each segment, (s,); 0 where it has none.
    """

    starts: np.ndarray
    states: np.ndarray
    tokens: np.ndarray

    def features(self, centre: np.ndarray) -> np.ndarray:
        """Return what tells a question from its wrapper, (s, layers * width + 3 + 2 * layers).

        Centred states; whether a segment is first or last, and its length; by layer, how alike it is to the longest
        segment and to all others together.
        """
        count = len(self.starts)
        place, states = np.arange(count), self.states - centre
        described = np.column_stack([place == 0, place == count - 1, np.log1p(self.tokens)])
        weighted = states * self.tokens[:, None, None]
        own, longest = _unit(states), int(np.argmax(self.tokens))
        to_longest = (own * own[longest]).sum(axis=2)
        to_others = (own * _unit(weighted.sum(axis=0) - weighted)).sum(axis=2)
        return np.concatenate([states.reshape(count, -1), 0.3 * described, to_longest, to_others], axis=1)


@dataclass(frozen=True)
class Core:
    """A linear classifier of segments.

    Attributes:
        centre: Mean state of training prompts by layer, (layers, width).
        weights: Of the features of `Segmented`; fewer in bundles that knew only the first of them.
        intercept: Of the log-odds that a segment is part of the question, (1,).
    """

    centre: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray

    def span(self, text: Segmented) -> tuple[int, int]:
        """Return the first segment of the core and the one after its last; all where little speaks against the rest."""
        evidence = text.features(self.centre)[:, : len(self.weights)] @ self.weights + self.intercept[0]
        first, end = heaviest(np.where(text.tokens > 0, evidence, 0.0))
        left_out = float(evidence[:first].sum() + evidence[end:].sum())
        return (first, end) if -left_out >= LEAST_EVIDENCE else (0, len(evidence))


def _unit(states: np.ndarray) -> np.ndarray:
    """Return states (s, layers, width) of length 1; of length 0 where they are."""
    return np.asarray(states / np.maximum(np.linalg.norm(states, axis=-1, keepdims=True), 1e-9))


def segment_starts(text: str) -> np.ndarray:
    """Return where the sentences and lines of a text start, in characters; the first is 0."""
    starts = [0, *(gap.end() for gap in _GAP.finditer(text) if gap.start() > 0 and gap.end() < len(text))]
    return np.asarray(sorted(set(starts)))


def heaviest(weights: np.ndarray) -> tuple[int, int]:
    """Return the run of largest sum as (first, after the last); it holds at least one number."""
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    runs = sums[None, 1:] - sums[:-1, None]
    runs[np.tril_indices(len(weights), -1)] = -np.inf
    first, last = np.unravel_index(int(np.argmax(runs)), runs.shape)
    return int(first), int(last) + 1
