"""A question stays on its side of the split for ever."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.data import splits
from modelsat.text.rendering import digest, stem_digest

DIGESTS = st.lists(st.text("0123456789abcdef", min_size=1, max_size=32), max_size=30)
MANY = [digest(str(i)) for i in range(10_000)]


def test_same_question_in_other_typography_falls_on_the_same_side() -> None:
    stems = [stem_digest(text) for text in ("Why is the sky blue?", "WHY IS THE SKY BLUE", "why is the sky – blue")]

    assert len(set(splits.assign(stems))) == 1


@given(DIGESTS, DIGESTS)
def test_split_of_a_question_does_not_depend_on_the_others(mine: list[str], others: list[str]) -> None:
    together = splits.assign(mine + others)

    assert together[: len(mine)].tolist() == splits.assign(mine).tolist()


def test_shares_are_near_70_10_20() -> None:
    parts = splits.assign(MANY)

    assert (parts == splits.TRAIN).mean() == pytest.approx(0.7, abs=0.015)
    assert (parts == splits.VALIDATION).mean() == pytest.approx(0.1, abs=0.015)
    assert (parts == splits.TEST).mean() == pytest.approx(0.2, abs=0.015)


def test_sides_never_change_between_versions() -> None:
    sides = splits.assign([digest(str(i)) for i in range(12)])

    assert [side[:2] for side in sides] == ["va", "te", "tr", "tr", "tr", "va", "tr", "tr", "va", "tr", "tr", "te"]


def test_buckets_are_spread_evenly() -> None:
    counts, _ = np.histogram(splits.buckets(MANY), bins=10, range=(0, 1))

    assert counts.min() > 900
    assert counts.max() < 1100


def test_other_salt_gives_independent_buckets() -> None:
    one, other = splits.buckets(MANY), splits.buckets(MANY, salt="another")

    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


@given(DIGESTS)
def test_buckets_lie_in_the_unit_interval(digests: list[str]) -> None:
    buckets = splits.buckets(digests)

    assert ((buckets >= 0) & (buckets < 1)).all()


@given(DIGESTS, st.integers(1, 12))
def test_folds_partition_the_questions(digests: list[str], k: int) -> None:
    folds = splits.folds(digests, k)

    assert ((folds >= 0) & (folds < k)).all()
    assert len({(d, f) for d, f in zip(digests, folds.tolist(), strict=True)}) == len(set(digests))


def test_folds_are_of_about_equal_size() -> None:
    counts = np.bincount(splits.folds(MANY, 5), minlength=5)

    assert counts.min() > 1800
    assert counts.max() < 2200


def test_folds_are_independent_of_the_split() -> None:
    test = splits.assign(MANY) == splits.TEST
    shares = [test[splits.folds(MANY, 5) == fold].mean() for fold in range(5)]

    assert shares == pytest.approx([0.2] * 5, abs=0.04)


@given(st.sets(st.text("abcdef", min_size=1, max_size=6), min_size=1, max_size=12), st.integers(1, 6))
def test_every_candidate_is_a_newcomer_in_exactly_one_fold(names: set[str], k: int) -> None:
    held_out = [names - set(splits.without_candidates(names, k, fold)) for fold in range(k)]

    assert set().union(*held_out) == names
    assert sum(len(part) for part in held_out) == len(names)
    assert max(map(len, held_out)) - min(map(len, held_out)) <= 1


@given(st.permutations(["a", "b", "c", "d", "e"]))
def test_order_of_candidates_never_decides_who_is_held_out(names: list[str]) -> None:
    assert splits.without_candidates(names, 2, 0) == splits.without_candidates(sorted(names), 2, 0)
