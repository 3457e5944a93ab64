"""k-means over prompt vectors, as The Avengers, UniRoute and SAVERouter group prompts."""

import hashlib
import warnings

import numpy as np

# The same prompts are clustered for every newcomer and every number of its outcomes.
_MOST_KEPT = 16
_KEPT: dict[tuple[str, int, int, int], tuple[np.ndarray, np.ndarray]] = {}


def cluster(vectors: np.ndarray, count: int, seed: int, starts: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return centroids (count, width), not of unit length, and the cluster of each vector (n,).

    Args:
        vectors: Unit vectors (n, width).
        count: Clusters; at most one per vector.
        seed: Of the k-means++ start.
        starts: Of these the tightest clustering is kept.
    """
    key = (hashlib.sha256(vectors.tobytes()).hexdigest(), count, seed, starts)
    if key not in _KEPT:
        while len(_KEPT) >= _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = _cluster(vectors, min(count, len(vectors)), seed, starts)
    return _KEPT[key]


def _cluster(vectors: np.ndarray, count: int, seed: int, starts: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        # Fewer distinct prompts than clusters leave some empty, which does no harm.
        warnings.simplefilter("ignore")
        model = KMeans(count, n_init=starts, max_iter=1000, algorithm="elkan", random_state=seed).fit(vectors)
    return model.cluster_centers_, model.labels_


def nearest(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the cluster of each vector by Euclidean distance."""
    distance = (centroids**2).sum(axis=1)[None, :] - 2 * vectors @ centroids.T
    return np.asarray(distance.argmin(axis=1))
