"""One routing request: who may be chosen, what a cost weight does, and which requests are refused."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.bundle import ranking as routing
from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.errors import InputError
from modelsat.policy.preferences import CHEAPEST, Preferences
from modelsat.policy.promise import Promise
from modelsat.routers.constant import Constant


@pytest.fixture(scope="module")
def three(make_bundle: Callable[..., Bundle]) -> Bundle:
    """`strong` is a little better than `cheap` and ten times its price; `weak` has no price."""
    return make_bundle(
        {"cheap": 0.70, "strong": 0.80, "weak": 0.30},
        prices={"cheap": 1.0, "strong": 10.0},
        lineage={"trained_on": ["cheap", "strong"], "tokens_out": {"cheap": 90.0, "strong": 90.0}},
    )


def test_candidates_are_ranked_by_success(three: Bundle) -> None:
    ranking = routing.route(three, ["x" * 40, "y" * 4])

    assert ranking.model == ["strong", "strong"]
    assert ranking.candidates.tolist() == [["strong", "cheap", "weak"]] * 2
    np.testing.assert_allclose(ranking.success_probability, [[0.8, 0.7, 0.3]] * 2, rtol=1e-5)


def test_costs_go_with_their_candidates(three: Bundle) -> None:
    ranking = routing.route(three, ["x" * 40])

    np.testing.assert_allclose(ranking.expected_cost_usd, [[1000e-6, 100e-6, np.nan]])


def test_newcomers_are_marked(three: Bundle) -> None:
    assert routing.route(three, ["x"]).seen_in_training.tolist() == [[True, True, False]]


def test_constant_router_reads_every_prompt_whole(three: Bundle) -> None:
    assert routing.route(three, ["x" * 100_000]).truncated.tolist() == [False]


@pytest.mark.parametrize(
    ("allowed", "model"), [(["cheap", "weak"], "cheap"), (["weak"], "weak"), (["weak", "strong", "weak"], "strong")]
)
def test_only_allowed_candidates_are_chosen(three: Bundle, allowed: list[str], model: str) -> None:
    ranking = routing.route(three, ["x"], Preferences(candidates=tuple(allowed)))

    k = len(set(allowed))
    assert ranking.model == [model]
    assert set(ranking.candidates[0][:k]) == set(allowed)
    assert np.isnan(ranking.success_probability[0]).tolist() == [False] * k + [True] * (3 - k)


@pytest.mark.parametrize(("weight", "model"), [(0.0, "strong"), (0.11, "strong"), (0.12, "cheap"), (1.0, "cheap")])
def test_cost_weight_trades_success_for_money(three: Bundle, weight: float, model: str) -> None:
    assert routing.route(three, ["x" * 40], Preferences(cost_weight=weight)).model == [model]


def test_excluded_candidate_never_decides_what_is_dear(three: Bundle) -> None:
    ranking = routing.route(three, ["x" * 40], Preferences(("cheap", "weak"), cost_weight=0.5))

    assert ranking.model == ["cheap"]


def test_tie_goes_to_the_better_mean(make_bundle: Callable[..., Bundle]) -> None:
    bundle = make_bundle({"a": 0.5, "b": 0.5}, lineage={"mean_score": {"a": 0.4, "b": 0.6}})

    assert routing.route(bundle, ["x"]).model == ["b"]


def test_tie_without_means_goes_to_the_first(make_bundle: Callable[..., Bundle]) -> None:
    assert routing.route(make_bundle({"a": 0.5, "b": 0.5}), ["x"]).model == ["a"]


@given(
    st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=4),
    st.sets(st.sampled_from(["cheap", "strong", "weak"]), min_size=1),
    st.floats(0, 1),
)
def test_every_ranking_is_complete_and_starts_with_an_allowed_candidate(
    three: Bundle, texts: list[str], allowed: set[str], weight: float
) -> None:
    ranking = routing.route(three, texts, Preferences(tuple(allowed), cost_weight=weight))

    assert len(ranking.model) == len(texts)
    for i, model in enumerate(ranking.model):
        assert model == ranking.candidates[i, 0]
        assert model in allowed
        assert set(ranking.candidates[i]) == {"cheap", "strong", "weak"}


@pytest.mark.parametrize("texts", [[""], ["fine", " \n\t"]])
def test_empty_prompt_is_refused_with_its_place(three: Bundle, texts: list[str]) -> None:
    with pytest.raises(InputError, match=rf"prompt {len(texts) - 1} is empty; send the text to be routed"):
        routing.route(three, texts)


def test_request_without_prompts_is_refused(three: Bundle) -> None:
    with pytest.raises(InputError, match="the request holds no prompt; send at least one"):
        routing.route(three, [])


@pytest.mark.parametrize("candidates", [["nobody"], ["cheap", "nobody"]])
def test_unknown_candidate_is_refused_with_those_that_are_known(three: Bundle, candidates: list[str]) -> None:
    with pytest.raises(
        InputError, match=r"candidates \['nobody'\] are unknown to this router; it knows cheap, strong, weak"
    ):
        routing.route(three, ["x"], Preferences(tuple(candidates)))


def test_empty_choice_of_candidates_is_refused(three: Bundle) -> None:
    with pytest.raises(InputError, match="it knows cheap, strong, weak"):
        routing.route(three, ["x"], Preferences(()))


def test_long_list_of_known_candidates_is_cut(make_bundle: Callable[..., Bundle]) -> None:
    bundle = make_bundle({f"m{i}": 0.5 for i in range(30)})

    with pytest.raises(InputError, match=r"m19, \.\.\.$"):
        routing.route(bundle, ["x"], Preferences(("nobody",)))


def test_rows_are_plain_and_unknown_numbers_are_none(three: Bundle) -> None:
    rows = routing.rows(routing.route(three, ["x" * 40], Preferences(("cheap", "weak"))))

    assert [(row["candidate"], row["expected_cost_usd"]) for row in rows] == [
        ("cheap", pytest.approx(100e-6)),
        ("weak", None),
        ("strong", pytest.approx(1000e-6)),
    ]
    assert [row["success_probability"] for row in rows] == [pytest.approx(0.7), pytest.approx(0.3), None]
    assert [row["seen_in_training"] for row in rows] == [True, False, True]


def test_reason_names_the_lead(three: Bundle) -> None:
    rows = routing.rows(routing.route(three, ["x" * 40]))

    assert routing.reason(rows) == "strong: 10.0 points more likely to succeed than cheap, the next best."


def test_reason_names_the_likeliest_candidate_wherever_it_stands() -> None:
    rows = [
        {"candidate": name, "success_probability": probability, "expected_cost_usd": cost}
        for name, probability, cost in (("chosen", 0.80, 0.5), ("next", 0.76, 0.2), ("dear", 0.90, 3.0))
    ]

    assert routing.reason(rows, Preferences(cost_weight=0.2)) == (
        "chosen: 10.0 points less likely to succeed than dear, but cheaper by more than that is worth at cost weight "
        "0.20."
    )
    assert routing.reason(rows[:2]) == "chosen: 4.0 points more likely to succeed than next, the next best."


def test_reason_of_a_cheaper_choice_names_the_price_of_it(three: Bundle) -> None:
    rows = routing.rows(routing.route(three, ["x" * 40], Preferences(cost_weight=0.2)))

    assert routing.reason(rows, Preferences(cost_weight=0.2)) == (
        "cheap: 10.0 points less likely to succeed than strong, but cheaper by more than that is worth at cost weight "
        "0.20."
    )


class Doubtful(Constant):
    """Knows little of its last candidate."""

    @property
    def doubt(self) -> np.ndarray:
        return np.append(np.zeros(len(self.candidates) - 1), 0.15).astype(np.float32)


@pytest.fixture
def doubtful(make_bundle: Callable[..., Bundle]) -> Bundle:
    """The newcomer promises 10 points more than the old one, of which 15 are in doubt."""
    bundle = make_bundle({"old": 0.6, "newcomer": 0.7}, prices={"old": 1.0, "newcomer": 0.1})
    return replace(bundle, router=Doubtful(("old", "newcomer"), np.array([0.6, 0.7])))


def test_newcomer_is_told_as_it_is_expected_and_chosen_by_what_is_certain(doubtful: Bundle) -> None:
    ranking = routing.route(doubtful, ["x"])

    assert ranking.candidates.tolist() == [["old", "newcomer"]]
    np.testing.assert_allclose(ranking.success_probability, [[0.6, 0.7]], rtol=1e-5)
    assert routing.reason(routing.rows(ranking)) == (
        "old: 10.0 points less likely to succeed than newcomer, of which too little is known to count on that."
    )


@pytest.mark.parametrize(("least", "model"), [(0.54, "newcomer"), (0.58, "old")])
def test_who_is_likely_enough_is_a_matter_of_what_is_certain(doubtful: Bundle, least: float, model: str) -> None:
    wish = Preferences(policy=CHEAPEST, min_success_probability=least)

    assert routing.route(doubtful, ["x"], wish).model == [model]


def test_reason_for_the_only_candidate(three: Bundle) -> None:
    rows = routing.rows(routing.route(three, ["x"], Preferences(("weak",))))[:1]

    assert routing.reason(rows) == "weak: the only candidate that was allowed."


def test_reason_may_be_asked_of_all_rows(three: Bundle) -> None:
    rows = routing.rows(routing.route(three, ["x"], Preferences(("weak",))))

    assert routing.reason(rows) == "weak: the only candidate that was allowed."


@pytest.fixture(scope="module")
def described(make_bundle: Callable[..., Bundle]) -> Bundle:
    """What is known of three candidates; of `mystery` nothing is. A prompt of 40 characters costs `a` 2.1e-4 USD."""
    bundle = make_bundle(
        {"a": 0.9, "b": 0.8, "mystery": 0.7}, prices={"a": 1.0, "b": 0.5}, lineage={"tokens_out": {"a": 200, "b": 200}}
    )
    facts = [
        {"context_length": 100, "modalities": ["image"], "tools": False, "regions": ["eu"]},
        {"context_length": 8000, "modalities": ["image", "audio"], "tools": True, "regions": ["eu", "us"]},
        {},
    ]
    rows = [row | fact for row, fact in zip(bundle.candidates.to_pylist(), facts, strict=True)]
    return replace(bundle, candidates=contracts.from_rows(rows, contracts.CANDIDATES))


@pytest.mark.parametrize(
    ("wish", "model"),
    [
        (Preferences(), "a"),
        (Preferences(min_context_length=100), "a"),
        (Preferences(min_context_length=101), "b"),
        (Preferences(modalities=("image",)), "a"),
        (Preferences(modalities=("image", "audio")), "b"),
        (Preferences(tools=True), "b"),
        (Preferences(region="us"), "b"),
        (Preferences(max_cost_usd=2.0e-4), "b"),
    ],
)
def test_who_cannot_do_what_is_asked_is_never_chosen(described: Bundle, wish: Preferences, model: str) -> None:
    assert routing.route(described, ["x" * 40], wish).model == [model]


@pytest.mark.parametrize(
    "wish",
    [
        Preferences(min_context_length=9000),
        Preferences(modalities=("video",)),
        Preferences(region="moon"),
        Preferences(("mystery",), tools=True),
        Preferences(("mystery",), modalities=("image",)),
        Preferences(("a",), min_context_length=500),
    ],
)
def test_request_that_nobody_is_known_to_fulfil_is_refused(described: Bundle, wish: Preferences) -> None:
    with pytest.raises(InputError, match="no candidate is known to fulfil all that the request asks for"):
        routing.route(described, ["x"], wish)


def test_prompt_goes_to_nobody_whose_context_it_exceeds(described: Bundle) -> None:
    """404 characters are 101 tokens, one more than `a` reads; of `mystery` nobody knows."""
    ranking = routing.route(described, ["x" * 400, "x" * 404])

    assert ranking.model == ["a", "b"]
    with pytest.raises(InputError, match="prompt 1 is longer than any allowed candidate reads"):
        routing.route(described, ["x", "x" * 404], Preferences(("a",)))


def test_context_is_checked_before_a_prompt_is_read(described: Bundle) -> None:
    with pytest.raises(InputError, match="prompt 0 is longer than any allowed candidate reads"):
        routing.check(described, ["x" * 404], Preferences(("a",)))


def test_missing_price_is_never_within_a_budget(described: Bundle) -> None:
    with pytest.raises(InputError, match=r"prompt 0 costs more than 1 USD at every allowed candidate"):
        routing.route(described, ["x"], Preferences(("mystery",), max_cost_usd=1.0))


def test_cheapest_takes_the_least_price_among_those_likely_enough(described: Bundle) -> None:
    def chosen(least: float) -> list[str]:
        wish = Preferences(policy=CHEAPEST, min_success_probability=least)
        return routing.route(described, ["x"], wish).candidates[0].tolist()

    assert chosen(0.0) == ["b", "a", "mystery"]
    assert chosen(0.75) == ["b", "a", "mystery"]
    assert chosen(0.85) == ["a", "b", "mystery"]
    assert chosen(0.95) == ["a", "b", "mystery"]


def test_who_is_likely_enough_comes_before_who_is_cheap(three: Bundle) -> None:
    """At weight 1 `cheap` leads, unless 0.75 is the least that is wanted; where 0.9 is, the most likely one leads."""
    for least, model in ((0.0, "cheap"), (0.75, "strong"), (0.9, "strong")):
        wish = Preferences(cost_weight=1.0, min_success_probability=least)
        assert routing.route(three, ["x" * 40], wish).model == [model]


def test_only_the_first_few_are_shown_where_few_are_asked_for(three: Bundle) -> None:
    ranking = routing.route(three, ["x", "y"], Preferences(top_k=2))

    assert ranking.candidates.tolist() == [["strong", "cheap"]] * 2
    assert ranking.success_probability.shape == ranking.expected_cost_usd.shape == (2, 2)
    assert routing.route(three, ["x"], Preferences(top_k=99)).candidates.shape == (1, 3)


def test_best_single_is_told_where_means_are_known(three: Bundle, make_bundle: Callable[..., Bundle]) -> None:
    assert three.best_single is None
    bundle = make_bundle({"a": 0.5, "b": 0.5}, lineage={"mean_score": {"a": 0.4, "b": 0.6}})
    assert bundle.best_single == "b"


def test_best_single_is_the_candidate_of_the_promise_though_a_later_one_has_a_better_mean(
    make_bundle: Callable[..., Bundle],
) -> None:
    told = {"mean_score": {"a": 0.4, "b": 0.6}, "promise": Promise("a", 0.1, 0.003, 0.95, 0.0, 0.0, 0.5, 60).as_json()}

    assert make_bundle({"a": 0.5, "b": 0.5}, lineage=told).best_single == "a"


def test_budget_of_a_batch_buys_the_dear_candidate_as_often_as_it_reaches(three: Bundle) -> None:
    # Each of the four costs 0.0001 USD at `cheap` and 0.001 USD at `strong`.
    ranking = routing.route(three, ["x" * 40] * 4, Preferences(budget_usd=0.0023))

    assert sorted(ranking.model) == ["cheap", "cheap", "strong", "strong"]
    assert [row[0] for row in ranking.candidates] == ranking.model


def test_budget_that_all_prompts_exceed_is_refused_with_what_they_need(three: Bundle) -> None:
    with pytest.raises(InputError, match=r"cost 0\.0004 USD for 4 prompts; raise budget_usd of 0\.0003"):
        routing.route(three, ["x" * 40] * 4, Preferences(budget_usd=0.0003))


def test_who_alone_exceeds_the_budget_is_no_second_choice(three: Bundle) -> None:
    ranking = routing.route(three, ["x" * 40], Preferences(budget_usd=0.0005))

    assert ranking.model == ["cheap"]
    assert np.isnan(ranking.success_probability[0]).tolist() == [False, True, True]


def test_reason_of_a_choice_within_a_budget_names_the_other_prompts(three: Bundle) -> None:
    wish = Preferences(budget_usd=0.0023)
    ranking = routing.route(three, ["x" * 40] * 4, wish)

    assert routing.reason(routing.rows(ranking, ranking.model.index("cheap")), wish) == (
        "cheap: 10.0 points less likely to succeed than strong, but 0.0023 USD for all prompts buy more elsewhere."
    )
