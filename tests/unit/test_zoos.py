"""Zoos follow from size and training mean, and only their members are chosen from."""

from collections.abc import Callable

import numpy as np
import pytest

from modelsat.data.collection import Collection
from modelsat.evaluation import table as evaluation
from modelsat.rivals.rival import Labelled, Scorer, on_all_layers
from modelsat.studies import cross_validation, zoos
from modelsat.studies.cross_validation import Folds

NAN = float("nan")
SIZES = np.asarray([7e9, 10e9, 70e9, NAN])
LEVEL = np.asarray([0.50, 0.30, 0.74, 0.80])


def test_small_is_at_most_ten_billion_and_an_unknown_size_is_not_small() -> None:
    assert zoos.small(SIZES, LEVEL).tolist() == [True, True, False, False]


def test_high_performance_is_within_six_points_of_the_best() -> None:
    assert zoos.high_performance(SIZES, LEVEL).tolist() == [False, False, True, True]
    assert zoos.high_performance(SIZES, LEVEL - [0, 0, 0.01, 0]).tolist() == [False, False, False, True]


def test_mixed_is_both_and_nobody_where_none_is_small() -> None:
    assert zoos.mixed(SIZES, LEVEL).tolist() == [True, True, True, True]
    assert zoos.mixed(SIZES, LEVEL - [0, 0, 0.2, 0]).tolist() == [True, True, False, True]
    assert zoos.mixed(np.full(4, 70e9), LEVEL).tolist() == [False] * 4


N = 100


@pytest.fixture(scope="module")
def folds(make_collection: Callable[..., Collection]) -> Folds:
    """A small one right on every fifth prompt, a small one on every second, a large one always."""
    texts = [f"Question number {i} that is long enough to stand for itself alone?" for i in range(N)]
    scores = [[float(i % 5 == 0), float(i % 2 == 0), 1.0] for i in range(N)]
    return cross_validation.build(make_collection(scores, texts, ("a-weak", "b-middle", "c-strong")))


NANO = np.asarray([1e9, 7e9, 70e9])


def test_best_single_and_oracle_are_those_of_the_zoo(folds: Folds) -> None:
    inside = zoos.within(folds, zoos.small, NANO)

    table = evaluation.evaluate(inside.arena, {})

    assert inside.arena.pool.tolist() == [[True, True, False]] * N
    assert table.line(evaluation.BEST_SINGLE).accuracy.value == pytest.approx(0.50)
    assert table.line(evaluation.ORACLE).accuracy.value == pytest.approx(0.60)
    assert table.line(evaluation.RANDOM).accuracy.value == pytest.approx(0.35)


def test_who_belongs_is_decided_on_training_prompts(folds: Folds) -> None:
    def nobody_held_out(n_params: np.ndarray, level: np.ndarray) -> np.ndarray:
        seen.append(level.tolist())
        return np.ones(len(level), dtype=bool)

    seen: list[list[float]] = []
    zoos.within(folds, nobody_held_out, NANO)

    truth = folds.arena.truth
    assert seen == [truth[folds.fold != fold].mean(axis=0).tolist() for fold in range(folds.count)]


def test_rival_sees_members_alone_and_chooses_nobody_else(folds: Folds) -> None:
    widths = []

    def fit(train: Labelled, validation: Labelled) -> Scorer:
        widths.append((train.outcomes.shape[1], validation.outcomes.shape[1], train.cost.shape[1]))
        return lambda vectors: np.tile(train.outcomes.mean(axis=0), (len(vectors), 1))

    inside = zoos.within(folds, zoos.small, NANO)
    vectors = np.ones((N, 1), dtype=np.float32)
    scores = cross_validation.held_out_scores(folds, vectors, zoos.fit_within(on_all_layers(fit), zoos.small, NANO))
    table = evaluation.evaluate(inside.arena, {"means": scores})

    assert widths == [(2, 2, 2)] * folds.count
    assert np.isnan(scores[:, 2]).all()
    assert set(table.choices["means"].tolist()) == {1}
    assert table.line("means").gain.value == 0.0
