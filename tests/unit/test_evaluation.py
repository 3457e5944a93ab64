"""The table of routers and reference lines on the golden data: three candidates, worked by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.data import splits
from modelsat.data.collection import Collection
from modelsat.evaluation import arena as arenas
from modelsat.evaluation import table
from modelsat.evaluation.arena import Arena
from modelsat.evaluation.scoring import ChoiceTerms
from modelsat.evaluation.table import BEST_SINGLE, ORACLE, PER_CATEGORY, RANDOM, Evaluation

NAN = float("nan")
PERFECT = np.array([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5], [0.1, 0.9, 0.5], [0.1, 0.9, 0.5]], dtype=np.float32)
ADDER = (10 * 1.0 + 200 * 1.0) / 1e6 * 1000
"""USD per 1,000 prompts at `adder`: ten tokens in, 200 out, one dollar per million."""


@pytest.fixture(scope="module")
def arena(golden: Collection) -> Arena:
    return arenas.build(golden)


@pytest.fixture(scope="module")
def result(arena: Arena) -> Evaluation:
    return table.evaluate(arena, {"perfect": PERFECT, "wrong": 1 - PERFECT})


@pytest.mark.parametrize(
    ("line", "accuracy"),
    [("perfect", 1.0), ("wrong", 0.0), (BEST_SINGLE, 0.5), (PER_CATEGORY, 1.0), (ORACLE, 1.0), (RANDOM, 0.5)],
)
def test_accuracy_of_every_line(result: Evaluation, line: str, accuracy: float) -> None:
    assert result.line(line).accuracy.value == pytest.approx(accuracy)


def test_random_is_the_mean_over_the_pool_of_each_prompt(result: Evaluation) -> None:
    np.testing.assert_allclose(result.correct[RANDOM], [2 / 3, 1 / 3, 2 / 3, 1 / 3])


@pytest.mark.parametrize(("line", "gain"), [("perfect", 0.5), ("wrong", -0.5), (BEST_SINGLE, 0.0), (RANDOM, 0.0)])
def test_gain_is_over_best_single(result: Evaluation, line: str, gain: float) -> None:
    assert result.line(line).gain.value == pytest.approx(gain)


def test_gain_of_best_single_over_itself_has_no_width(result: Evaluation) -> None:
    gain = result.line(BEST_SINGLE).gain

    assert (gain.low, gain.high) == (0.0, 0.0)


def test_interval_of_a_router_that_is_always_right_has_no_width(result: Evaluation) -> None:
    accuracy = result.line("perfect").accuracy

    assert (accuracy.low, accuracy.high) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize(
    ("line", "usd"),
    [
        (BEST_SINGLE, 10 * ADDER),
        ("perfect", (ADDER + 10 * ADDER) / 2),
        ("wrong", (10 * ADDER + ADDER) / 2),
        (RANDOM, (1 + 10 + 10) / 3 * ADDER),
    ],
)
def test_unpriced_candidate_counts_as_the_dearest(result: Evaluation, line: str, usd: float) -> None:
    assert result.line(line).cost_usd_per_1k == pytest.approx(usd)


def test_oracle_has_no_cost(result: Evaluation) -> None:
    assert result.line(ORACLE).cost_usd_per_1k is None


def test_routers_stand_before_references(result: Evaluation) -> None:
    assert [line.is_reference for line in result.lines] == [False, False, True, True, True, True]


def test_choices_are_columns(result: Evaluation) -> None:
    assert result.choices["perfect"].tolist() == [0, 0, 1, 1]
    assert result.choices["wrong"].tolist() == [1, 1, 0, 0]


def test_area_under_the_curve_by_hand(result: Evaluation) -> None:
    pairs_won = 4 * 6 + 2 * (4 + 2 / 2)

    assert result.auc["perfect"] == pytest.approx(pairs_won / 36)


def test_calibration_error_by_hand(result: Evaluation) -> None:
    assert result.ece["perfect"] == pytest.approx((8 * 0.1 + 4 * 0.0) / 12)


def test_sizes_are_counted(result: Evaluation) -> None:
    assert (result.prompts, result.pool, result.sets) == (4, 3, {"source": 4})


def test_metrics_carry_the_names_that_the_registry_shows(result: Evaluation) -> None:
    metrics = result.metrics("perfect")

    assert metrics["routing_accuracy"] == 1.0
    assert metrics["best_single_accuracy"] == 0.5
    assert metrics["random_accuracy"] == pytest.approx(0.5)
    assert metrics["gain_over_best_single"] == pytest.approx(0.5)
    assert metrics["oracle_gap_closed"] == pytest.approx(1.0)
    assert metrics["cost_usd_per_1k_queries"] == pytest.approx(5.5 * ADDER)
    assert metrics["prompts"] == 4.0


def test_gap_that_the_oracle_leaves_closed_counts_as_zero(
    make_collection: Callable[..., Collection], texts_in: Callable[..., list[str]]
) -> None:
    texts = texts_in(splits.TRAIN, 4, "Prompt") + texts_in(splits.TEST, 4, "Prompt")
    arena = arenas.build(make_collection([[1, 0]] * 8, texts, ("a", "b")))

    result = table.evaluate(arena, {"router": np.tile([0.9, 0.1], (4, 1))})

    assert result.metrics("router")["oracle_gap_closed"] == 0.0


def test_without_any_price_there_are_no_costs(
    make_collection: Callable[..., Collection], texts_in: Callable[..., list[str]]
) -> None:
    texts = texts_in(splits.TRAIN, 4, "Prompt") + texts_in(splits.TEST, 4, "Prompt")
    arena = arenas.build(make_collection([[1, 0]] * 8, texts, ("a", "b")))

    result = table.evaluate(arena, {"router": np.tile([0.9, 0.1], (4, 1))})

    assert result.cost == {}
    assert {line.cost_usd_per_1k for line in result.lines} == {None}
    assert "cost_usd_per_1k_queries" not in result.metrics("router")


def test_uncertainty_margin_decides_choices_and_not_how_calibrated_a_router_is(
    make_collection: Callable[..., Collection], texts_in: Callable[..., list[str]]
) -> None:
    texts = texts_in(splits.TRAIN, 4, "Prompt") + texts_in(splits.TEST, 4, "Prompt")
    arena = arenas.build(make_collection([[1, 1]] * 8, texts, ("old", "newcomer")))
    told = {"router": np.tile([0.8, 0.9], (4, 1))}

    terms = ChoiceTerms(arena.pool, np.zeros(2), np.array([0.0, 0.2], dtype=np.float32))
    result = table.evaluate(arena, told, terms={"router": terms})

    assert result.choices["router"].tolist() == [0, 0, 0, 0]
    assert table.evaluate(arena, told).choices["router"].tolist() == [1, 1, 1, 1]
    assert result.ece["router"] == pytest.approx(0.15)


def test_candidate_outside_the_pool_is_neither_chosen_nor_the_oracle(
    make_collection: Callable[..., Collection], texts_in: Callable[..., list[str]]
) -> None:
    texts = texts_in(splits.TRAIN, 16, "Prompt") + texts_in(splits.TEST, 4, "Prompt")
    scores = [[1, 0, NAN]] * 16 + [[0, 0, 1]] * 4
    arena = arenas.build(make_collection(scores, texts, ("a", "b", "rare"), prices=(1.0, 1.0, 99.0)))

    result = table.evaluate(arena, {"router": np.tile([0.5, 0.4, 0.9], (4, 1))})

    assert result.choices["router"].tolist() == [0, 0, 0, 0]
    assert result.line(ORACLE).accuracy.value == 0.0
    assert result.line(RANDOM).cost_usd_per_1k == pytest.approx(ADDER)


def test_tie_goes_to_the_better_mean_on_training_prompts(arena: Arena) -> None:
    result = table.evaluate(arena, {"undecided": np.full((4, 3), 0.5)})

    assert result.choices["undecided"].tolist() == arena.best_single.tolist()
    assert result.line("undecided").gain.value == 0.0


def test_same_seed_gives_the_same_table(arena: Arena) -> None:
    one, same = (table.evaluate(arena, {"perfect": PERFECT}, seed=7) for _ in range(2))

    assert one.lines == same.lines


@settings(max_examples=15)
@given(hnp.arrays(np.float32, (4, 3), elements=st.floats(0, 1, width=32)))
def test_no_router_is_better_than_the_oracle(arena: Arena, predictions: np.ndarray) -> None:
    result = table.evaluate(arena, {"router": predictions})

    accuracy = result.line("router").accuracy
    assert accuracy.value <= result.line(ORACLE).accuracy.value
    assert accuracy.low - 1e-9 <= accuracy.value <= accuracy.high + 1e-9
    assert result.correct["router"].mean() == pytest.approx(accuracy.value)


@settings(max_examples=15)
@given(hnp.arrays(np.float32, (4, 3), elements=st.sampled_from([0.0, 0.3, 0.6, 1.0])), st.permutations(range(3)))
def test_order_of_candidates_never_changes_the_lines(
    golden: Collection, predictions: np.ndarray, order: list[int]
) -> None:
    distinct = predictions + np.array([[0.01, 0.02, 0.03]])
    one = table.evaluate(arenas.build(golden), {"router": distinct})
    shuffled = arenas.build(Collection(**{**vars(golden), "candidates": golden.candidates.take(order)}))

    other = table.evaluate(shuffled, {"router": distinct[:, order]})

    for a, b in zip(one.lines, other.lines, strict=True):
        assert a.accuracy.value == pytest.approx(b.accuracy.value)
        assert a.cost_usd_per_1k == pytest.approx(b.cost_usd_per_1k) or a.name == ORACLE
