"""The comparison with the rivals' own packages: what it hands over, and what it concludes from the choices."""

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from modelsat.errors import InputError, ServiceError
from modelsat.rivals.rival import Labelled

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def packages() -> Iterator[ModuleType]:
    """Import the benchmark as a script does, and forget its modules after, whose names are short."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        patch.syspath_prepend(str(BENCHMARKS / "package_routers"))
        yield importlib.import_module("packages")
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture(scope="module")
def counterparts(packages: ModuleType) -> ModuleType:
    return importlib.import_module("counterparts")


def labelled(vectors: list[list[float]], outcomes: list[list[float]]) -> Labelled:
    shape = np.ones(np.shape(outcomes))
    return Labelled(np.float32(vectors), np.float32(outcomes), np.asarray(["task"] * len(vectors)), shape)


def test_the_weak_candidate_is_the_best_at_a_tenth_of_the_cost(counterparts: ModuleType) -> None:
    means, costs = np.array([0.9, 0.8, 0.7, 0.6]), np.array([10.0, 5.0, 1.0, 0.5])

    assert counterparts.strong_and_weak(means, costs) == (0, 2)


def test_a_missing_price_never_counts_as_cheap(counterparts: ModuleType) -> None:
    means, costs = np.array([0.9, 0.8, 0.7, 0.6]), np.array([10.0, np.nan, np.nan, 0.5])

    assert counterparts.strong_and_weak(means, costs) == (0, 3)


def test_a_set_without_a_cheap_candidate_is_refused(counterparts: ModuleType) -> None:
    with pytest.raises(InputError, match="a tenth"):
        counterparts.strong_and_weak(np.array([0.9, 0.8]), np.array([1.0, 0.2]))


def test_the_half_with_the_larger_need_goes_to_the_strong_candidate(counterparts: ModuleType) -> None:
    assert counterparts.sent_to_strong(np.array([0.1, 0.9, 0.5, 0.2])).tolist() == [1, 0, 0, 1]


def test_equal_needs_are_not_dealt_out_by_the_order_of_prompts(counterparts: ModuleType) -> None:
    choice = counterparts.sent_to_strong(np.zeros(100))

    assert (choice == 0).sum() == 50
    assert 10 < (choice[:50] == 0).sum() < 40


@pytest.mark.parametrize(("order", "best"), [([0, 1], [0, 1, 0]), ([1, 0], [1, 1, 1])])
def test_the_label_of_equally_good_candidates_is_the_first_in_the_table(
    counterparts: ModuleType, order: list[int], best: list[int]
) -> None:
    train = labelled([[1, 0]] * 3, [[1, 1], [0, 1], [0, 0]])

    marked = counterparts.labels(train, np.asarray(order)).outcomes

    assert marked.argmax(axis=1).tolist() == best
    assert marked.sum(axis=1).tolist() == [1, 1, 1]


def test_five_neighbours_vote_without_shrinkage(counterparts: ModuleType) -> None:
    near, far = [1.0, 0.0], [0.0, 1.0]
    votes = [[1, 0]] * 2 + [[0, 1]] * 3 + [[1, 0]] * 20

    scores = counterparts.votes(labelled([near] * 5 + [far] * 20, votes))(np.float32([near]))

    assert (scores[0] / scores[0].sum()).tolist() == pytest.approx([0.4, 0.6])


def test_theirs_minus_ours_is_in_points(packages: ModuleType) -> None:
    truth = np.array([[1.0, 0.0]] * 4)

    found = packages.compared(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), truth)

    assert found["gain"][0] == 25.0
    assert found["equal"] == 0.75
    assert found["agrees"]


def test_routers_whose_interval_leaves_out_0_do_not_agree(packages: ModuleType) -> None:
    truth = np.array([[1.0, 0.0]] * 50)

    found = packages.compared(np.ones(50, dtype=int), np.zeros(50, dtype=int), truth)

    assert found["gain"] == [-100.0, -100.0, -100.0]
    assert not found["agrees"]


def test_only_routers_of_one_kind_are_said_to_agree(packages: ModuleType) -> None:
    truth = np.array([[1.0, 0.0]] * 10)
    choices = {"theirs": np.zeros(10, dtype=int), "ours": np.zeros(10, dtype=int)}
    rows = [
        packages.table((("theirs", "ours", same),), choices, truth) | {"accuracy": {"theirs": 100.0}}
        for same in (True, False)
    ]
    one = {"prompts": 10, "candidates": 2, "pair": ["a", "b"], "all": rows[0], "two": rows[1]}

    text = packages.section({"versions": {"package": "1.0"}, "sets": {"first": one, "second": one}})

    assert "| theirs − ours | +0.0 [+0.0, +0.0] (100 %) | +0.0 [+0.0, +0.0] (100 %) | 2 of 2 |" in text
    assert "| theirs − ours | +0.0 [+0.0, +0.0] (100 %) | +0.0 [+0.0, +0.0] (100 %) |  |" in text


FALSE = Path(shutil.which("false") or "false")
VECTORS = np.float32([[1, 0], [0, 1]])
ARRAYS = {
    "train": VECTORS,
    "outcomes": VECTORS,
    "test": VECTORS[::-1],
    "names": np.asarray(["a", "b"]),
    "order": np.array([0, 1]),
    "pair": np.array([1, 0]),
}


def test_an_environment_that_fails_is_named(packages: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"ended with 1 .*packages-requirements"):
        packages.ask(FALSE, tmp_path, ARRAYS, ["x", "y"])


def test_the_packages_look_up_the_vectors_that_were_written(packages: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ServiceError):
        packages.ask(FALSE, tmp_path, ARRAYS, ["x", "y"])

    task = importlib.import_module("task").Task.read(tmp_path)

    assert task.vector("train 1").tolist() == task.vector("test 0").tolist() == [0, 1]
    assert task.vector("test").tolist() == [0, 0]
    assert (task.names, task.prompts, task.pair) == (["a", "b"], ["x", "y"], (1, 0))
