"""Which candidates are served: those whose choices can be judged, worked by hand, and for any results."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.data import prompt_sets, splits
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation import arena as arenas
from modelsat.evaluation import served_pool, table
from modelsat.evaluation.served_pool import MAX_UNJUDGED, ServedPool
from modelsat.evaluation.table import BEST_SINGLE

NAN = float("nan")


def decide(
    cores: dict[str, list[str]], favourite: list[str], outcomes: Any, means: dict[str, float] | None = None
) -> ServedPool:
    """Decide about a router that finds the named favourite of each prompt best and all others equal."""
    names = sorted({name for core in cores.values() for name in core} | set(favourite))
    probabilities = np.asarray([[0.9 if name == best else 0.5 for name in names] for best in favourite])
    known = means or {}
    ran = {name: float((~np.isnan(np.asarray(outcomes))[:, i]).mean()) for i, name in enumerate(names)}
    return served_pool.choose(
        names, cores, probabilities, np.asarray(outcomes), ran, np.asarray([known.get(name, 0.5) for name in names])
    )


def test_candidate_in_the_core_of_no_set_is_withheld_however_good_it_looks() -> None:
    """`c` was run on three of four prompts, and the router would choose it on all of them."""
    pool = decide({"set": ["a", "b"]}, ["c"] * 4, [[1, 0, 1]] * 3 + [[1, 0, NAN]])

    assert pool.served == ("a", "b")
    assert pool.withheld == {"c": "run on 75 % of the prompts, and on 95 % of the prompts of no source"}
    assert pool.unjudged == 0


def test_candidates_of_two_sets_are_all_served_while_nearly_every_choice_can_be_judged() -> None:
    """Forty prompts, one choice of `d` where it was not run: 1/40 = 2.5 %."""
    left, right = [[1, 0, NAN, NAN]] * 20, [[NAN, NAN, 0, 1]] * 20
    pool = decide({"l": ["a", "b"], "r": ["c", "d"]}, ["d"] + ["a"] * 19 + ["d"] * 20, left + right)

    assert pool.served == ("a", "b", "c", "d")
    assert pool.unjudged == pytest.approx(1 / 40)


def test_strongest_candidate_of_the_large_set_is_kept_and_the_small_set_goes() -> None:
    """`a` is chosen everywhere: unjudged on the 10 of 90 prompts of the small set, which then count no longer."""
    large, small = [[1, 0, NAN, NAN]] * 80, [[NAN, NAN, 0, 1]] * 10
    pool = decide({"l": ["a", "b"], "r": ["c", "d"]}, ["a"] * 90, large + small)

    assert pool.served == ("a", "b")
    assert set(pool.withheld) == {"c", "d"}
    assert "could not be judged" in pool.withheld["c"]
    assert pool.unjudged == 0


def test_candidate_of_one_set_is_served_beside_those_of_both_where_its_choices_can_be_judged() -> None:
    """`b` and `c` were run everywhere. `a` would be chosen on all prompts, `d` only where it was run."""
    left, right = [[1, 0, 0, NAN]] * 60, [[NAN, 0, 0, 1]] * 40
    cores = {"l": ["a", "b", "c"], "r": ["b", "c", "d"]}

    assert decide(cores, ["a"] * 100, left + right).withheld.keys() == {"a"}
    assert decide(cores, ["b"] * 60 + ["d"] * 40, left + right).withheld == {}


def test_core_of_the_largest_set_is_served_where_no_two_others_are_left() -> None:
    """`b` was run everywhere; `a` and `c` are chosen where they were not run, and each alone is too much."""
    left, right = [[1, 0, NAN]] * 60, [[NAN, 0, 1]] * 40
    pool = decide({"l": ["a", "b"], "r": ["b", "c"]}, ["c"] * 60 + ["a"] * 40, left + right)

    assert pool.served == ("a", "b")
    assert pool.unjudged == pytest.approx(0.4)


def test_results_without_two_candidates_that_can_be_judged_are_refused() -> None:
    with pytest.raises(InputError, match="no two candidates were run on 95 %"):
        decide({}, ["a", "b"], [[1, NAN], [NAN, 1]])


@st.composite
def results(draw: st.DrawFn) -> tuple[dict[str, list[str]], np.ndarray, np.ndarray, np.ndarray]:
    """Draw two sets whose cores overlap or not, a router, and its validation outcomes, complete on the cores."""
    names = ["a", "b", "c", "d", "e"]
    cores = {
        name: sorted(draw(st.sets(st.sampled_from(names[:4]), min_size=2, max_size=4))) for name in ("left", "right")
    }
    sizes = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rows = [["left", "right"][i] for i, size in enumerate(sizes) for _ in range(size)]
    run_on = np.asarray([[name in cores[row] for name in names] for row in rows])
    outcomes = np.where(run_on, draw(hnp.arrays(float, run_on.shape, elements=st.sampled_from([0.0, 1.0]))), NAN)
    chances = draw(hnp.arrays(np.float32, run_on.shape, elements=st.floats(0, 1, width=32)))
    means = draw(hnp.arrays(float, len(names), elements=st.floats(0, 1)))
    return cores, chances, outcomes, means


@given(results())
def test_served_pool_keeps_its_promise_for_any_results(
    drawn: tuple[dict[str, list[str]], np.ndarray, np.ndarray, np.ndarray],
) -> None:
    cores, chances, outcomes, means = drawn
    names = ["a", "b", "c", "d", "e"]
    pool = served_pool.choose(names, cores, chances, outcomes, {}, means)

    in_a_core = {name for core in cores.values() for name in core}
    assert set(pool.served) <= in_a_core
    assert len(pool.served) >= 2
    assert set(pool.served) | pool.withheld.keys() == set(names)
    assert not set(pool.served) & pool.withheld.keys()
    assert pool.unjudged <= MAX_UNJUDGED or any(set(core) == set(pool.served) for core in cores.values())
    if cores["left"] == cores["right"]:
        assert set(pool.served) == in_a_core


@pytest.fixture
def two_sources(
    make_collection: Callable[..., Collection], texts_in: Callable[..., list[str]]
) -> Callable[[], Collection]:
    """Return a function that makes two sources with two candidates each: eight prompts train, four are held out."""

    def make() -> Collection:
        texts = [
            t for name in ("Left", "Right") for t in texts_in(splits.TRAIN, 4, name) + texts_in(splits.TEST, 4, name)
        ]
        scores = [[1, 0, NAN, NAN]] * 8 + [[NAN, NAN, 0, 1]] * 8
        return make_collection(
            scores,
            texts,
            ("a", "b", "c", "d"),
            prices=(1.0, 2.0, 4.0, 8.0),
            sources=("left", "right"),
            uris=["left/s.csv"] * 8 + ["right/s.csv"] * 8,
        )

    return make


def test_cores_are_told_by_source(two_sources: Callable[[], Collection]) -> None:
    assert prompt_sets.cores(two_sources()) == {"left": ["a", "b"], "right": ["c", "d"]}


def test_choice_of_a_candidate_that_was_not_run_counts_for_cost_and_not_for_accuracy(
    two_sources: Callable[[], Collection],
) -> None:
    """Served are all four. `d` is chosen everywhere: right on its own four prompts, unknown on the other four."""
    arena = arenas.build(two_sources(), served=("a", "b", "c", "d"))
    told = np.tile(np.float32([0.5, 0.5, 0.5, 0.9]), (8, 1))
    found = table.evaluate(arena, {"router": told, "other": told[:, ::-1]})

    assert found.unjudged == {"router": 0.5, "other": 0.5}
    assert np.isnan(found.correct["router"]).sum() == 4
    line = found.line("router")
    assert (line.accuracy.value, line.gain.value) == (1.0, 0.0)
    of_d, of_a = (float(arena.cost[0, i] * 1000) for i in (3, 0))
    assert line.cost_usd_per_1k == pytest.approx(of_d)
    assert found.line("other").cost_usd_per_1k == pytest.approx(of_a)
    assert found.metrics("router")["unjudged_choices"] == 0.5


def test_reference_lines_choose_among_served_candidates_that_were_run(two_sources: Callable[[], Collection]) -> None:
    """Without `d` the right source has one served candidate left, so its prompts judge nothing."""
    arena = arenas.build(two_sources(), served=("a", "b", "c"))

    assert {arena.candidates[i] for i in arena.best_single} == {"a"}
    assert len(arena.texts) == 4
    assert table.evaluate(arena, {"router": np.ones((4, 4), np.float32)}).line(BEST_SINGLE).accuracy.value == 1.0


def test_router_none_of_whose_choices_can_be_judged_is_named(two_sources: Callable[[], Collection]) -> None:
    arena = arenas.build(two_sources(), served=("a", "b", "c"))

    with pytest.raises(InputError, match="router chooses candidates that were run on none of its 4 prompts"):
        table.evaluate(arena, {"router": np.tile(np.float32([0, 0, 1, 0]), (4, 1))})
