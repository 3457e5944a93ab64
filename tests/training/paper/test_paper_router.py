"""The paper's router: one pass per candidate and order, averaged, behind the interface of every router."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from modelsat.errors import InputError
from modelsat.routers.kinds import load_router
from modelsat.routers.paper.router import ORDERS, ModelSatPaper, card_lines
from modelsat.routers.profile import Profile

TEXTS = ["red sky", "blue", "what is green and long and reaches from here to there?"]
VARIANTS = [("bidirectional", "vector"), ("bidirectional", "text"), ("causal", "vector"), ("causal", "text")]
each_variant = pytest.mark.parametrize(("kind", "capability"), VARIANTS)


@each_variant
def test_written_and_read_again_it_says_the_same(
    make_router: Callable[..., ModelSatPaper], tmp_path: Path, kind: str, capability: str
) -> None:
    router = make_router(kind, capability)

    settings = router.save(tmp_path)
    again = load_router(tmp_path, "model-sat-paper", router.candidates, settings)

    said = router.success_probability(TEXTS)
    assert said.shape == (3, 3)
    assert np.ptp(said) > 0
    np.testing.assert_allclose(again.success_probability(TEXTS), said, atol=1e-5)


@pytest.mark.parametrize("capability", ["vector", "text"])
def test_probability_is_the_mean_over_two_orders_of_the_card(
    make_router: Callable[..., ModelSatPaper], capability: str
) -> None:
    router = make_router("bidirectional", capability)
    layout, network = router.layout, router.network
    orders = [np.random.default_rng(number).permutation(3) for number in range(ORDERS)]

    said, shown = [], []
    with torch.inference_mode():
        for order in orders:
            lines = card_lines(router.keywords, router.accuracies[1], order)
            told = layout.slot() if capability == "vector" else layout.in_words(lines)
            soft = network.soft_vectors(layout.pieces([lines])) if capability == "vector" else None
            said.append(torch.sigmoid(network(*layout.sequences([told], layout.prompts(TEXTS[:1])), soft)).item())
            shown.append(lines if soft is None else soft.tolist())

    # In a thin random network another order may move a probability by less than a float32 can say.
    assert shown[0] != shown[1]
    assert router.success_probability(TEXTS[:1])[0, 1] == pytest.approx(np.mean(said), abs=1e-5)


def test_candidates_are_known_by_their_cards_alone(make_router: Callable[..., ModelSatPaper]) -> None:
    said = make_router().success_probability(TEXTS)

    shuffled = make_router(rows=(2, 0, 1)).success_probability(TEXTS)

    assert (shuffled == said[:, [2, 0, 1]]).all()


def test_newcomer_is_scored_as_if_it_had_always_been_there(make_router: Callable[..., ModelSatPaper]) -> None:
    every, some = make_router(), make_router(rows=(0, 1))

    admitted = some.admit(Profile(("candidate 2",), every.accuracies[2:], np.asarray([0.4])))

    assert admitted.candidates == every.candidates
    np.testing.assert_allclose(admitted.success_probability(TEXTS), every.success_probability(TEXTS), atol=1e-6)


def test_longer_prompts_are_known_to_be_cut(make_router: Callable[..., ModelSatPaper]) -> None:
    assert make_router().truncated(["red", "red " * 40]).tolist() == [False, True]


def test_weights_that_do_not_fit_are_refused(make_router: Callable[..., ModelSatPaper], tmp_path: Path) -> None:
    router = make_router("causal", "text")
    settings = router.save(tmp_path)
    router.network.answer = torch.nn.Linear(32, 3, bias=False)
    router.save(tmp_path)

    with pytest.raises(InputError, match="was made by another version of modelsat"):
        load_router(tmp_path, "model-sat-paper", router.candidates, settings)
