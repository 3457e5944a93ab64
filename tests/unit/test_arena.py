"""The arena: held-out prompts, who may be chosen there, and what is known beforehand; worked by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsat.data import contracts, splits
from modelsat.data.collection import Collection, collect
from modelsat.errors import InputError
from modelsat.evaluation import arena

NAN = float("nan")
MakeCollection = Callable[..., Collection]
TextsIn = Callable[[str, int, str], list[str]]


@pytest.fixture(scope="module")
def two_sources(make_collection: MakeCollection, texts_in: TextsIn) -> Collection:
    """Source `left` ran candidates a and b, source `right` b and c; four training prompts and one test prompt each."""
    left = texts_in(splits.TRAIN, 4, "Left") + texts_in(splits.TEST, 1, "Left")
    right = texts_in(splits.TRAIN, 4, "Right") + texts_in(splits.TEST, 1, "Right")
    return make_collection(
        [[1, 0, NAN]] * 4 + [[0, 1, NAN]] + [[NAN, 0, 1]] * 4 + [[NAN, 1, 0]],
        left + right,
        ("a", "b", "c"),
        sources=("left", "right"),
        uris=["left/scores.csv"] * 5 + ["right/scores.csv"] * 5,
    )


def one_source(make: MakeCollection, texts_in: TextsIn, missing: int) -> Collection:
    """20 prompts, the first ones not run by candidate c; the last four are test prompts."""
    scores = np.ones((20, 3))
    scores[:missing, 2] = NAN
    return make(scores, texts_in(splits.TRAIN, 16, "Prompt") + texts_in(splits.TEST, 4, "Prompt"), ("a", "b", "c"))


def test_prompts_are_those_of_the_split_in_the_order_of_the_collection(golden: Collection) -> None:
    held_out = arena.build(golden)

    assert held_out.prompt_ids == ["p0000", "p0001", "p0002", "p0003"]
    assert held_out.candidates == ("adder", "speller", "allround")
    assert held_out.labels.tolist() == ["sums/sums", "sums/sums", "words/words", "words/words"]
    np.testing.assert_array_equal(held_out.truth, [[1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 1, 0]])
    assert held_out.texts == golden.prompts["prompt"].to_pylist()[:4]


def test_other_split_holds_the_other_prompts(golden: Collection) -> None:
    assert arena.build(golden, splits.TRAIN).prompt_ids == [f"p{i:04d}" for i in range(4, 12)]


def test_prior_is_the_mean_over_training_prompts(golden: Collection) -> None:
    np.testing.assert_allclose(arena.build(golden).prior, np.tile([4 / 8, 4 / 8, 5 / 8], (4, 1)))


def test_prior_of_a_label_is_shrunk_to_that_of_the_set(golden: Collection) -> None:
    sums = [(4 + 5 * 0.5) / 9, (0 + 5 * 0.5) / 9, (3 + 5 * 0.625) / 9]
    words = [(0 + 5 * 0.5) / 9, (4 + 5 * 0.5) / 9, (2 + 5 * 0.625) / 9]

    np.testing.assert_allclose(arena.build(golden).label_prior, [sums, sums, words, words])


def test_best_single_is_the_best_on_training_prompts(golden: Collection) -> None:
    assert arena.build(golden).best_single.tolist() == [2, 2, 2, 2]


def test_costs_are_those_of_the_prompts(golden: Collection) -> None:
    cost = arena.build(golden).cost

    adder = (10 * 1.0 + 200 * 1.0) / 1e6
    np.testing.assert_allclose(cost, np.tile([adder, NAN, 10 * adder], (4, 1)))


def test_held_out_results_never_change_what_is_known_beforehand(
    make_collection: MakeCollection, texts_in: TextsIn
) -> None:
    texts = texts_in(splits.TRAIN, 8, "Prompt") + texts_in(splits.TEST, 4, "Prompt")
    train = [[1, 0]] * 8

    one, other = (arena.build(make_collection(train + [test] * 4, texts, ("a", "b"))) for test in ([1, 0], [0, 1]))

    np.testing.assert_array_equal(one.prior, other.prior)
    np.testing.assert_array_equal(one.label_prior, other.label_prior)
    np.testing.assert_array_equal(one.best_single, other.best_single)


@pytest.mark.parametrize(("missing", "in_pool"), [(0, True), (1, True), (2, False)])
def test_pool_holds_who_was_run_on_95_percent(
    make_collection: MakeCollection, texts_in: TextsIn, missing: int, in_pool: bool
) -> None:
    held_out = arena.build(one_source(make_collection, texts_in, missing))

    assert held_out.pool.tolist() == [[True, True, in_pool]] * 4


def test_prompt_that_one_of_the_pool_skipped_does_not_count(make_collection: MakeCollection, texts_in: TextsIn) -> None:
    collection = one_source(make_collection, texts_in, missing=0)
    ids, names = collection.scores["prompt_id"].to_pylist(), collection.scores["candidate"].to_pylist()
    left = [key != ("p0019", "c") for key in zip(ids, names, strict=True)]

    held_out = arena.build(replace(collection, scores=collection.scores.filter(left)))

    assert held_out.prompt_ids == ["p0016", "p0017", "p0018"]
    assert held_out.pool.all()


def test_candidate_outside_the_pool_keeps_its_outcomes(make_collection: MakeCollection, texts_in: TextsIn) -> None:
    held_out = arena.build(one_source(make_collection, texts_in, missing=5))

    assert not held_out.pool[:, 2].any()
    assert (held_out.truth[:, 2] == 1).all()
    assert np.isnan(held_out.prior[:, 2]).all()


def test_every_source_has_its_own_pool(two_sources: Collection) -> None:
    held_out = arena.build(two_sources)

    assert held_out.sets.tolist() == ["left", "right"]
    assert held_out.pool.tolist() == [[True, True, False], [False, True, True]]
    assert held_out.best_single.tolist() == [0, 2]


def test_source_inside_another_is_a_set_of_its_own(two_sources: Collection) -> None:
    uris = ["data/scores.csv"] * 5 + ["data/more/scores.csv"] * 5
    where = dict(zip(two_sources.prompts["prompt_id"].to_pylist(), uris, strict=True))
    column = [where[prompt_id] for prompt_id in two_sources.scores["prompt_id"].to_pylist()]
    scores = two_sources.scores.set_column(
        two_sources.scores.column_names.index("source_uri"), two_sources.scores.schema.field("source_uri"), [column]
    )

    held_out = arena.build(replace(two_sources, scores=scores, sources=("data", "data/more")))

    assert held_out.sets.tolist() == ["data", "data/more"]


def test_patchy_source_is_split_by_benchmark(make_collection: MakeCollection, texts_in: TextsIn) -> None:
    texts = [*texts_in(splits.TRAIN, 4, "Left"), *texts_in(splits.TEST, 1, "Left")]
    texts += [*texts_in(splits.TRAIN, 4, "Right"), *texts_in(splits.TEST, 1, "Right")]
    scores = [[1, 0, NAN, NAN]] * 5 + [[NAN, NAN, 1, 0]] * 5
    collection = make_collection(scores, texts, ("a", "b", "c", "d"), ["l"] * 5 + ["r"] * 5)

    held_out = arena.build(collection)

    assert held_out.sets.tolist() == ["source:l", "source:r"]
    assert held_out.pool.tolist() == [[True, True, False, False], [False, False, True, True]]


def test_prompts_without_scores_are_left_out(golden: Collection) -> None:
    left = np.asarray(golden.scores["prompt_id"].to_pylist()) != "p0001"

    assert arena.build(replace(golden, scores=golden.scores.filter(left))).prompt_ids == ["p0000", "p0002", "p0003"]


@pytest.mark.parametrize("scores", [[[1], [1]], [[1, NAN], [NAN, 1]]], ids=["one candidate", "no overlap"])
def test_prompts_on_which_nobody_can_be_compared_are_refused(
    make_collection: MakeCollection, texts_in: TextsIn, scores: list[list[float]]
) -> None:
    texts = texts_in(splits.TRAIN, 1, "Prompt") + texts_in(splits.TEST, 1, "Prompt")

    with pytest.raises(InputError, match="no test prompt was answered by at least two candidates"):
        arena.build(make_collection(scores, texts, ("a", "b")[: len(scores[0])]))


def test_results_without_a_score_are_refused(golden: Collection) -> None:
    with pytest.raises(InputError, match="no test prompt was answered"):
        arena.build(replace(golden, scores=golden.scores.slice(0, 0)))


def test_order_of_sources_never_decides_the_pools(two_sources: Collection) -> None:
    also_left = two_sources.scores.slice(0, 10).to_pylist()
    shared = [row | {"source_uri": "right/scores.csv", "candidate": "c"} for row in also_left]
    scores = contracts.from_rows([*two_sources.scores.to_pylist(), *shared], contracts.SCORES)
    both = replace(two_sources, scores=scores)

    one, other = arena.build(both), arena.build(replace(both, sources=("right", "left")))

    assert one.sets.tolist() == other.sets.tolist()
    assert one.pool.tolist() == other.pool.tolist()


def test_split_without_prompts_is_refused(golden: Collection) -> None:
    with pytest.raises(InputError, match="no validation prompt was answered"):
        arena.build(golden, splits.VALIDATION)


@settings(max_examples=20)
@given(st.permutations(range(12)))
def test_order_of_prompts_only_orders_the_arena(golden: Collection, order: list[int]) -> None:
    one, other = arena.build(golden), arena.build(replace(golden, prompts=golden.prompts.take(order)))

    place = [other.prompt_ids.index(prompt_id) for prompt_id in one.prompt_ids]
    for name in ("truth", "pool", "prior", "label_prior", "cost", "sets", "labels"):
        np.testing.assert_array_equal(getattr(other, name)[place], getattr(one, name))


def test_source_given_as_a_relative_path_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts_in: TextsIn
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("left", "right"):
        texts = texts_in(splits.TRAIN, 8, name) + texts_in(splits.TEST, 2, name)
        Path(name).mkdir()
        Path(name, "scores.csv").write_text(
            f"prompt_id,{name}-a,{name}-b\n" + "".join(f"{name}{i},1,0\n" for i in range(10))
        )
        Path(name, "prompts.csv").write_text(
            "prompt_id,benchmark,prompt\n" + "".join(f"{name}{i},b,{text}\n" for i, text in enumerate(texts))
        )

    held_out = arena.build(collect(["./left", "./right"]))

    assert len(set(held_out.sets)) == 2


@pytest.mark.real_data
def test_best_single_and_oracle_of_real_results_are_those_of_their_readme(
    collect_real: Callable[[str], Collection],
) -> None:
    collection = collect_real("ci_mini")

    parts = [arena.build(collection, split) for split in (splits.TRAIN, splits.VALIDATION, splits.TEST)]

    truth = np.concatenate([part.truth for part in parts])
    assert len(truth) == 600
    assert truth.mean(axis=0).max() == pytest.approx(0.8717, abs=5e-5)
    assert truth.max(axis=1).mean() == pytest.approx(0.9450, abs=5e-5)
