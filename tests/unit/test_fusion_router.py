"""The fusion router on a tiny random encoder: what it keeps, and how newcomers enter by their answers."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from modelsat.bundle import bundle
from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError
from modelsat.policy.costs import tokens_in
from modelsat.routers.fusion import cost_head, newcomer, surface
from modelsat.routers.fusion.newcomer import NewcomerAnswers
from modelsat.routers.fusion.router import Fusion
from modelsat.routers.fusion.surface_router import Anchors
from modelsat.routers.profile import Profile
from modelsat.routers.selection import Selection
from modelsat.text.encoder import Encoder

NAN = float("nan")
SUMS = [f"What is {i} + {7 * i}?" for i in range(60)]
WORDS = [f"Which word rhymes with {word}{i}?" for i in range(20) for word in ("harbour", "orange", "river")]
TRAINED = [*SUMS, *WORDS]
ASKED = [0, 1, 2, 60, 61, 62]
"""Which of the trained prompts are aptitude questions."""
UNSEEN = ["What is 80 + 90?", "Which word rhymes with mountain?", "Name a river."]
OTHERS = [f"What is {i} * 3, and which word rhymes with it?" for i in range(4)]
NAMES = ("adder", "speller", "allround")


@pytest.fixture(scope="module")
def router(tiny_backbone: Path) -> Fusion:
    """`adder` solves sums and no word, `speller` the other way round, `allround` every third prompt."""
    encoder = Encoder(tiny_backbone, max_tokens=32, layers=(1, 2))
    vectors = encoder.encode(TRAINED)
    is_sum = np.arange(120) < 60
    scores = np.column_stack([is_sum, ~is_sum, np.arange(120) % 3 == 0]).astype(float)
    found = surface.fit(vectors, scores, np.where(is_sum, "sums", "words"))
    return Fusion(NAMES, encoder, found, Anchors(vectors[ASKED], scores[ASKED].astype(np.float32)))


def profile(answers: object, scores: object = None, names: tuple[str, ...] = ("new",)) -> Profile:
    """Return what newcomers answered on the aptitude test (questions, c) and on `OTHERS` (questions, c)."""
    c = len(names)
    known = {"answers": np.asarray(answers, dtype=np.float32).reshape(-1, c)}
    if scores is not None:
        known |= {"texts": OTHERS, "scores": np.asarray(scores, dtype=np.float32).reshape(-1, c)}
    return Profile(names, np.zeros((c, 2), dtype=np.float32), np.full(c, 0.5), **known)


def by_hand(router: Fusion, answers: dict[int, float], scores: dict[int, float]) -> np.ndarray:
    """Place a newcomer by answers to single questions; return its success on unseen prompts."""
    others = router.encoder.encode([OTHERS[i] for i in scores])
    vectors = np.concatenate([router.anchors.vectors[list(answers)], others])
    placed = newcomer.place(
        router.surface,
        NewcomerAnswers(
            np.array([*answers.values(), *scores.values()]),
            np.concatenate([router.anchors.zoo[list(answers)], router.surface.expected(others)]),
            router.surface.features(vectors),
        ),
    )
    unseen = router.encoder.encode(UNSEEN)
    return placed.success_probability(placed.directions(unseen))[:, -1]


def reloaded(router: Fusion, folder: Path) -> Fusion:
    settings = json.loads(json.dumps(router.save(folder)))
    return Fusion.load(folder, router.candidates, settings)


def test_prompt_goes_to_whoever_is_strong_at_its_kind(router: Fusion) -> None:
    probability = router.success_probability(UNSEEN)

    assert probability.dtype == np.float32
    assert [NAMES[i] for i in probability[:2].argmax(axis=1)] == ["adder", "speller"]


def test_router_that_was_saved_says_the_same(router: Fusion, tmp_path: Path) -> None:
    back = reloaded(router, tmp_path)

    assert back.candidates == NAMES
    assert (back.encoder.max_tokens, back.encoder.layers) == (32, (1, 2))
    np.testing.assert_array_equal(back.success_probability(UNSEEN), router.success_probability(UNSEEN))


def test_router_that_was_saved_admits_alike(router: Fusion, tmp_path: Path) -> None:
    newcomers = profile([1, 1, 0, 0, 0, 1], [1, 0, NAN, 1])

    back = reloaded(router, tmp_path).admit(newcomers)

    expected = router.admit(newcomers).success_probability(UNSEEN)
    np.testing.assert_allclose(back.success_probability(UNSEEN), expected, atol=1e-6)


def test_newcomer_is_placed_by_its_answers_to_the_test(router: Fusion) -> None:
    admitted = router.admit(profile([1, 1, NAN, 0, NAN, 0]))

    probability = admitted.success_probability(UNSEEN)
    assert admitted.candidates == (*NAMES, "new")
    np.testing.assert_allclose(probability[:, -1], by_hand(router, {0: 1, 1: 1, 3: 0, 5: 0}, {}), atol=1e-6)
    np.testing.assert_allclose(probability[:, :3], router.success_probability(UNSEEN), atol=1e-6)
    assert probability[0, -1] > probability[1, -1]


def test_answers_to_other_questions_count_too(router: Fusion) -> None:
    told = router.admit(profile([1, NAN, NAN, 0, NAN, NAN], [1, 1, NAN, 0.5])).success_probability(UNSEEN)[:, -1]

    np.testing.assert_allclose(told, by_hand(router, {0: 1, 3: 0}, {0: 1, 1: 1, 3: 0.5}), atol=1e-6)
    assert not np.allclose(told, by_hand(router, {0: 1, 3: 0}, {}), atol=1e-3)


def test_answers_to_other_questions_alone_are_enough(router: Fusion) -> None:
    told = router.admit(profile(np.empty((0, 1)), [1, 1, 0, 1])).success_probability(UNSEEN)[:, -1]

    np.testing.assert_allclose(told, by_hand(router, {}, {0: 1, 1: 1, 2: 0, 3: 1}), atol=1e-6)


@pytest.mark.parametrize("answers", [[], [NAN] * 6], ids=["no test", "no answer"])
def test_newcomer_that_answered_nothing_is_admitted_with_caution(router: Fusion, answers: list[float]) -> None:
    admitted = router.admit(profile(np.reshape(answers, (-1, 1))))

    assert admitted.doubt[:3].tolist() == [0, 0, 0]
    assert ((admitted.success_probability(UNSEEN) - admitted.doubt).argmax(axis=1) < 3).all()


def test_two_newcomers_at_once_are_admitted_as_one_after_another(router: Fusion) -> None:
    answers = np.array([[1, 0], [1, 0], [1, NAN], [0, 1], [0, 1], [NAN, 1]])
    scores = np.array([[1, 1], [NAN, 0], [1, NAN], [0, 1]])

    at_once = router.admit(profile(answers, scores, ("one", "two")))
    in_turn = router.admit(profile(answers[:, 0], scores[:, 0], ("one",))).admit(
        profile(answers[:, 1], scores[:, 1], ("two",))
    )

    assert at_once.candidates == in_turn.candidates == (*NAMES, "one", "two")
    np.testing.assert_allclose(at_once.success_probability(UNSEEN), in_turn.success_probability(UNSEEN), atol=1e-6)


def test_order_of_newcomers_does_not_matter(router: Fusion) -> None:
    answers = np.array([[1, 0], [1, 0], [1, NAN], [0, 1], [0, 1], [NAN, 1]])

    one = router.admit(profile(answers, names=("one", "two"))).success_probability(UNSEEN)
    other = router.admit(profile(answers[:, ::-1], names=("two", "one"))).success_probability(UNSEEN)

    np.testing.assert_allclose(other[:, [0, 1, 2, 4, 3]], one, atol=1e-6)


def test_router_with_a_direction_of_a_single_newcomer_is_saved_and_admits_the_next(
    router: Fusion, tmp_path: Path
) -> None:
    texts = [f"What is {i} - 5?" if i % 2 else f"Spell lighthouse{i}." for i in range(220)]
    odd = (np.arange(220) % 2).astype(np.float32)[:, None]
    own = Profile(("odd",), np.zeros((1, 2)), np.full(1, 0.5), texts=texts, scores=odd)

    grown = router.admit(own)
    back = reloaded(grown, tmp_path)

    assert grown.surface.loadings.shape[1] == router.surface.loadings.shape[1] + 1
    np.testing.assert_array_equal(back.success_probability(UNSEEN), grown.success_probability(UNSEEN))
    later = back.admit(profile([1, 1, 1, 0, 0, 0], [1, 1, 1, 1])).success_probability(UNSEEN)
    np.testing.assert_allclose(later[:, :4], grown.success_probability(UNSEEN), atol=1e-6)
    assert np.isfinite(later[:, 4]).all()


def test_prompts_longer_than_what_is_read_are_marked(router: Fusion) -> None:
    assert router.truncated(["short", "word " * 30, "word " * 31]).tolist() == [False, False, True]


@pytest.fixture
def folder(router: Fusion, make_bundle: Callable[..., Bundle], tmp_path: Path) -> Path:
    tables = make_bundle(dict.fromkeys(NAMES, 0.5))
    Bundle(router, tables.candidates, tables.aptitude_test, tables.cards).write(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_bundle_of_kind_fusion_is_read_back(router: Fusion, folder: Path) -> None:
    back = bundle.read(folder)

    assert isinstance(back.router, Fusion)
    assert json.loads((folder / "bundle.json").read_text())["kind"] == "fusion"
    np.testing.assert_array_equal(back.router.success_probability(UNSEEN), router.success_probability(UNSEEN))


def test_bundle_of_before_doubt_was_kept_is_read_without_any(router: Fusion, tmp_path: Path) -> None:
    settings = router.save(tmp_path)
    tensors = load_file(tmp_path / "router.safetensors")
    assert tensors.pop("surface.doubt").tolist() == [0, 0, 0]
    save_file(tensors, tmp_path / "router.safetensors")

    assert Fusion.load(tmp_path, NAMES, settings).doubt.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["router.safetensors", "encoder/model.safetensors"])
def test_bundle_whose_tensors_were_changed_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(InputError, match=f"'{name}' of bundle .* differs from its manifest"):
        bundle.read(folder)


def test_level_is_read_off_what_the_zoo_scored_on_other_questions(router: Fusion) -> None:
    """The same answers mean more where the zoo failed than where it succeeded."""
    texts, right = [f"Say number {i}." for i in range(40)], np.ones((40, 1), dtype=np.float32)
    profile = Profile(("new",), np.empty((1, 0)), np.array([0.5]), texts=texts, scores=right)

    def told(score: float) -> float:
        known = {name: np.full(40, score) for name in router.candidates}
        return float(router.admit(replace(profile, known=known)).surface.means[-1])

    expected = float(router.admit(profile).surface.means[-1])
    assert told(0.1) > told(0.9)
    assert min(told(0.1), told(0.9)) <= expected <= max(told(0.1), told(0.9))
    one = {router.candidates[0]: np.full(40, 0.1)}
    assert float(router.admit(replace(profile, known=one)).surface.means[-1]) > expected - 1e-6


def test_level_is_read_off_all_answers_where_the_test_is_in_no_fair_order(router: Fusion) -> None:
    """Forty other questions are right, the last three of the test are wrong and no beginning of it is answered."""
    texts, right = [f"Say number {i}." for i in range(40)], np.ones((40, 1), dtype=np.float32)
    tested = np.array([[np.nan], [np.nan], [np.nan], [0.0], [0.0], [0.0]])
    told = Profile(("new",), np.empty((1, 0)), np.array([0.5]), tested, texts, right)

    fair, all_of_them = (router.admit(replace(told, in_fair_order=fair)).surface.means[-1] for fair in (True, False))

    assert fair > all_of_them


def test_cost_head_travels_in_the_bundle_and_knows_no_price_of_a_newcomer(router: Fusion, tmp_path: Path) -> None:
    vectors, lengths = router.encoder.encode(TRAINED), tokens_in(TRAINED)
    paid = np.column_stack([np.where(np.arange(120) < 60, 0.01, 0.2), np.full(120, 0.05), np.full(120, np.nan)])
    priced = Fusion(NAMES, router.encoder, router.surface, router.anchors, cost_head.fit(vectors, lengths, paid))

    settings = priced.save(tmp_path)
    loaded = Fusion.load(tmp_path, NAMES, settings)
    told = loaded.read(TRAINED[:2]).cost_usd
    admitted = loaded.admit(profile([1, 1, 1, 0, 0, 0])).read(TRAINED[:2]).cost_usd

    assert told is not None
    assert admitted is not None
    np.testing.assert_array_equal(told, priced.read(TRAINED[:2]).cost_usd)
    assert told[:, 1] == pytest.approx(0.05, rel=0.01)
    assert np.isnan(told[:, 2]).all()
    np.testing.assert_array_equal(admitted[:, :3], told)
    assert np.isnan(admitted[:, 3]).all()
    assert router.read(TRAINED[:2]).cost_usd is None


def test_cost_head_of_one_candidate_is_forgotten_and_the_others_stay(router: Fusion) -> None:
    paid = np.full((120, 3), 0.05)
    heads = cost_head.fit(router.encoder.encode(TRAINED), tokens_in(TRAINED), paid)
    priced = Fusion(NAMES, router.encoder, router.surface, router.anchors, heads)

    forgotten = priced.forgetting_cost(1).read(TRAINED[:2]).cost_usd
    selected = Selection(priced, [2, 0]).forgetting_cost(0).read(TRAINED[:2]).cost_usd

    assert forgotten is not None
    assert selected is not None
    assert forgotten[:, [0, 2]] == pytest.approx(0.05, rel=0.01)
    assert np.isnan(forgotten[:, 1]).all()
    # The first of the selection is the third of the router.
    assert np.isnan(selected[:, 0]).all()
    assert selected[:, 1] == pytest.approx(0.05, rel=0.01)
    assert router.forgetting_cost(0) is router
