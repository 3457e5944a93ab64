"""The outcome surface: from a prompt's vectors to every candidate's success, fitted in closed form.

Outcomes are projected on their principal directions over candidates. A separate ridge predicts each direction from the
prompt, and directions without leave-one-out skill are dropped. Differences between candidates are thus shrunk by their
own predictability, not by that of the shared difficulty. A prompt's features are its similarity to landmark prompts (a
Gaussian kernel on the states of several layers) and the predicted probabilities of its kind; kinds are learned from the
labels of training prompts and are not needed for routing.

Far from the training prompts the surface flattens: differences between candidates shrink from the point where the
nearest landmarks are further away than for three quarters of the training prompts, and are halved where they are
further away than for 99 in 100. So the best single candidate is chosen more often there. A prompt is shown as foreign
only later (`modelsat.routers.fusion.foreign`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelsat.data.score_matrix import filled
from modelsat.routers.fusion import loo_ridge

LANDMARKS = 1000
BANDWIDTH = 0.7
FLATTEST = 0.5
_NEAREST = 10
_MOST_DIRECTIONS = 64
_SHARPNESS = np.geomspace(2, 50, 20)


@dataclass(frozen=True)
class Surface:
    """A fitted surface: k landmarks, c kinds, r directions, m candidates.

    Attributes:
        centre: Mean vector of the training prompts per layer, (layers, width).
        landmarks: Centred vectors of the landmark prompts, (k, layers * width).
        kind_weights: (k, c).
        kind_intercept: (c,).
        sharpness: Inverse temperature of the predicted kind.
        weights: (k + c, r).
        intercept: (r,).
        loadings: How far each candidate goes along each direction, (m, r).
        means: Mean score of each candidate, (m,), in [0, 1].
        doubt: Uncertainty margin that a choice subtracts from a candidate's probability, (m,); 0 for candidates that
            the surface was fitted to.
        familiar: Similarity to the nearest landmarks below which the surface is flattest, and above which it is not
            flattened.
        zoo: How many candidates it was fitted to, the first ones; newcomers stand behind them.
    """

    centre: np.ndarray
    landmarks: np.ndarray
    kind_weights: np.ndarray
    kind_intercept: np.ndarray
    sharpness: float
    weights: np.ndarray
    intercept: np.ndarray
    loadings: np.ndarray
    means: np.ndarray
    doubt: np.ndarray
    familiar: np.ndarray
    zoo: int

    def features(self, vectors: np.ndarray) -> np.ndarray:
        """Return similarities to the landmarks and the predicted kind: (n, layers, width) to (n, k + c)."""
        return self._features(self._cosines(vectors))

    def directions(self, vectors: np.ndarray) -> np.ndarray:
        """Predict the directions of prompts from their vectors: (n, layers, width) to (n, r)."""
        return self.read(vectors)[0]

    def read(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the directions of prompts (n, r), the probability of each kind (n, c), and how steep the surface is.

        It is steep by 1 near the training prompts and by 0.5 far from them, (n, 1); directions are flattened already.
        """
        cosines = self._cosines(vectors)
        features = self._features(cosines)
        directions = features @ self.weights + self.intercept
        steep = 1 - (1 - FLATTEST) * self._far(cosines)[:, None]
        return np.asarray(directions * steep), features[:, len(self.landmarks) :], steep

    def similarity(self, vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return the mean cosine over centred layers: (n, layers, width) and (q, layers, width) to (n, q)."""
        return np.asarray(described(vectors, self.centre) @ described(others, self.centre).T)

    def observed(self, scores: np.ndarray) -> np.ndarray:
        """Return the directions of prompts from the zoo's scores: (n, zoo), NaN where not run, to (n, r)."""
        return np.asarray((filled(scores) - self.means[: self.zoo]) @ self.loadings[: self.zoo])

    def expected(self, vectors: np.ndarray) -> np.ndarray:
        """Return the expected scores of the zoo on prompts that it did not answer, (n, zoo)."""
        return self.success_probability(self.directions(vectors))[:, : self.zoo]

    def success_probability(self, directions: np.ndarray) -> np.ndarray:
        """Return (n, m) in [0.01, 0.99] from directions (n, r)."""
        return np.clip(self.means + directions @ self.loadings.T, 0.01, 0.99)

    def _cosines(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(described(vectors, self.centre) @ self.landmarks.T)

    def _features(self, cosines: np.ndarray) -> np.ndarray:
        near = kernel(cosines)
        kinds = _softmax(self.sharpness * (near @ self.kind_weights + self.kind_intercept))
        return np.concatenate([near, kinds], axis=1)

    def _far(self, cosines: np.ndarray) -> np.ndarray:
        least, enough = self.familiar
        return np.asarray(np.clip((enough - _nearest(cosines)) / max(enough - least, 1e-6), 0.0, 1.0))


def fit(vectors: np.ndarray, scores: np.ndarray, kinds: Sequence[str] | np.ndarray) -> Surface:
    """Fit a surface.

    Args:
        vectors: Unit vectors of the prompts, (n, width), or one per layer, (n, layers, width).
        scores: Scores of the candidates, (n, m), in [0, 1], NaN where not run.
        kinds: Label of each prompt, (n,).
    """
    centre = np.atleast_2d(vectors.mean(axis=0))
    placed = described(vectors, centre)
    chosen = np.random.default_rng(0).permutation(len(vectors))[:LANDMARKS]
    landmarks = placed[np.sort(chosen)]
    # With the inverse root, distances between features equal kernel distances, so one penalty suits all features.
    cosines = landmarks @ landmarks.T
    values, axes = np.linalg.eigh(kernel(cosines).astype(np.float64) + 1e-4 * np.eye(len(landmarks)))
    root = axes / np.sqrt(np.maximum(values, 1e-4))
    features = kernel(placed @ landmarks.T) @ root

    names, kind = np.unique(np.asarray(kinds, dtype=str), return_inverse=True)
    guess = loo_ridge.fit(features, np.eye(len(names))[kind])
    sharpness = min(_SHARPNESS, key=lambda value: _surprise(value * guess.held_out, kind))
    guessed = _softmax(sharpness * guess.held_out)

    known = filled(scores)
    means = known.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(known.T, bias=True).reshape(len(means), len(means)))
    spread, axes = spread[::-1][:_MOST_DIRECTIONS], axes[:, ::-1][:, :_MOST_DIRECTIONS]
    heads = loo_ridge.fit(np.concatenate([features, guessed], axis=1), (known - means) @ axes)
    # The most predictable directions come first; a new candidate is placed along these.
    order = np.argsort(-heads.skill * spread, kind="stable")
    kept = order[heads.skill[order] > 0]
    weights = np.concatenate([root @ heads.weights[: len(landmarks)], heads.weights[len(landmarks) :]])
    return Surface(
        centre=centre.astype(np.float32),
        landmarks=landmarks,
        kind_weights=(root @ guess.weights).astype(np.float32),
        kind_intercept=guess.intercept.astype(np.float32),
        sharpness=float(sharpness),
        weights=weights[:, kept].astype(np.float32),
        intercept=heads.intercept[kept].astype(np.float32),
        loadings=axes[:, kept].astype(np.float32),
        means=means.astype(np.float32),
        doubt=np.zeros(len(means), dtype=np.float32),
        familiar=np.quantile(_nearest(cosines - 2 * np.eye(len(cosines))), (0.01, 0.25)).astype(np.float32),
        zoo=len(means),
    )


def completed(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return observed scores (n, m), and for NaN what is expected plus how much easier the prompt was than expected.

    Args:
        observed: Scores, NaN where not run.
        expected: What a surface expects there, of the same shape.
    """
    asked = ~np.isnan(observed)
    ease = np.where(asked, observed - expected, 0.0).sum(axis=1) / (asked.sum(axis=1) + 1.0)
    return np.where(asked, observed, np.clip(expected + ease[:, None], 0.0, 1.0)).astype(np.float64)


def described(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return float32 vectors (n, layers * width) whose inner product is the mean cosine over layers, each centred.

    Args:
        vectors: Of n prompts, (n, layers, width).
        centre: Mean vector, (layers, width).
    """
    layers = vectors.reshape(len(vectors), *centre.shape) - centre
    lengths = np.maximum(np.linalg.norm(layers, axis=2, keepdims=True), 1e-6)
    return np.asarray((layers / lengths / np.sqrt(len(centre))).reshape(len(vectors), centre.size), dtype=np.float32)


def kernel(cosines: np.ndarray) -> np.ndarray:
    """Return the Gaussian kernel of unit vectors from their cosines, in (0, 1]."""
    return np.asarray(np.exp(-BANDWIDTH * np.maximum(2 - 2 * cosines, 0.0)))


def _nearest(cosines: np.ndarray) -> np.ndarray:
    """Return the mean cosine to the nearest few landmarks, (n, k) to (n,)."""
    few = min(_NEAREST, cosines.shape[1])
    return np.asarray(np.partition(cosines, -few, axis=1)[:, -few:].mean(axis=1))


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _surprise(logits: np.ndarray, kind: np.ndarray) -> float:
    return float(-np.log(_softmax(logits)[np.arange(len(kind)), kind] + 1e-12).mean())
