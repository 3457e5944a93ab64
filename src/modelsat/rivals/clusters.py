"""k-means over prompt vectors, as The Avengers, UniRoute and SAVERouter group prompts."""

import warnings

import numpy as np


def cluster(vectors: np.ndarray, count: int, seed: int, starts: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return centroids (count, width), not of unit length, and the cluster of each vector (n,).

    Args:
        vectors: Unit vectors (n, width).
        count: Clusters; at most one per vector.
        seed: Of the k-means++ start.
        starts: Of these the tightest clustering is kept.
    """
    from sklearn.cluster import KMeans

    count = min(count, len(vectors))
    with warnings.catch_warnings():
        # Fewer distinct prompts than clusters leave some empty, which does no harm.
        warnings.simplefilter("ignore")
        model = KMeans(count, n_init=starts, max_iter=1000, algorithm="elkan", random_state=seed).fit(vectors)
    return model.cluster_centers_, model.labels_


def nearest(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the cluster of each vector by Euclidean distance."""
    distance = (centroids**2).sum(axis=1)[None, :] - 2 * vectors @ centroids.T
    return np.asarray(distance.argmin(axis=1))
