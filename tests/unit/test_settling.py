"""The default of a router is settled again where prices or candidates change, on what its bundle keeps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modelsat.bundle import bundle, default_choice, kept_evidence, narrowing, settling
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.kept_evidence import KeptEvidence
from modelsat.data import contracts
from modelsat.onboarding import change as changes
from modelsat.onboarding.change import Action, Change
from modelsat.routers.profile import Profile

N = 200
TOKENS = 1000.0
PRICES = {"bob": 1.0, "cyd": 5.0, "ada": 10.0}
SOLVED = {"bob": 0.5, "cyd": 0.8, "ada": 1.0}


@pytest.fixture
def evidence() -> KeptEvidence:
    """Prompts from easy to hard: `bob` solves the first half, `cyd` four of five, `ada` all, and it is known."""
    place = np.arange(N) / N
    outcomes = np.column_stack([place < share for share in SOLVED.values()]).astype(np.float32)
    said = np.where(outcomes > 0, np.float32(0.95), np.float32(0.05))
    size, nothing = np.full(N, TOKENS, dtype=np.float32), np.full(outcomes.shape, np.nan, dtype=np.float32)
    return KeptEvidence(tuple(SOLVED), size, np.zeros(N, dtype=bool), said, outcomes, nothing)


@pytest.fixture
def router(make_bundle: Callable[..., Bundle], evidence: KeptEvidence) -> Bundle:
    """A bundle at prices of a prompt of 1,000 tokens of 0.1, 0.5 and 1 cent; answers cost nothing."""
    facts = {"mean_score": dict(SOLVED), "tokens_out": dict.fromkeys(SOLVED, 0.0), "trained_on": list(SOLVED)}
    made = make_bundle(SOLVED, PRICES, lineage=facts)
    return settling.settled(replace(made, evidence=evidence))


def share_after(made: Bundle) -> float:
    assert made.promise is not None
    assert made.promise.cost_weight is not None
    return made.promise.cost_share


def reprice(made: Bundle, name: str, price: float) -> Bundle:
    return changes.apply(made, Change(Action.REPRICE, name), None, {"price_in": price, "price_out": price})


def test_default_gives_each_prompt_to_the_cheapest_that_solves_it(router: Bundle) -> None:
    # 0.5 of the prompts at 0.1 cents, 0.3 at 0.5 and 0.2 at 1: 0.4 cents.
    assert router.best_single == "ada"
    assert share_after(router) == pytest.approx(0.4)


def test_new_prices_settle_the_default_at_once(router: Bundle) -> None:
    # 0.5 x 0.1 + 0.3 x 0.5 + 0.2 x 2 = 0.6 of 2 cents; then `cyd` at 0.05 cents takes all it solves: 0.04 + 0.2 of 1.
    assert share_after(reprice(router, "ada", 20.0)) == pytest.approx(0.3)
    assert share_after(reprice(router, "cyd", 0.5)) == pytest.approx(0.24)


def test_prices_that_leave_nothing_to_save_leave_the_best_single_candidate(router: Bundle) -> None:
    made = reprice(router, "ada", 0.1)

    assert made.promise is not None
    assert (made.promise.best_single, made.promise.cost_weight, made.promise.prompts) == ("ada", None, N)
    assert default_choice.by_default(made, np.array([[0.95, 0.95, 0.9]]), np.array([TOKENS])).tolist() == [2]


def test_old_prices_again_settle_what_was_settled_before(router: Bundle) -> None:
    again = reprice(reprice(router, "ada", 20.0), "ada", 10.0)

    assert again.promise == router.promise


@pytest.mark.parametrize(
    ("gone", "single", "share"),
    [
        # 0.8 at 0.5 cents and 0.2 at 1.
        ("bob", "ada", 0.6),
        # Half at 0.1 cents, half at 1.
        ("cyd", "ada", 0.55),
        # Half at 0.1 cents and 0.3 at 0.5; the rest, which nobody is left to solve, at 0.1: 0.22 of 0.5 cents.
        ("ada", "cyd", 0.44),
    ],
)
def test_removal_settles_the_default_among_those_that_are_left(
    router: Bundle, gone: str, single: str, share: float
) -> None:
    made = changes.apply(router, Change(Action.REMOVE, gone), None, {})

    assert made.best_single == single
    assert share_after(made) == pytest.approx(share)
    assert made.evidence is not None
    assert gone not in made.evidence.names


def test_what_a_cost_head_learned_at_old_prices_is_forgotten(router: Bundle, evidence: KeptEvidence) -> None:
    """The head expects `bob` to cost as much as `ada`, which saves nothing; at new prices he costs 0.1 cents again."""
    learned = np.where(np.asarray(evidence.names) == "bob", np.float32(0.01), evidence.cost_usd)
    dear = settling.settled(replace(router, evidence=replace(evidence, cost_usd=learned)))

    # `cyd` takes four of five: 0.8 x 0.5 + 0.2 x 1.
    assert share_after(dear) == pytest.approx(0.6)
    assert share_after(reprice(dear, "bob", 1.0)) == pytest.approx(0.4)


def admitted(made: Bundle, price: float, mean: float) -> Bundle:
    """Return the bundle with a candidate that came later, as an admission makes it, and its default settled."""
    row = {"candidate": "new", "price_in": price, "price_out": price}
    wider = replace(
        made,
        router=made.router.admit(Profile(("new",), np.zeros((1, 0), np.float32), np.array([mean], np.float32))),
        candidates=contracts.from_rows([*made.candidates.to_pylist(), row], contracts.CANDIDATES),
        lineage=made.lineage | {"mean_score": made.lineage["mean_score"] | {"new": mean}},
    )
    return settling.settled(wider)


def test_price_of_a_newcomer_does_not_dilute_the_cost_weight(router: Bundle, evidence: KeptEvidence) -> None:
    """Costs are weighed against the most expensive candidate: at five times the price, five times the weight is due."""
    # `bob` and `cyd` are thought 5 points less likely to solve what they do: 0.05 / (1 - 0.5) = 0.1 for `cyd`.
    said = evidence.probabilities - np.array([0.05, 0.05, 0.0], dtype=np.float32)
    made = settling.settled(replace(router, evidence=replace(evidence, probabilities=said)))
    wider = admitted(made, 50.0, 0.3)

    assert made.promise is not None
    assert wider.promise is not None
    assert made.promise.cost_weight == pytest.approx(0.1, rel=0.3)
    assert wider.promise.cost_weight == pytest.approx(0.5, rel=0.3)
    assert wider.promise.cost_share == pytest.approx(made.promise.cost_share)
    easy, size = np.array([[0.9, 0.9, 0.95, 0.1]]), np.array([TOKENS])
    assert wider.names[default_choice.by_default(wider, easy, size)[0]] == "bob"


def test_newcomer_is_expected_to_answer_at_the_usual_length(router: Bundle) -> None:
    """Others answer in 10 tokens on average: at 1 USD per million it costs 1,010 tokens, and not 200 more."""
    told = replace(router, lineage=router.lineage | {"tokens_out": {"bob": 5.0, "cyd": 10.0, "ada": 15.0}})

    assert admitted(told, 1.0, 0.5).pool.cost(np.array([TOKENS]))[0, 3] == pytest.approx(1010e-6)


def test_newcomer_that_no_evidence_knows_is_not_what_others_are_compared_with(router: Bundle) -> None:
    made = admitted(router, 0.1, 0.99)

    assert made.best_single == "ada"
    assert share_after(made) == pytest.approx(share_after(router))


def test_evidence_comes_back_from_the_folder_and_settles_the_same(router: Bundle, tmp_path: Path) -> None:
    router.write(tmp_path / "bundle")
    back = bundle.read(tmp_path / "bundle")

    assert back.evidence is not None
    assert router.evidence is not None
    assert back.evidence.names == router.evidence.names
    np.testing.assert_array_equal(back.evidence.probabilities, router.evidence.probabilities)
    np.testing.assert_array_equal(back.evidence.cost_usd, router.evidence.cost_usd)
    assert settling.settled(back).promise == back.promise == router.promise


def test_large_evidence_is_kept_as_a_sample_of_its_prompts(
    evidence: KeptEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_evidence, "MOST_PAIRS", 301)
    kept = evidence.sample()

    # 301 pairs of three candidates are 100 whole prompts.
    assert kept.outcomes.shape == kept.probabilities.shape == (100, 3)
    assert kept.outcomes.mean() == pytest.approx(evidence.outcomes.mean(), abs=0.1)
    monkeypatch.undo()
    assert evidence.sample() is evidence


def test_whose_evidence_leaves_with_the_last_candidate_falls_back_on_who_is_there(router: Bundle) -> None:
    wider = admitted(router, 1.0, 0.4)
    made = narrowing.without(wider, list(SOLVED))

    assert made.names == ("new",)
    assert made.evidence is None
    assert made.promise is not None
    assert (made.promise.best_single, made.promise.cost_weight, made.promise.prompts) == ("new", None, 0)


def test_pictures_have_their_default_settled_again_too(router: Bundle, evidence: KeptEvidence) -> None:
    seen = np.arange(N) % 2 == 0
    rows = [row | {"modalities": ["image"]} for row in router.candidates.to_pylist()]
    seers = replace(
        router,
        candidates=contracts.from_rows(rows, contracts.CANDIDATES),
        evidence=replace(evidence, pictured=seen),
    )
    made = reprice(settling.settled(seers), "ada", 20.0)

    assert made.defaults.pictures is not None
    assert made.defaults.pictures.prompts == N // 2
    assert made.defaults.pictures.cost_share == pytest.approx(0.3)


def test_router_that_promised_nothing_and_holds_no_evidence_stays_as_it_is(make_bundle: Callable[..., Bundle]) -> None:
    made = make_bundle({"ada": 0.5, "bob": 0.4}, {"ada": 2.0, "bob": 1.0}, lineage={"mean_score": {"ada": 0.5}})

    assert reprice(made, "ada", 1.0).promise is None
