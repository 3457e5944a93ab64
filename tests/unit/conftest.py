"""Fixtures of the unit tier: prompts of two kinds whose vectors tell the kind."""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def two_kinds() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Return a function that draws unit vectors (n, layers, 8) and a kind, 0 or 1, for each.

    The sign of the last layer's first number is the kind; the layers before it hold noise.
    """
    return _two_kinds


def _two_kinds(n: int, seed: int = 0, layers: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, n)
    vectors = rng.normal(size=(n, layers, 8))
    vectors[:, -1, 0] += np.where(kind, 4.0, -4.0)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return vectors.astype(np.float32), kind
