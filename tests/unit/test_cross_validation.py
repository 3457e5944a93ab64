"""Every prompt is scored by a router that never saw its question."""

from collections.abc import Callable

import numpy as np
import pytest

from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation import table
from modelsat.rivals.rival import Labelled, PromptScorer
from modelsat.studies import cross_validation
from modelsat.studies.cross_validation import Folds

N = 120


@pytest.fixture(scope="module")
def collection(make_collection: Callable[..., Collection]) -> Collection:
    """Sixty questions, each of which stands twice with other options; `even` solves half of them, `odd` the others."""
    texts = [f"Question number {i // 2} that is long enough to stand for itself alone?" for i in range(N)]
    scores = [[float(i // 2 % 2 == 0), float(i // 2 % 2 == 1)] for i in range(N)]
    benchmarks = ["sums" if i < 60 else "words" for i in range(N)]
    return make_collection(scores, texts, ("even", "odd"), benchmarks, tasks=[f"task {i // 2 % 3}" for i in range(N)])


@pytest.fixture(scope="module")
def folds(collection: Collection) -> Folds:
    return cross_validation.build(collection)


def test_copies_of_a_question_share_a_fold_and_a_role(folds: Folds) -> None:
    for first, second in zip(range(0, N, 2), range(1, N, 2), strict=True):
        assert folds.fold[first] == folds.fold[second]
        assert folds.validates[first] == folds.validates[second]


@pytest.mark.parametrize("fold", range(5))
def test_train_validation_and_fold_are_all_there_is_and_share_nothing(folds: Folds, fold: int) -> None:
    parts = [folds.train(fold), folds.validation(fold), np.flatnonzero(folds.fold == fold)]

    assert sorted(np.concatenate(parts).tolist()) == list(range(N))
    assert all(len(part) for part in parts)


def test_nobody_is_asked_about_what_it_was_fitted_to(folds: Folds) -> None:
    vectors = np.arange(N, dtype=np.float32)[:, None]

    def fit(train: Labelled, validation: Labelled) -> PromptScorer:
        known = {*train.vectors[:, 0].tolist(), *validation.vectors[:, 0].tolist()}

        def score(asked: np.ndarray, texts: object) -> np.ndarray:
            assert not known & set(asked[:, 0].tolist())
            return np.repeat(asked, 2, axis=1)

        return score

    scores = cross_validation.held_out_scores(folds, vectors, fit)

    assert scores[:, 0].tolist() == list(range(N))


def test_reference_lines_are_chosen_without_the_fold_too(folds: Folds) -> None:
    for fold in range(5):
        others = folds.arena.truth[folds.fold != fold]
        assert folds.arena.prior[folds.fold == fold][0] == pytest.approx(others.mean(axis=0))


def test_labels_move_nothing_but_the_line_that_knows_them(
    make_collection: Callable[..., Collection], collection: Collection
) -> None:
    prompts = collection.prompts
    column = prompts.column_names.index("task")
    unlabelled = prompts.set_column(column, "task", prompts["benchmark"].combine_chunks())
    plain = Collection(**{**vars(collection), "prompts": unlabelled})
    scores = np.random.default_rng(0).random((N, 2))

    tables = [table.evaluate(cross_validation.build(one).arena, {"some router": scores}) for one in (collection, plain)]

    assert (tables[0].correct[table.PER_CATEGORY] != tables[1].correct[table.PER_CATEGORY]).any()
    for name in tables[0].correct.keys() - {table.PER_CATEGORY}:
        np.testing.assert_array_equal(tables[0].correct[name], tables[1].correct[name])


def test_whole_benchmarks_are_held_out_where_that_is_asked_for(collection: Collection) -> None:
    unseen = cross_validation.build(collection, 2, unseen=True)

    assert unseen.fold.tolist() == [0] * 60 + [1] * 60
    assert unseen.arena.label_prior == pytest.approx(unseen.arena.prior)


def test_whole_categories_are_held_out_where_there_is_one_benchmark(
    make_collection: Callable[..., Collection],
) -> None:
    texts = [f"Question number {i} that is long enough to stand for itself alone?" for i in range(N)]
    tasks = ["many" if i < 60 else "some" if i < 90 else "few" for i in range(N)]
    one = make_collection([[1.0, 0.0]] * N, texts, ("a", "b"), ["exam"] * N, tasks)

    assert cross_validation.build(one, 2, unseen=True).fold.tolist() == [0] * 60 + [1] * 60


def test_set_without_two_complete_candidates_is_refused(make_collection: Callable[..., Collection]) -> None:
    patchy = make_collection([[1.0, None], [None, 1.0]], ["What is one and one?", "Spell the word cat."], ("a", "b"))

    with pytest.raises(InputError, match="no two candidates were run on 95 % of the prompts"):
        cross_validation.build(patchy)
