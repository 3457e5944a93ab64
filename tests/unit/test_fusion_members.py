"""What stands beside the outcome surface, in a router on a tiny random encoder."""

import json
from pathlib import Path

import numpy as np
import pytest

from modelsat.challenger import member_table
from modelsat.routers.fusion import members
from modelsat.routers.fusion.router import Fusion
from modelsat.routers.fusion.surface_router import Anchors
from modelsat.routers.profile import Profile
from modelsat.text import words
from modelsat.text.encoder import Encoder

NAN = float("nan")
TEXTS = [f"What is {i} + {7 * i}?" for i in range(60)] + [f"Which word rhymes with river {i}?" for i in range(60)]
IS_SUM = np.arange(120) < 60
KINDS = np.where(IS_SUM, "sums", "words")
SCORES = np.column_stack([IS_SUM, ~IS_SUM, np.arange(120) % 3 == 0]).astype(float)
UNSEEN = ["What is 80 + 90?", "Which word rhymes with mountain?", "Name a river."]
NAMES = ("adder", "speller", "allround")
WEIGHTS = np.array([0.4, 0.3, 0.2, 0.1])


def read(encoder: Encoder) -> tuple[np.ndarray, np.ndarray, words.Words]:
    """Return the vectors of `TEXTS`, those of their words, and what reads words."""
    vectors, tokens = encoder.read(TEXTS)
    learned = words.learn(tokens)
    assert learned is not None
    return vectors, learned(tokens), learned


@pytest.fixture(scope="module")
def router(tiny_backbone: Path) -> Fusion:
    """`adder` solves sums and no word, `speller` the other way round, `allround` every third prompt."""
    encoder = Encoder(tiny_backbone, max_tokens=32, layers=(1, 2))
    vectors, worded, learned = read(encoder)
    found, beside = members.fit(vectors, worded, SCORES, KINDS, WEIGHTS, learned)
    asked = [0, 1, 2, 60, 61, 62]
    anchors = Anchors(vectors[asked], SCORES[asked].astype(np.float32))
    return Fusion(NAMES, encoder, found, anchors, beside=beside)


def test_members_add_up_to_what_the_router_says(router: Fusion) -> None:
    said = router.members(UNSEEN)

    assert [one.name for one in said] == ["fusion", "task classifier", "words", "levels"]
    together = sum(one.weight * one.success_probability for one in said)
    np.testing.assert_allclose(together, router.success_probability(UNSEEN), atol=1e-6)


def test_each_member_says_what_it_is_named_for(router: Fusion) -> None:
    fused, by_kind, spoken, levels = (one.success_probability for one in router.members(UNSEEN[:2]))

    alone = Fusion(NAMES, router.encoder, router.surface, router.anchors)
    np.testing.assert_array_equal(fused, alone.success_probability(UNSEEN[:2]))
    # 60 sums, 5 prompts' worth of the level of a half: (60 + 2.5) / 65 and 2.5 / 65.
    np.testing.assert_allclose(router.beside.by_kind[0, :2], [62.5 / 65, 2.5 / 65], atol=1e-6)
    for said in (by_kind, spoken):
        assert [NAMES[i] for i in said.argmax(axis=1)] == ["adder", "speller"]
    np.testing.assert_allclose(levels, [SCORES.mean(axis=0)] * 2, atol=1e-6)


def test_reading_once_gives_the_same_as_scoring(router: Fusion) -> None:
    np.testing.assert_array_equal(router.read(UNSEEN).success_probability, router.success_probability(UNSEEN))


def test_router_that_was_saved_says_the_same(router: Fusion, tmp_path: Path) -> None:
    settings = json.loads(json.dumps(router.save(tmp_path)))

    back = Fusion.load(tmp_path, NAMES, settings)

    np.testing.assert_array_equal(back.success_probability(UNSEEN), router.success_probability(UNSEEN))
    assert [one.weight for one in back.members(UNSEEN)] == pytest.approx(WEIGHTS)


