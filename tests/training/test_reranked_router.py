"""Fusion scores all candidates and Model-SAT the best few, from one reading of the prompt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelsat.policy.costs import tokens_in
from modelsat.routers.fusion import cost_head, surface
from modelsat.routers.fusion.router import Fusion
from modelsat.routers.fusion.surface_router import Anchors
from modelsat.routers.mixture import SHORTLIST, choose_weight, rerank, shortlist
from modelsat.routers.model_sat.capability import CapabilityEncoder
from modelsat.routers.model_sat.network import Network, Shape
from modelsat.routers.model_sat.router import ModelSat
from modelsat.routers.profile import Profile
from modelsat.routers.reranked import Reranked
from modelsat.text.encoder import Encoder

NAN = float("nan")
TASKS, CANDIDATES = 3, 11
NAMES = tuple(f"candidate-{i:02d}" for i in range(CANDIDATES))
TRAINED = [f"What is {i} + {7 * i}?" for i in range(40)] + [f"Which word rhymes with river {i}?" for i in range(40)]
UNSEEN = [
    "What is 80 + 90?",
    "Which word rhymes with mountain, and why is it that one of all the many words?",
    "Name it.",
]
PROBABILITIES = hnp.arrays(np.float32, (3, CANDIDATES), elements=st.floats(0, 1, width=32))


@pytest.fixture(scope="module")
def model_sat(backbone: Path, make_network: Callable[..., Network]) -> ModelSat:
    rng = np.random.default_rng(0)
    capability = CapabilityEncoder(rng.normal(size=(TASKS, 4)).astype(np.float32), np.full(TASKS, 0.5, np.float32), 0.1)
    network = make_network(Shape(TASKS, capability.width, entry_layer=1, soft_tokens=2))
    network.embeddings, network.lower = fresh_layers(backbone, network)
    return ModelSat(NAMES, rng.uniform(0.2, 0.9, (CANDIDATES, TASKS)), capability, network, backbone, 24)


def fresh_layers(backbone: Path, network: Network) -> tuple:
    """Return embeddings and lower layers as the backbone has them: nothing below the entry is ever trained."""
    untouched = Network(Encoder(backbone).model, network.shape)
    return untouched.embeddings, untouched.lower


@pytest.fixture(scope="module")
def fusion(backbone: Path) -> Fusion:
    encoder = Encoder(backbone, max_tokens=24, layers=(1, 2, 3))
    vectors = encoder.encode(TRAINED)
    ease = np.where(np.arange(80)[:, None] < 40, np.linspace(0.1, 0.9, CANDIDATES), np.linspace(0.9, 0.1, CANDIDATES))
    scores = (np.random.default_rng(1).random((80, CANDIDATES)) < ease).astype(float)
    found = surface.fit(vectors, scores, np.where(np.arange(80) < 40, "sums", "words"))
    return Fusion(NAMES, encoder, found, Anchors(vectors[:5], scores[:5].astype(np.float32)))


@pytest.fixture(scope="module")
def router(fusion: Fusion, model_sat: ModelSat) -> Reranked:
    return Reranked(fusion, model_sat, 0.6)


def test_cost_of_a_candidate_is_forgotten_as_fusion_forgets_it(fusion: Fusion, model_sat: ModelSat) -> None:
    vectors, paid = fusion.encoder.encode(TRAINED), np.full((len(TRAINED), CANDIDATES), 0.05)
    heads = cost_head.fit(vectors, tokens_in(TRAINED), paid)
    priced = Fusion(NAMES, fusion.encoder, fusion.surface, fusion.anchors, heads)

    told = Reranked(priced, model_sat, 0.6).forgetting_cost(1).read(UNSEEN[:1]).cost_usd

    assert told is not None
    assert np.isnan(told[0]).tolist() == [i == 1 for i in range(CANDIDATES)]
    assert told[0, 0] == pytest.approx(0.05, rel=0.01)


def test_one_reading_equals_two_routers_that_each_read_the_prompt(router: Reranked) -> None:
    fused = router.fusion.success_probability(UNSEEN)
    joint = router.model_sat.success_probability(UNSEEN)

    told = router.success_probability(UNSEEN)

    for row in range(len(UNSEEN)):
        best = np.argsort(-fused[row])
        for column in best[:SHORTLIST]:
            assert told[row, column] == pytest.approx(0.6 * joint[row, column] + 0.4 * fused[row, column], abs=1e-5)
        np.testing.assert_allclose(told[row, best[SHORTLIST:]], fused[row, best[SHORTLIST:]], atol=1e-6)


def test_doubt_weighs_as_much_as_fusion_does(router: Reranked) -> None:
    answers = np.array([[1.0], [0.0], [1.0], [1.0], [0.0]])
    cards = np.full((1, TASKS), 0.5, np.float32)
    admitted = router.admit(Profile(("newcomer",), cards, np.array([0.5], np.float32), answers))

    assert admitted.doubt[:-1].tolist() == [0] * CANDIDATES
    assert admitted.doubt[-1] == pytest.approx(0.4 * admitted.fusion.doubt[-1])
    assert admitted.doubt[-1] > 0.01


def test_reading_says_how_foreign_a_prompt_is_beside_the_same_probabilities(router: Reranked) -> None:
    reading = router.read(UNSEEN)

    np.testing.assert_array_equal(reading.success_probability, router.success_probability(UNSEEN))
    np.testing.assert_allclose(reading.foreign, router.fusion.read(UNSEEN).foreign, atol=1e-6)
    assert reading.truncated.tolist() == router.fusion.truncated(UNSEEN).tolist()


def test_members_add_up_to_what_the_router_says(router: Reranked) -> None:
    fusion, model_sat = router.members(UNSEEN)

    assert (fusion.name, model_sat.name, fusion.weight + model_sat.weight) == ("fusion", "Model-SAT", 1.0)
    asked = ~np.isnan(model_sat.success_probability)
    mixed = fusion.weight * fusion.success_probability + model_sat.weight * model_sat.success_probability
    np.testing.assert_allclose(
        np.where(asked, mixed, fusion.success_probability), router.success_probability(UNSEEN), atol=1e-5
    )


def test_router_is_read_back_as_it_was_written(router: Reranked, tmp_path: Path) -> None:
    back = Reranked.load(tmp_path, NAMES, router.save(tmp_path))

    # The language model is stored in bfloat16.
    np.testing.assert_allclose(back.success_probability(UNSEEN), router.success_probability(UNSEEN), atol=0.02)
    assert back.weight == 0.6


def test_newcomer_is_admitted_by_both(router: Reranked) -> None:
    admitted = router.admit(Profile(("new",), np.full((1, TASKS), 0.9, np.float32), np.array([0.9]), np.ones((5, 1))))

    assert admitted.candidates == admitted.fusion.candidates == admitted.model_sat.candidates == (*NAMES, "new")
    assert admitted.success_probability(UNSEEN).shape == (len(UNSEEN), CANDIDATES + 1)


def test_parts_of_different_candidates_are_refused(fusion: Fusion, model_sat: ModelSat) -> None:
    others = model_sat.with_cards(NAMES[::-1], model_sat.accuracies)

    with pytest.raises(ValueError, match="route between different candidates"):
        Reranked(fusion, others, 0.5)


def test_shortlist_holds_the_eight_best_in_the_order_of_the_columns() -> None:
    fused = np.array([[0.1, 0.9, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.05]])

    assert shortlist(fused).tolist() == [[1, 2, 3, 4, 5, 6, 7, 8]]


def test_shortlist_of_a_small_pool_is_the_pool() -> None:
    assert shortlist(np.array([[0.1, 0.9]])).tolist() == [[0, 1]]


def test_reranking_by_hand() -> None:
    np.testing.assert_allclose(rerank(np.array([[0.2, 0.8]]), np.array([[0.6, NAN]]), 0.25), [[0.3, 0.8]])


@given(PROBABILITIES, PROBABILITIES, st.floats(0, 1))
def test_reranked_probabilities_lie_between_both(fused: np.ndarray, joint: np.ndarray, weight: float) -> None:
    told = rerank(fused, joint, weight)

    assert told.dtype == np.float32
    assert (told >= np.minimum(fused, joint) - 1e-6).all()
    assert (told <= np.maximum(fused, joint) + 1e-6).all()


@pytest.mark.parametrize(("truth", "weight"), [([[0, 1]], 1.0), ([[1, 0]], 0.0)])
def test_router_that_is_right_gets_all_weight(truth: list[list[float]], weight: float) -> None:
    fused, joint = np.array([[0.9, 0.1]]), np.array([[0.1, 0.9]])

    assert choose_weight(fused, joint, np.array(truth)) == weight


def test_two_overconfident_routers_are_averaged() -> None:
    fused, joint = np.array([[0.99], [0.01]]), np.array([[0.01], [0.99]])

    assert choose_weight(fused, joint, np.array([[1.0], [1.0]])) == 0.5


def test_outcomes_that_were_not_run_and_candidates_that_were_not_asked_do_not_count() -> None:
    fused, joint = np.array([[0.9, 0.9, 1.0]]), np.array([[0.1, NAN, 0.0]])

    assert choose_weight(fused, joint, np.array([[0.0, 1.0, NAN]])) == 1.0


def test_smaller_weight_wins_a_tie_and_where_nothing_was_asked() -> None:
    same = np.array([[0.7]])

    assert choose_weight(same, same, np.array([[1.0]]), grid=(0.25, 0.75)) == 0.25
    assert choose_weight(same, np.array([[NAN]]), np.array([[1.0]])) == 0.0
