"""What is computed on many prompts and candidates: on a sample of the prompts where it is fitted, else in blocks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from modelsat.aptitude import instructions as capability_instructions
from modelsat.challenger import encoded
from modelsat.data import list_columns, score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.routers.fusion import members, weights
from modelsat.text.backbone import copy_backbone, default_backbone

NAN = float("nan")


def test_few_prompts_are_all_fitted_to_and_many_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "MOST_FITTED", {splits.TRAIN: 100, splits.VALIDATION: 3})

    few, many = (splits.fitted(splits.TRAIN, size, [0, size - 1]).tolist() for size in (100, 1000))

    assert few == list(range(100))
    assert (len(many), many[0], many[-1]) == (100, 0, 999)
    assert many == sorted(set(many)) == splits.fitted(splits.TRAIN, 1000, [999, 0]).tolist()
    # The mean of 100 of 1,000 numbers is within four standard errors, 4 * 289 / 10, of that of all.
    assert np.mean(many) == pytest.approx(499.5, abs=116)


def test_sampled_prompts_keep_their_vectors_and_the_aptitude_questions_are_among_them(
    make_collection: Callable[..., Collection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    texts = [f"What is {i} plus {i}?" for i in range(120)]
    built = capability_instructions.build(make_collection(rng.integers(0, 2, (120, 2)), texts, ("ann", "bob")), 2, 4)
    whole = {split: built.part(split).ids for split in (splits.TRAIN, splits.VALIDATION, splits.TEST)}
    ids = [name for part in whole.values() for name in part]
    means = rng.normal(size=(len(ids), 3, 4)).astype(np.float32)
    (tmp_path / "states").mkdir()
    means.tofile(tmp_path / "states" / "means.f32")
    copy_backbone(default_backbone(), tmp_path / "backbone", weights=False)
    monkeypatch.setattr(splits, "MOST_FITTED", {splits.TRAIN: 20, splits.VALIDATION: 5})

    prompts = encoded.read(built, tmp_path, layers=6, max_tokens=16)

    assert [len(part.ids) for part in prompts.parts.values()] == [20, 5, len(whole[splits.TEST])]
    assert set(built.aptitude_test["prompt_id"].to_pylist()) <= set(prompts.parts[splits.TRAIN].ids)
    for split, part in prompts.parts.items():
        mine = means[[ids.index(name) for name in part.ids]]
        np.testing.assert_allclose(
            prompts.vectors[split], mine / np.linalg.norm(mine, axis=2, keepdims=True), rtol=1e-6
        )
        np.testing.assert_array_equal(part.targets, built.targets(part.ids) if split != splits.TEST else part.targets)
        assert part.texts == [texts[int(name[1:])] for name in part.ids]
    assert prompts.known().vectors.shape == (25, 3, 4)


def test_levels_and_cores_in_blocks_are_those_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    outcomes = rng.random((50, 4)).astype(np.float32)
    outcomes[rng.random(outcomes.shape) < 0.3] = NAN
    mine = np.arange(50) % 3 > 0
    at_once = score_matrix.levels(outcomes), score_matrix.core_candidates(outcomes, 0.7, mine)

    monkeypatch.setattr(score_matrix, "_AT_ONCE", 7)

    np.testing.assert_allclose(score_matrix.levels(outcomes), at_once[0], rtol=1e-12)
    assert score_matrix.core_candidates(outcomes, 0.7, mine).tolist() == at_once[1].tolist()
    assert at_once[1].tolist() == ((~np.isnan(outcomes[mine])).mean(axis=0) >= 0.7).tolist()


def test_mixing_in_blocks_is_that_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    said = rng.random((4, 30, 3)).astype(np.float32)
    said[1, 4:9] = NAN
    truth = rng.integers(0, 2, (30, 3)).astype(np.float64)
    mixed, found = members.mixed(said, np.full(4, 0.25)), weights.fitted(said[[0, 2]], truth, (0.5, 0.5))

    monkeypatch.setattr(members, "_AT_ONCE", 7)
    monkeypatch.setattr(weights, "_AT_ONCE", 7)

    np.testing.assert_array_equal(members.mixed(said, np.full(4, 0.25)), mixed)
    np.testing.assert_allclose(weights.fitted(said[[0, 2]], truth, (0.5, 0.5)), found, rtol=1e-9)
    # Where a member cannot speak, the first one does: (0 + 0 + 2 + 3) / 4 of its like.
    np.testing.assert_allclose(mixed[5, 0], (2 * said[0, 5, 0] + said[2, 5, 0] + said[3, 5, 0]) / 4, rtol=1e-6)


def test_column_of_lists_is_a_matrix_of_the_rows_that_it_has() -> None:
    column = pa.chunked_array([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]], pa.list_(pa.float32()))

    assert list_columns.matrix(column, 2).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert list_columns.matrix(column.filter(pa.chunked_array([[False, True, True]])), 2).tolist() == [[3, 4], [5, 6]]
    assert list_columns.matrix(column.slice(3), 2).shape == (0, 2)
