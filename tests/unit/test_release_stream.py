"""Models appear one after the other, and the router is not retrained."""

from datetime import date

import numpy as np
import pytest

from modelsat import rivals
from modelsat.errors import InputError
from modelsat.rivals.rival import Labelled, Scorer
from modelsat.studies import release_stream
from modelsat.studies.release_stream import Frozen, StreamedRelease

LEVEL = np.asarray([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.35, 0.9])


def test_candidates_of_one_day_come_in_the_order_of_their_names() -> None:
    days = [date(2024, 5, 1), date(2024, 1, 1), date(2024, 5, 1)]

    assert release_stream.by_release(["b", "c", "a"], days) == [1, 2, 0]


def test_candidate_without_a_date_is_named() -> None:
    with pytest.raises(InputError, match="candidates 'b' have no release date"):
        release_stream.by_release(["a", "b"], [date(2024, 5, 1), None])


@pytest.mark.parametrize(("candidates", "old"), [(7, 6), (8, 6), (13, 6), (14, 7), (26, 13)])
def test_half_of_the_candidates_are_old_and_six_at_the_least(candidates: int, old: int) -> None:
    assert release_stream.before_cut(range(candidates)) == tuple(range(old))


def test_stream_in_which_nothing_is_released_is_refused() -> None:
    with pytest.raises(InputError, match="needs more than 6 candidates and has 6"):
        release_stream.before_cut(range(6))


def test_pool_is_the_five_best_so_far_and_the_newest() -> None:
    first, second = release_stream.stream(range(8), LEVEL)

    assert (first.newest, first.best) == (6, (5, 4, 3, 2, 1))
    assert (second.newest, second.best) == (7, (5, 4, 3, 6, 2))
    assert second.before == (0, 1, 2, 3, 4, 5, 6)
    assert second.pool == (5, 4, 3, 6, 2, 7)


def prompts(n: int, seed: int) -> Labelled:
    """Two topics; of the old ones 4 is at times right on the second, the others on the first; 7 masters the second."""
    rng = np.random.default_rng(seed)
    topic = np.arange(n) % 2
    vectors = np.eye(2, dtype=np.float32)[topic]
    own = np.where(np.arange(6) == 4, (topic == 1)[:, None], (topic == 0)[:, None])
    old = (rng.random((n, 6)) < [0.2, 0.4, 0.6, 0.8, 0.6, 1.0]) & own
    outcomes = np.column_stack([old, np.zeros(n), topic == 1]).astype(np.float32)
    return Labelled(vectors, outcomes, topic.astype(str), np.full((n, 8), np.nan))


TRAIN, VALIDATION, TEST = prompts(200, 0), prompts(60, 1), prompts(100, 2)
OLD = tuple(range(6))
LAST = StreamedRelease(7, (5, 4, 3, 6, 2), tuple(range(7)))


class Recorder:
    """A rival that keeps what it was given and prefers nobody."""

    def __call__(self, train: Labelled, validation: Labelled) -> Scorer:
        self.train, self.validation = train, validation
        return lambda vectors: np.zeros((len(vectors), train.outcomes.shape[1]))


def test_later_candidates_are_known_by_the_same_few_training_prompts_and_by_no_validation_prompt() -> None:
    recorder = Recorder()

    Frozen(recorder, OLD, TRAIN, VALIDATION, TEST).at(LAST, 20, seed=0)

    asked = recorder.train.asked
    assert asked.sum(axis=0).tolist() == [200] * 6 + [20, 20]
    assert (asked[:, 6] == asked[:, 7]).all()
    assert recorder.validation.asked.sum(axis=0).tolist() == [60] * 6 + [0, 0]


def test_what_is_not_released_yet_is_not_there() -> None:
    recorder = Recorder()
    first = StreamedRelease(6, (5, 4, 3, 2, 1), OLD)
    frozen = Frozen(recorder, OLD, TRAIN, VALIDATION, TEST)

    for choose in (lambda: frozen.at(first, 1000, seed=0), lambda: frozen.retrained(first)):
        choose()
        np.testing.assert_array_equal(recorder.train.outcomes, TRAIN.outcomes[:, :7])


def test_masking_leaves_the_prompts_as_they_were() -> None:
    Frozen(Recorder(), OLD, TRAIN, VALIDATION, TEST).at(LAST, 0, seed=0)

    assert TRAIN.asked.all()
    assert VALIDATION.asked.all()


def test_best_so_far_is_a_new_candidate_only_where_its_outcomes_are_known() -> None:
    better = np.ones((200, 1), dtype=np.float32)
    train = Labelled(TRAIN.vectors, np.hstack([TRAIN.outcomes[:, :7], better]), TRAIN.tasks, TRAIN.cost)
    frozen = Frozen(Recorder(), OLD, train, VALIDATION, TEST)

    unknown, known = frozen.at(LAST, 0, seed=0), frozen.at(LAST, 64, seed=0)

    assert unknown.single.tolist() == TEST.outcomes[:, 5].tolist()
    assert known.single.tolist() == TEST.outcomes[:, 7].tolist()


@pytest.mark.parametrize("name", ["knn", "ridge", "saverouter"])
def test_newest_specialist_gets_its_topic_without_retraining(name: str) -> None:
    frozen = Frozen(rivals.named(name), OLD, TRAIN, VALIDATION, TEST)

    some, everything = frozen.at(LAST, 100, seed=0), frozen.retrained(LAST)

    second = TEST.outcomes[:, 7] == 1
    assert some.router[second].mean() == everything.router[second].mean() == 1.0
    assert some.router[~second].tolist() == everything.router[~second].tolist() == TEST.outcomes[~second, 5].tolist()
