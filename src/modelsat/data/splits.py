"""Which prompts train, validate and test: decided by the question alone, once and for all.

The bucket is a salted hash of the stem digest, so the same question falls on the same side in every folder
ever collected and in every retraining: champion and challenger were never trained on the prompts that judge them.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

SALT = "modelsat-held-out-1"
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1

TRAIN, VALIDATION, TEST = "train", "validation", "test"


def buckets(stem_digests: Iterable[str], salt: str = SALT) -> np.ndarray:
    """Map stem digests to numbers in [0, 1), uniform and independent of everything but the digest and the salt."""
    values = [
        int.from_bytes(hashlib.blake2b(f"{salt}:{digest}".encode(), digest_size=8).digest(), "big") / 2**64
        for digest in stem_digests
    ]
    return np.asarray(values, dtype=np.float64)


def assign(stem_digests: Iterable[str]) -> np.ndarray:
    """Return `train`, `validation` or `test` for each stem digest."""
    bucket = buckets(stem_digests)
    held_out = np.where(bucket < TEST_SHARE, TEST, VALIDATION)
    return np.where(bucket < TEST_SHARE + VALIDATION_SHARE, held_out, TRAIN)


MOST_FITTED = {TRAIN: 2**15, VALIDATION: 2**13}
"""So many prompts of a split at most are what closed forms are fitted to: they need some ten kilobytes a prompt."""


def fitted(split: str, size: int, first: Sequence[int] = ()) -> np.ndarray:
    """Return which prompts of a split closed forms are fitted to: all, or a random sample of `MOST_FITTED` of them.

    Args:
        split: `TRAIN` or `VALIDATION`.
        size: How many prompts it has.
        first: Places of those that are in every sample, such as the aptitude test's.

    Returns:
        Their places, ascending, (at most `MOST_FITTED`,).
    """
    drawn = np.random.default_rng(0).permutation(size)
    wanted = np.zeros(size, dtype=bool)
    wanted[np.asarray(first, dtype=np.int64)] = True
    return np.sort(np.concatenate([drawn[wanted[drawn]], drawn[~wanted[drawn]]])[: MOST_FITTED[split]])


def folds(stem_digests: Iterable[str], k: int, salt: str = "modelsat-fold-1") -> np.ndarray:
    """Return a fold number in [0, k) for each stem digest; equal digests share a fold."""
    return np.floor(buckets(stem_digests, salt) * k).astype(np.int64)


def without_candidates(candidates: Iterable[str], k: int, fold: int, salt: str = "modelsat-zoo-1") -> list[str]:
    """Return the candidates that are left when fold `fold` of `k` is held out as newcomers."""
    names = sorted(set(candidates))
    order = np.argsort(buckets(names, salt), kind="stable")
    held_out = {names[i] for i in order[fold::k]}
    return [name for name in names if name not in held_out]
