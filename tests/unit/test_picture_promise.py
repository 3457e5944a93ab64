"""The default of requests with pictures: among the candidates that see, and never below the best of them."""

from collections.abc import Callable

import numpy as np
import pytest

from modelsat.bundle import ranking
from modelsat.bundle.bundle import Bundle
from modelsat.challenger import default
from modelsat.challenger.default import DefaultEvidence
from modelsat.data import contracts
from modelsat.data.collection import Collection
from modelsat.evaluation import arena as arenas
from modelsat.evaluation import scoring, table
from modelsat.policy import picture_promise
from modelsat.policy.picture_promise import Defaults
from modelsat.policy.preferences import Preferences
from modelsat.policy.promise import Promise
from modelsat.routers.constant import Constant

NAMES = ("blind", "dear", "cheap")
SEES = (frozenset[str](), frozenset({"image"}), frozenset({"image", "audio"}))
COST = np.tile([0.01, 1.0, 0.2], (200, 1))
WITH_PICTURES = Preferences(modalities=("image",))


def settled(said: np.ndarray, truth: np.ndarray, cost: np.ndarray = COST) -> Promise | None:
    return picture_promise.settle(said, truth, cost[: len(said)], np.asarray([0.9, 0.3, 0.6]), NAMES, SEES)


def known_in_advance(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """`dear` and `cheap` answer two thirds each, together all; the router knows who answers what."""
    truth = np.asarray([[0.0, i % 3 != 0, i % 3 != 1] for i in range(rows)])
    return np.clip(truth, 0.05, 0.95), truth


def test_default_takes_the_cheapest_of_those_that_see_where_that_is_safe() -> None:
    """A third of the prompts need `dear` (1 USD), the others `cheap` (0.2 USD): 0.47 USD against 1 USD."""
    said, truth = known_in_advance()
    found = settled(said, truth)

    assert found is not None
    assert found.best_single == "dear"
    assert found.cost_weight is not None
    assert found.gain == pytest.approx(1 - 133 / 200)
    assert found.cost_share == pytest.approx((67 * 1.0 + 133 * 0.2) / 200)


def test_best_single_that_sees_answers_where_the_router_would_lose() -> None:
    said, truth = known_in_advance()
    found = settled(said[::-1], truth)

    assert found is not None
    assert (found.best_single, found.cost_weight, found.prompts) == ("dear", None, 200)


def test_best_single_answers_where_too_little_is_known() -> None:
    """49 prompts decide nothing, so all training prompts say who is best."""
    said, truth = known_in_advance()
    found = settled(said[:49], truth[:49])

    assert found is not None
    assert (found.best_single, found.cost_weight) == ("cheap", None)


@pytest.mark.parametrize(("wrong", "weight"), [(False, 0.0), (True, None)])
def test_without_prices_the_most_probable_that_sees_answers_where_it_surely_gains(
    wrong: bool, weight: float | None
) -> None:
    """All of the prompts against two thirds, or half of them where the router mistakes one for the other."""
    said, truth = known_in_advance()
    found = settled(said[::-1] if wrong else said, truth, np.full((200, 3), np.nan))

    assert found is not None
    assert (found.best_single, found.cost_weight) == ("dear", weight)


def test_candidate_that_was_run_on_a_few_prompts_alone_is_not_the_best_single() -> None:
    said, truth = known_in_advance()
    truth[:, 2] = np.where(np.arange(200) < 60, 1.0, np.nan)
    found = settled(said, truth)

    assert found is not None
    assert found.best_single == "dear"


def test_nothing_is_settled_without_pictures_or_where_nobody_is_known_to_see() -> None:
    said, truth = known_in_advance()

    assert settled(said[:0], truth[:0]) is None
    assert picture_promise.settle(said, truth, COST, np.zeros(3), NAMES, [frozenset()] * 3) is None


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A bundle that says 0.9, 0.5 and 0.8, settled on 100 prompts with pictures and 100 without."""
    rows = [
        {"candidate": name, "modalities": sorted(sees), "price_in": price, "price_out": price}
        for name, sees, price in zip(NAMES, SEES, (0.1, 10.0, 2.0), strict=True)
    ]
    made = Bundle(
        router=Constant(NAMES, np.asarray([0.9, 0.5, 0.8])),
        candidates=contracts.from_rows(rows, contracts.CANDIDATES),
        aptitude_test=contracts.from_rows([], contracts.APTITUDE_TEST),
        cards=contracts.from_rows([], contracts.CARDS),
        lineage={
            "mean_score": dict(zip(NAMES, (0.9, 0.6, 0.5), strict=True)),
            "tokens_out": dict.fromkeys(NAMES, 10.0),
        },
    )
    truth = np.asarray([[0.0, 1.0, 0.5]] * 100 + [[1.0, 0.0, 0.0]] * 100)
    texts = ["seen"] * 100 + ["read"] * 100
    evidence = DefaultEvidence(texts, np.tile([0.9, 0.5, 0.8], (200, 1)), truth)
    return default.settled(made, NAMES, evidence, frozenset({"seen"}))


def test_request_with_pictures_gets_the_best_single_that_sees_and_others_their_default(bundle: Bundle) -> None:
    """The router says `cheap` of pictures, which is wrong half the time: `dear` never was."""
    with_pictures = ranking.route(bundle, ["seen"], WITH_PICTURES)

    assert with_pictures.model == ["dear"]
    assert ranking.route(bundle, ["seen"]).model == ["blind"]
    assert ranking.route(bundle, ["seen"], Preferences(policy="best", modalities=("image",))).model == ["cheap"]


def test_defaults_are_told_and_read_again(bundle: Bundle) -> None:
    promised = bundle.defaults.pictures

    assert promised is not None
    assert picture_promise.read({"picture_promise": promised.as_json()}) == Defaults(None, promised)
    assert picture_promise.read({"picture_promise": {}}).of(WITH_PICTURES) is None


def test_pictures_that_were_not_read_get_the_best_single() -> None:
    usual, pictures = (Promise("dear", weight, 0.003, 0.95, 0.0, 0.0, 0.5, 100) for weight in (0.1, 0.2))

    assert Defaults(usual, pictures).unread.of(WITH_PICTURES) == Promise("dear", None, 0.003, 0.95, 0.0, 0.0, 0.5, 100)
    assert Defaults(usual, pictures).unread.of(Preferences()) == usual
    assert Defaults(usual).unread.of(WITH_PICTURES) == usual


def test_prompt_with_pictures_is_judged_among_those_that_see(
    bundle: Bundle, make_collection: Callable[..., Collection]
) -> None:
    """As in front of a user: `blind`, which scores 1 on each prompt, may be chosen for every other one alone."""
    texts = [f"question {i}" for i in range(200)]
    plain = make_collection([[1.0, 0.5, 0.0]] * 200, texts, NAMES)
    image = [None if i % 2 else "digest" for i in range(200)]
    prompts = plain.prompts.set_column(plain.prompts.schema.get_field_index("image"), "image", [image])
    candidates = plain.candidates.set_column(
        plain.candidates.schema.get_field_index("modalities"), "modalities", [[sorted(one) for one in SEES]]
    )
    collection = Collection(
        plain.scores, contracts.conform(prompts, contracts.PROMPTS),
        contracts.conform(candidates, contracts.CANDIDATES), plain.rejects, (), (),
    )  # fmt: skip
    arena = arenas.build(collection, served=NAMES)
    seen = arena.pictured
    assert seen is not None
    chosen = table.chosen(arena, np.tile([0.9, 0.5, 0.8], (len(seen), 1)), scoring.terms(bundle, arena, candidates))

    assert {NAMES[i] for i in arena.best_single[seen]} == {"dear"}
    assert {NAMES[i] for i in arena.best_single[~seen]} == {"blind"}
    assert {NAMES[i] for i in chosen[seen]} == {"dear"}
    assert {NAMES[i] for i in chosen[~seen]} == {"blind"}
    assert arena.routable[seen].tolist() == [[False, True, True]] * int(seen.sum())