def test_member_without_weight_is_neither_kept_nor_shown(router: Fusion, tmp_path: Path) -> None:
    vectors, worded, learned = read(router.encoder)
    found, beside = members.fit(vectors, worded, SCORES, KINDS, np.array([0.5, 0.5, 0.0, 0.0]), learned)

    lighter = Fusion(NAMES, router.encoder, found, router.anchors, beside=beside)

    assert beside.words is None
    assert [one.name for one in lighter.members(UNSEEN)] == ["fusion", "task classifier"]
    assert "spoken" not in lighter.save(tmp_path)


def test_newcomer_is_placed_on_the_surface_alone(router: Fusion) -> None:
    came = Profile(("new",), np.zeros((1, 2), np.float32), np.array([0.5]), np.array([[1.0], [1], [0], [0], [0], [1]]))
    alone = Fusion(NAMES, router.encoder, router.surface, router.anchors)

    admitted = router.admit(came)

    told = admitted.success_probability(UNSEEN)
    np.testing.assert_allclose(told[:, 3], alone.admit(came).success_probability(UNSEEN)[:, 3], atol=1e-6)
    np.testing.assert_allclose(told[:, :3], router.success_probability(UNSEEN), atol=1e-6)
    assert np.isnan(admitted.members(UNSEEN)[2].success_probability[:, 3]).all()


def test_what_costs_is_forgotten_and_the_members_stay(router: Fusion) -> None:
    assert router.forgetting_cost(1).beside is router.beside


def test_every_prompt_is_predicted_by_members_that_never_saw_its_question(router: Fusion) -> None:
    vectors, worded, _ = read(router.encoder)
    # One question in 24 copies which all candidates solve, as they solve nothing else: only copies could tell.
    groups = ["same"] * 24 + [f"other {i}" for i in range(96)]
    lucky = np.where(np.arange(120)[:, None] < 24, 1.0, np.zeros((1, 3)))

    said = members.cross_fitted(vectors, worded, lucky, KINDS, groups)

    np.testing.assert_allclose(said[3, :24], 0, atol=1e-6)
    assert said[0, :24].max() <= 0.011


def test_weights_come_from_what_members_said_of_prompts_they_never_saw(router: Fusion) -> None:
    vectors, worded, _ = read(router.encoder)
    said = members.cross_fitted(vectors, worded, SCORES, KINDS, [str(i) for i in range(120)])

    weights = members.weigh(said, SCORES)
    rows = member_table.of(members.NAMES, said, weights, SCORES)

    assert weights.sum() == pytest.approx(1)
    assert [row["name"] for row in rows] == list(members.NAMES)
    assert rows[3]["accuracy"] == pytest.approx(0.5, abs=0.05)
    assert min(row["accuracy"] for row in rows[:3]) > 0.95


def test_member_table_by_hand() -> None:
    said = np.array([[[0.8, 0.5], [0.2, 0.5]]])
    truth = np.array([[1.0, 0.0], [NAN, 1.0]])

    (row,) = member_table.of(["one"], said, np.array([1.0]), truth)

    # Chosen are the first candidate, and the only one that was run.
    assert row["accuracy"] == 1.0
    assert row["log_loss"] == pytest.approx(-(np.log(0.8) + np.log(0.5) + np.log(0.5)) / 3)
    assert row["prompts"] == 2


def test_network_takes_its_weight_from_all_others() -> None:
    said, truth = np.array([[[0.8, 0.5]]]), np.array([[1.0, 0.0]])
    rows = member_table.of(["one", "two"], np.repeat(said, 2, axis=0), np.array([0.75, 0.25]), truth)

    weights = [row["weight"] for row in member_table.with_model_sat(rows, 0.2, said[0], truth)]

    assert weights == pytest.approx([0.6, 0.2, 0.2])


def test_older_bundle_has_nothing_beside_the_surface(router: Fusion, tmp_path: Path) -> None:
    alone = Fusion(NAMES, router.encoder, router.surface, router.anchors)

    back = Fusion.load(tmp_path, NAMES, json.loads(json.dumps(alone.save(tmp_path))))

    assert back.beside is None
    assert [(one.name, one.weight) for one in back.members(UNSEEN)] == [("fusion", 1.0)]
