"""A log of requests is judged by choices that were left to chance, or on prompts that several models answered."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from modelsat.errors import InputError
from modelsat.offpolicy import evidence, printed, proof
from modelsat.offpolicy.evidence import Design
from modelsat.offpolicy.policies import KNN, OURS
from modelsat.offpolicy.proof import Proof, ProofSettings
from modelsat.offpolicy.requests import RequestLog
from modelsat.offpolicy.verdict import Finding, finding

N = 600
MODELS = np.array(["adder", "speller", "allround"], dtype=object)
COST, SECONDS = np.array([0.001, 0.001, 0.01]), np.array([1.0, 1.0, 3.0])
Encode = Callable[[list[str]], np.ndarray]


@pytest.fixture(scope="module")
def prompts(two_kinds: Callable[..., tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, Encode]:
    """Kinds of N prompts, 0 or 1, and what encodes `text I` as the vectors of prompt I."""
    vectors, kinds = two_kinds(N, layers=2)
    return kinds, lambda texts: vectors[[int(text.split()[-1]) for text in texts]]


@pytest.fixture(scope="module")
def truth(prompts: tuple[np.ndarray, Encode]) -> np.ndarray:
    """Outcomes of all models: each specialist solves nine tenths of its kind and a tenth of the other, allround 0.6."""
    kinds, _ = prompts
    chance = np.column_stack([np.where(kinds == 0, 0.9, 0.1), np.where(kinds == 1, 0.9, 0.1), np.full(N, 0.6)])
    return (np.random.default_rng(1).random((N, 3)) < chance).astype(float)


def log_of(model: np.ndarray, outcome: np.ndarray, propensity: object, rows: np.ndarray | None = None) -> RequestLog:
    asked = np.arange(len(model)) if rows is None else rows
    texts = np.asarray([f"text number {i}" for i in asked], dtype=object)
    nothing, given = np.full(len(model), np.nan), np.broadcast_to(np.asarray(propensity, dtype=float), len(model))
    at = 1.79e9 + 60.0 * np.arange(len(model))
    return RequestLog(at, texts, MODELS[model], outcome, COST[model], SECONDS[model], given, nothing, nothing)


@pytest.fixture(scope="module")
def randomised(truth: np.ndarray) -> RequestLog:
    """Models drawn with probabilities 0.2, 0.2 and 0.6."""
    chance = np.array([0.2, 0.2, 0.6])
    model = np.random.default_rng(2).choice(3, N, p=chance)
    return log_of(model, truth[np.arange(N), model], chance[model])


@pytest.fixture(scope="module")
def proven(randomised: RequestLog, prompts: tuple[np.ndarray, Encode]) -> Proof:
    return proof.prove(randomised, prompts[1])


def test_specialists_told_apart_by_the_prompt_are_found_and_pay(
    proven: Proof, truth: np.ndarray, prompts: tuple[np.ndarray, Encode]
) -> None:
    """Each prompt at its specialist scores 0.9 at a tenth of allround's price; a router that reads finds both."""
    best = truth[np.arange(N), prompts[0]][N // 2 :].mean()
    assert proven.design is Design.RANDOMISED
    assert proven.judged == N // 2
    assert proven.recommended in (KNN, OURS)
    for name in (KNN, OURS):
        line = proven.line(name)
        assert finding(line) is Finding.BETTER_AND_CHEAPER
        assert line.value is not None
        assert line.value.low < best < line.value.high
        assert line.cost is not None
        assert line.cost.value == pytest.approx(0.001, abs=0.0006)
        assert line.seconds is not None
        assert line.seconds == pytest.approx(1.0, abs=0.2)


def test_the_incumbents_value_is_the_mean_of_what_came(proven: Proof, randomised: RequestLog) -> None:
    assert proven.incumbent.value is not None
    assert proven.incumbent.value.value == pytest.approx(randomised.outcome[N // 2 :].mean())
    assert proven.incumbent.cost is not None
    assert proven.incumbent.cost.value == pytest.approx(randomised.cost_usd[N // 2 :].mean())


def test_the_sentence_names_value_and_dollars_and_the_commands_follow(proven: Proof) -> None:
    said = printed.sentence(proven)
    assert said.startswith("On 300 requests of 2026-")
    assert "points, 95 % interval +" in said
    assert "per 1,000 requests" in said
    assert [step.split()[1] for step in printed.commands(proven, "proved/bundle", "c.yaml")] == [
        *("serve", "gateway", "prove")
    ]
    assert printed.as_json(proven)["recommended"] == proven.recommended


def test_outcomes_dealt_anew_recommend_nothing(randomised: RequestLog, prompts: tuple[np.ndarray, Encode]) -> None:
    order = np.random.default_rng(3).permutation(N)
    dealt = replace(randomised, outcome=randomised.outcome[order], cost_usd=randomised.cost_usd[order])
    found = proof.prove(dealt, prompts[1])
    assert found.recommended is None
    assert printed.sentence(found).startswith("Keep what you have")
    assert "let it grow, or leave a larger share to chance" in printed.ways_to_tell(found)
    assert printed.commands(found, "proved/bundle", "c.yaml") == ()


def test_a_log_without_chance_cannot_tell(truth: np.ndarray, prompts: tuple[np.ndarray, Encode]) -> None:
    """Whoever sends each prompt to its specialist leaves no trace of what another model would have done."""
    model = np.where(np.arange(N) % 10 == 0, 2, prompts[0])
    found = proof.prove(log_of(model, truth[np.arange(N), model], np.nan), prompts[1])
    assert found.design is Design.NONE
    assert all(line.gain is None for line in found.lines)
    assert found.recommended is None
    assert "cannot tell" in printed.sentence(found)
    assert "--randomised would be refused" in printed.ways_to_tell(found)
    assert found.dependence.is_certain


def test_models_that_look_drawn_by_chance_are_asked_about(
    randomised: RequestLog, prompts: tuple[np.ndarray, Encode]
) -> None:
    found = proof.prove(replace(randomised, propensity=np.full(N, np.nan)), prompts[1])
    assert found.design is Design.NONE
    assert "say so with --randomised" in printed.ways_to_tell(found)
    assert printed.as_json(found)["ways_to_tell"] == printed.ways_to_tell(found)


def test_what_follows_the_prompt_is_not_believed_to_be_randomised(
    truth: np.ndarray, prompts: tuple[np.ndarray, Encode]
) -> None:
    model = np.where(np.arange(N) % 10 == 0, 2, prompts[0])
    log = log_of(model, truth[np.arange(N), model], np.nan)
    with pytest.raises(InputError, match="its choices follow the prompts"):
        proof.prove(log, prompts[1], ProofSettings(randomised=True))


def test_a_test_of_equal_shares_is_judged_by_its_shares(
    randomised: RequestLog, prompts: tuple[np.ndarray, Encode], proven: Proof
) -> None:
    unknown = replace(randomised, propensity=np.full(N, np.nan))
    found = proof.prove(unknown, prompts[1], ProofSettings(randomised=True))
    assert found.design is Design.RANDOMISED
    assert found.line(OURS).gain is not None
    assert abs(found.line(OURS).gain.value - proven.line(OURS).gain.value) < 0.08  # type: ignore[union-attr]


def test_prompts_that_all_models_answered_judge_without_probabilities(
    truth: np.ndarray, prompts: tuple[np.ndarray, Encode]
) -> None:
    """200 prompts, each put to all three: every choice is matched, and the value is the mean of the matched answers."""
    rows, model = np.repeat(np.arange(200), 3), np.tile(np.arange(3), 200)
    found = proof.prove(log_of(model, truth[rows, model], np.nan, rows), prompts[1])
    line = found.line(OURS)
    assert found.design is Design.SHARED
    assert line.matched == 1.0
    assert line.value is not None
    own = truth[np.arange(100, 200), prompts[0][100:200]].mean()
    assert line.value.value == pytest.approx(own, abs=0.08)
    assert found.recommended is not None
    assert printed.ways_to_tell(found) == ""


def test_shared_prompts_that_tell_nothing_are_no_reason_to_keep_silent_about_chance(
    truth: np.ndarray, prompts: tuple[np.ndarray, Encode]
) -> None:
    """240 prompts were put to a first and a second model by chance: half the choices of a policy were not asked."""
    rows, model = np.repeat(np.arange(240), 2), np.random.default_rng(6).integers(3, size=480)
    found = proof.prove(log_of(model, truth[rows, model], np.nan, rows), prompts[1])

    assert (found.design, found.recommended) == (Design.SHARED, None)
    assert "say so with --randomised" in printed.ways_to_tell(found)


def test_a_policy_whose_choices_had_no_chance_is_not_told(
    truth: np.ndarray, prompts: tuple[np.ndarray, Encode]
) -> None:
    """Speller is drawn for one prompt in a hundred: what depends on it cannot be told, and is not guessed."""
    chance = np.array([0.49, 0.01, 0.5])
    model = np.random.default_rng(4).choice(3, N, p=chance)
    model[: N // 2] = np.random.default_rng(5).choice(3, N // 2)
    given = np.where(np.arange(N) < N // 2, 1 / 3, chance[model])
    model[N // 2 : N // 2 + 12] = 1
    found = proof.prove(log_of(model, truth[np.arange(N), model], given), prompts[1])
    assert found.line(OURS).fault
    assert found.line(OURS).gain is None
    assert finding(found.line(OURS)) is Finding.UNTOLD


def test_two_models_are_needed(randomised: RequestLog, prompts: tuple[np.ndarray, Encode]) -> None:
    alone = randomised.take(randomised.model == "allround")
    with pytest.raises(InputError, match="two are needed"):
        proof.prove(alone, prompts[1])


def test_rows_by_model_and_without_times_are_told_what_is_missing(
    randomised: RequestLog, prompts: tuple[np.ndarray, Encode]
) -> None:
    """All answers of one model stand before those of the next: by rows, the earlier half is `adder` and `allround`."""
    by_model = randomised.take(np.argsort(randomised.model.astype(str), kind="stable"))
    timeless = replace(by_model, at=np.full(N, np.nan))

    with pytest.raises(InputError, match=r"600 requests have no time, .*: add the times \(column at\)"):
        proof.prove(timeless, prompts[1])
    assert proof.prove(by_model, prompts[1]).models == ("adder", "allround", "speller")


def test_requests_without_an_outcome_are_counted_where_too_few_are_left(
    randomised: RequestLog, prompts: tuple[np.ndarray, Encode]
) -> None:
    unrated = replace(randomised, outcome=np.where(np.arange(N) < 20, randomised.outcome, np.nan))

    with pytest.raises(InputError, match=r"no model has 30 rated .* and 580 requests without an outcome do not count"):
        proof.prove(unrated, prompts[1])


def test_without_costs_only_value_counts(randomised: RequestLog, prompts: tuple[np.ndarray, Encode]) -> None:
    found = proof.prove(replace(randomised, cost_usd=np.full(N, np.nan)), prompts[1])
    assert found.incumbent.cost is None
    assert finding(found.line(OURS)) is Finding.BETTER
    assert "$" not in printed.sentence(found)


def test_most_requests_are_the_latest(randomised: RequestLog, prompts: tuple[np.ndarray, Encode]) -> None:
    found = proof.prove(randomised, prompts[1], ProofSettings(most=400))
    assert (found.earlier.requests, found.later.requests) == (200, 200)
    assert found.later.last == randomised.at[-1]
    assert found.remarks[0].startswith("the latest 400 of 600")


def test_requests_with_one_question_are_one() -> None:
    texts = np.asarray(["Which is a moon?", "which is a  moon?", "Which is a planet?"], dtype=object)
    assert evidence.by_prompt(texts).tolist() == [0, 0, 1]


def test_prices_and_names_of_the_catalogue_are_used_where_the_log_has_none(
    make_bundle: Callable[..., object],
) -> None:
    import pyarrow as pa

    from modelsat.data import contracts
    from modelsat.offpolicy import requests

    rows: list[dict[str, object]] = [
        {"candidate": "small", "aliases": ["org/small-1"], "price_in": 1.0, "price_out": 10.0}
    ]
    catalogue: pa.Table = contracts.from_rows(rows, contracts.CANDIDATES)
    told = [
        {"prompt": "a", "model": "org/small-1", "tokens_in": 1000, "tokens_out": 100},
        {"prompt": "b", "model": "small", "tokens_in": 1000, "tokens_out": 100, "cost_usd": 0.5},
        {"prompt": "c", "model": "other", "tokens_in": 1000, "tokens_out": 100},
    ]
    log = requests.with_catalogue(requests.of_rows(told), catalogue)
    assert log.model.tolist() == ["small", "small", "other"]
    # 1,000 tokens at 1 USD and 100 at 10 USD per million.
    assert log.cost_usd[:2].tolist() == pytest.approx([0.002, 0.5])
    assert np.isnan(log.cost_usd[2])
