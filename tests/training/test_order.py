"""Every prompt once per epoch, in an order that depends on the seed alone, so that any rank can go on anywhere."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import finetune, order
from training.loop import OptimiserStep
from training.recipe import Recipe

SIZES = st.tuples(st.integers(1, 300), st.integers(1, 40))
SEEDS = st.integers(0, 2**31 - 1)


def lengths_of(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 200, n)


@pytest.mark.parametrize("by_length", [False, True])
@given(sizes=SIZES, seed=SEEDS, ranks=st.integers(1, 5), accumulation=st.integers(1, 3))
def test_each_prompt_is_seen_once_per_epoch_by_one_rank(
    by_length: bool, sizes: tuple[int, int], seed: int, ranks: int, accumulation: int
) -> None:
    n, size = sizes

    batches = order.batches(n, size, seed, 1, 0, lengths_of(n, seed) if by_length else None)
    shares = np.concatenate(
        [part for batch in batches for rank in range(ranks) for part in order.shares(batch, rank, ranks, accumulation)]
    )

    assert len(batches) == ceil(n / size)
    assert max(map(len, batches)) <= size
    assert sorted(shares[shares >= 0]) == list(range(n))


@given(n=st.integers(1, 50), ranks=st.integers(1, 8), accumulation=st.integers(1, 4))
def test_shares_of_a_batch_have_one_size_and_differ_by_one_filler_at_most(
    n: int, ranks: int, accumulation: int
) -> None:
    shares = [share for rank in range(ranks) for share in order.shares(np.arange(n), rank, ranks, accumulation)]

    assert {len(share) for share in shares} == {ceil(n / ranks / accumulation)}
    fillers = [int((share < 0).sum()) for share in shares]
    assert max(fillers) - min(fillers) <= 1


def test_share_by_hand() -> None:
    shares = [[part.tolist() for part in order.shares(np.array([7, 3, 9, 1]), rank, 3)] for rank in range(3)]

    assert shares == [[[7, 1]], [[3, -1]], [[9, -1]]]


def test_micro_batches_by_hand() -> None:
    shares = [[part.tolist() for part in order.shares(np.array([7, 3, 9, 1, 5]), rank, 2, 2)] for rank in range(2)]

    assert shares == [[[7, 5], [9, -1]], [[3, -1], [1, -1]]]


@given(sizes=SIZES, seed=SEEDS)
def test_one_seed_gives_one_order(sizes: tuple[int, int], seed: int) -> None:
    first, second = (order.batches(*sizes, seed, 2, 3, lengths_of(sizes[0], 0)) for _ in range(2))

    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in second]


@pytest.mark.parametrize("other", [(1, 1, 0), (0, 2, 0), (0, 1, 1)], ids=["seed", "stage", "epoch"])
def test_another_seed_stage_or_epoch_gives_another_order(other: tuple[int, int, int]) -> None:
    first, second = (np.concatenate(order.batches(100, 8, *key)).tolist() for key in ((0, 1, 0), other))

    assert first != second


def test_batches_by_length_pad_little() -> None:
    lengths = lengths_of(1024, 0)

    def padding(batches: list[np.ndarray]) -> int:
        return sum(int((lengths[batch].max() - lengths[batch]).sum()) for batch in batches)

    assert padding(order.batches(1024, 16, 0, 2, 0, lengths)) < 0.2 * padding(order.batches(1024, 16, 0, 2, 0))


def test_batches_by_length_come_in_no_order_of_length() -> None:
    lengths = lengths_of(512, 0)

    means = [lengths[batch].mean() for batch in order.batches(512, 16, 0, 2, 0, lengths)]

    assert sorted(means) not in (means, means[::-1])


def test_rate_by_hand() -> None:
    rates = [order.rate(step, 10, 0.2) for step in range(10)]

    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[6] == pytest.approx(0.5)
    assert rates[4] == pytest.approx((2 + 2**0.5) / 4)


@given(steps=st.integers(1, 500), warm_up=st.floats(0, 0.99))
def test_rate_rises_then_falls_and_stays_above_nothing(steps: int, warm_up: float) -> None:
    rates = np.asarray([order.rate(step, steps, warm_up) for step in range(steps)])

    top = int(rates.argmax())
    assert rates[top] == 1
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) <= 0).all()
    assert rates.min() > 0


RECIPE = Recipe(connector_steps=7, connector_batch=8, epochs=2, batch=4, dropout=0)


def plan(n: int, settings: Recipe) -> list[OptimiserStep]:
    return list(finetune.plan(n, lengths_of(n, 0), settings))


def test_plan_goes_through_stage_one_by_steps_and_stage_two_by_epochs() -> None:
    steps = plan(18, RECIPE)

    assert [step.number for step in steps] == list(range(17))
    assert [step.stage for step in steps] == [1] * 7 + [2] * 10
    assert [len(step.rows) for step in steps[:7]] == [8, 8, 2, 8, 8, 2, 8]
    for epoch in (steps[0:3], steps[3:6], steps[7:12], steps[12:17]):
        assert sorted(np.concatenate([step.rows for step in epoch])) == list(range(18))


def test_plan_rests_the_adapters_in_stage_one_and_peaks_at_the_recipe_s_rates() -> None:
    steps = plan(18, RECIPE)

    assert {step.rates[1] for step in steps if step.stage == 1} == {0.0}
    assert max(step.rates[0] for step in steps if step.stage == 1) == RECIPE.connector_learning_rate
    peaks = [max(step.rates[i] for step in steps if step.stage == 2) for i in (0, 1)]
    assert peaks == [RECIPE.head_learning_rate, RECIPE.learning_rate]


@given(n=st.integers(1, 60), done=st.integers(0, 40), seed=st.integers(0, 9))
def test_plan_resumed_in_the_middle_is_the_rest_of_the_plan(n: int, done: int, seed: int) -> None:
    settings = RECIPE.model_copy(update={"seed": seed})

    seen, rest = plan(n, settings)[:done], plan(n, settings)[done:]

    rows = np.concatenate([step.rows for step in seen + rest if step.stage == 2])
    assert [step.number for step in seen + rest] == list(range(7 + 2 * ceil(n / 4)))
    assert np.bincount(rows, minlength=n).tolist() == [2] * n


@pytest.mark.parametrize(("epochs", "steps"), [(0, 0), (0.5, 2), (1, 5), (1.25, 6)])
def test_part_of_an_epoch_is_part_of_its_steps(epochs: float, steps: int) -> None:
    planned = plan(18, RECIPE.model_copy(update={"epochs": epochs, "connector_steps": 0}))

    assert len(planned) == steps
