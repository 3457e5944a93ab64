"""Dollars, tokens and seconds beside the scores: read, checked, merged and used before list prices."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from modelsat.bundle import pool
from modelsat.data import collection, contracts, paid, validation
from modelsat.data.collection import Collection
from modelsat.evaluation import arena
from modelsat.policy import costs
from modelsat.routers.fusion import cost_head

PROMPTS = "prompt_id,benchmark,category,prompt\np1,sums,easy,What is 1 + 1?\np2,words,,Spell cat\n"
SCORES = "prompt_id,ada,bob\np1,1,0\np2,0,1\n"

Collect = Callable[..., Collection]


@pytest.fixture
def collect(tmp_path: Path) -> Collect:
    """Return a function that writes CSV files into folders (`a__scores` is scores.csv in folder a) and collects all."""

    def read(**files: str) -> Collection:
        for name, content in files.items():
            folder, _, stem = name.rpartition("__")
            path = tmp_path / (folder or "one") / f"{stem}.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        return collection.collect([str(one) for one in sorted(tmp_path.iterdir())])

    return read


def measured(found: Collection, field: str) -> dict[tuple[str, str], object]:
    return {(row["candidate"], row["prompt_id"]): row[field] for row in found.scores.to_pylist()}


def test_table_of_measures_beside_wide_scores_is_joined_by_prompt_and_model(collect: Collect) -> None:
    measures = "prompt_id,model,cost,prompt_tokens,completion_tokens,latency_s\np1,ada,0.02,100,50,1.5\np2,bob,0,,,\n"

    found = collect(prompts=PROMPTS, scores=SCORES, measures=measures)

    assert measured(found, "cost_usd") == {
        ("ada", "p1"): 0.02, ("ada", "p2"): None, ("bob", "p1"): None, ("bob", "p2"): 0.0,
    }  # fmt: skip
    assert measured(found, "tokens_in")["ada", "p1"] == 100
    assert measured(found, "tokens_out")["ada", "p1"] == 50
    assert measured(found, "latency_seconds")["ada", "p1"] == 1.5


def test_table_of_the_shape_of_the_scores_gives_one_measure(collect: Collect) -> None:
    found = collect(prompts=PROMPTS, scores=SCORES, cost_usd="prompt_id,ada,bob\np1,0.1,0.2\np2,0.3,\n")

    assert measured(found, "cost_usd") == {
        ("ada", "p1"): 0.1, ("bob", "p1"): 0.2, ("ada", "p2"): 0.3, ("bob", "p2"): None,
    }  # fmt: skip


def test_cost_in_a_column_beside_each_score_is_read(collect: Collect) -> None:
    found = collect(prompts=PROMPTS, scores="prompt_id,ada_score,ada_cost,bob_score,bob_cost\np1,1,0.01,0,0.02\n")

    assert measured(found, "cost_usd") == {("ada", "p1"): 0.01, ("bob", "p1"): 0.02}


@pytest.mark.parametrize("columns", ["{0}_tokens_in,{0}_tokens_out", "tokens_in_{0},tokens_out_{0}"])
def test_counted_tokens_in_columns_beside_each_score_are_read(collect: Collect, columns: str) -> None:
    named = ",".join(f"{name},{columns.format(name)}" for name in ("ada", "bob"))

    found = collect(prompts=PROMPTS, scores=f"prompt_id,{named}\np1,1,100,50,0,200,70\n")

    assert measured(found, "tokens_in") == {("ada", "p1"): 100, ("bob", "p1"): 200}
    assert measured(found, "tokens_out") == {("ada", "p1"): 50, ("bob", "p1"): 70}


@pytest.mark.parametrize("name", ["latency", "response_time", "latency_ms"])
def test_time_without_seconds_in_its_name_is_left_out_with_a_sentence(collect: Collect, name: str) -> None:
    long = f"prompt_id,model,score,{name}\np1,ada,1,850\np1,bob,0,900\n"
    wide = f"prompt_id,ada_score,ada_{name},bob_score,bob_{name}\np2,1,850,0,900\n"
    measures = f"prompt_id,model,cost_usd,{name}\np1,ada,0.1,850\n"

    found = collect(prompts=PROMPTS, scores_a=long, scores_b=wide, measures=measures)

    assert set(measured(found, "latency_seconds").values()) == {None}
    assert measured(found, "cost_usd")["ada", "p1"] == 0.1
    for table, column in (("scores_a", name), ("scores_b", f"ada_{name}"), ("measures", name)):
        assert any(f"{table}.csv" in note and repr(column) in note for note in found.notes), table


@pytest.mark.parametrize("cost", ["-0.01", "5000", "inf", "cheap"])
def test_impossible_cost_is_left_out_with_a_sentence_and_never_becomes_zero(collect: Collect, cost: str) -> None:
    found = collect(prompts=PROMPTS, scores=f"prompt_id,model,score,cost_usd\np1,ada,1,{cost}\np1,bob,0,0.1\n")

    assert measured(found, "cost_usd") == {("ada", "p1"): None, ("bob", "p1"): 0.1}
    assert any("cost_usd" in note and "is left out" in note for note in found.notes)
    assert found.rejects.num_rows == 0


def test_missing_cost_is_no_fault(collect: Collect) -> None:
    found = collect(prompts=PROMPTS, scores="prompt_id,model,score,cost_usd\np1,ada,1,\np1,bob,0,nan\n")

    assert set(measured(found, "cost_usd").values()) == {None}
    assert not any("cost" in note for note in found.notes)


def test_measures_of_an_answer_without_a_score_are_named(collect: Collect) -> None:
    found = collect(prompts=PROMPTS, scores=SCORES, measures="prompt_id,model,cost_usd\np1,cy,0.1\n")

    assert any("measures of 1 answers have no score, such as 'cy' on 'p1'" in note for note in found.notes)


def test_two_costs_of_one_answer_are_a_contradiction_and_none_is_used(collect: Collect) -> None:
    found = collect(prompts=PROMPTS, scores=SCORES, measures="prompt_id,model,cost_usd\np1,ada,0.1\np1,ada,0.2\n")

    assert measured(found, "cost_usd")["ada", "p1"] is None
    assert any("1 measures have two values" in note for note in found.notes)


def test_same_score_from_two_sources_keeps_the_cost_that_one_of_them_has(collect: Collect) -> None:
    long = "prompt_id,model,score,cost_usd\np1,ada,1,0.5\np1,bob,0,0.25\n"

    found = collect(a__prompts=PROMPTS, a__scores=SCORES, b__prompts=PROMPTS, b__scores=long)

    assert measured(found, "cost_usd")["ada", "p1"] == 0.5
    assert measured(found, "cost_usd")["ada", "p2"] is None


def test_digest_changes_with_what_was_paid_and_is_the_old_one_where_nothing_was(collect: Collect) -> None:
    without = collect(prompts=PROMPTS, scores=SCORES).digest()
    cheap = collect(prompts=PROMPTS, scores=SCORES, measures="prompt_id,model,cost_usd\np1,ada,0.1\n").digest()
    dear = collect(prompts=PROMPTS, scores=SCORES, measures="prompt_id,model,cost_usd\np1,ada,0.2\n").digest()

    assert len({without, cheap, dear}) == 3


def many(n: int = 60) -> dict[str, str]:
    """Return n prompts that ada answers for 0.2 USD and bob for nothing that is known; both have list prices."""
    prompts = "".join(f"p{i},b,c,Question number {i} of {n}?\n" for i in range(n))
    scores = "".join(f"p{i},ada,{i % 2},0.2\np{i},bob,{i % 3 == 0:d},\n" for i in range(n))
    return {
        "prompts": "prompt_id,benchmark,category,prompt\n" + prompts,
        "scores": "prompt_id,model,score,cost_usd\n" + scores,
        "models": "model,price_in,price_out\nada,1,1\nbob,1,1\n",
    }


def test_measured_cost_comes_before_the_list_price_and_a_candidate_without_keeps_its_list_price(
    collect: Collect,
) -> None:
    found = arena.build(collect(**many()))

    # 22 characters and 200 tokens of answer at 1 USD per million tokens are about 0.0002 USD.
    assert found.billed[:, found.candidates.index("ada")].tolist() == pytest.approx([0.2] * len(found.billed))
    assert found.billed[:, found.candidates.index("bob")] == pytest.approx(0.0002, rel=0.05)
    # A prompt's expected cost is its list price times what the candidate's answers cost more than that.
    assert found.cost[:, found.candidates.index("ada")] == pytest.approx(0.2, rel=0.01)


def test_fewer_than_twenty_measured_answers_leave_the_list_price_in_expectation(collect: Collect) -> None:
    few = many()
    few["scores"] = few["scores"].replace(",0.2\n", ",\n", 50)

    found = arena.build(collect(**few))

    assert found.cost[:, found.candidates.index("ada")] == pytest.approx(0.0002, rel=0.05)


def test_counted_tokens_at_list_prices_are_what_was_paid_where_no_cost_was_measured(collect: Collect) -> None:
    scores = "prompt_id,model,score,tokens_in,tokens_out\np1,ada,1,1000,500\np1,bob,0,1000,\n"
    found = collect(prompts=PROMPTS, scores=scores, models="model,price_in,price_out\nada,2,10\nbob,2,10\n")

    known = paid.paid(found, ["p1"])

    # 1,000 tokens at 2 and 500 at 10 USD per million are 0.002 + 0.005.
    assert known[0, 0] == pytest.approx(0.007)
    assert np.isnan(known[0, 1])


def test_candidate_without_list_price_costs_its_measured_mean_and_without_either_stays_unknown() -> None:
    listed = np.asarray([[0.01, np.nan, np.nan]])

    found = costs.at_level(listed, np.asarray([0.03, 0.5, np.nan]), np.asarray([3.0, np.nan, np.nan]))

    assert found[0, :2].tolist() == pytest.approx([0.03, 0.5])
    assert np.isnan(found[0, 2])
    # Never cheap: it counts as the most expensive of the prompt.
    assert costs.filled(found)[0].tolist() == pytest.approx([0.03, 0.5, 0.5])


def test_costs_in_another_unit_than_list_prices_are_a_warning_of_validation(collect: Collect) -> None:
    cents = many()
    cents["models"] = "model,price_in,price_out\nada,1000,1000\nbob,1,1\n"

    # 0.2 USD are about a thousand times what 1 USD per million tokens lets expect, and as much as 1,000 USD do.
    told = {check.title: check.passed for check in validation.check(collect(**many())).checks}
    fitting = {check.title: check.passed for check in validation.check(collect(**cents)).checks}

    assert not told["What was paid lies within 100 times of list prices"]
    assert fitting["What was paid lies within 100 times of list prices"]


def head_of(paid_usd: np.ndarray) -> tuple[cost_head.CostHead, np.ndarray, np.ndarray]:
    """Return a head fitted to prompts in two directions, which are long in the second one."""
    n = len(paid_usd)
    vectors = np.eye(2)[np.arange(n) % 2]
    tokens = np.where(np.arange(n) % 2 == 0, 100.0, 1000.0)
    fitted = cost_head.fit(vectors, tokens, paid_usd)
    assert fitted is not None
    return fitted, vectors, tokens


def test_cost_head_tells_dear_prompts_from_cheap_ones() -> None:
    paid_usd = np.where(np.arange(200) % 2 == 0, 0.01, 0.3)[:, None]

    head, vectors, tokens = head_of(paid_usd)

    np.testing.assert_allclose(head(vectors, tokens), paid_usd, rtol=0.02)


def test_cost_head_adds_up_to_what_was_paid_and_not_to_its_middle() -> None:
    # Nine answers in ten cost 0.01, one costs 1: the middle of the logarithms is 0.016, the mean 0.109.
    paid_usd = np.where(np.arange(200) % 10 == 0, 1.0, 0.01)[:, None]

    head, vectors, tokens = head_of(np.random.default_rng(0).permutation(paid_usd))

    assert head(vectors, tokens).mean() == pytest.approx(0.109, rel=0.05)


def test_candidate_with_nineteen_measured_answers_has_no_cost_head() -> None:
    paid_usd = np.full((40, 2), 0.1)
    paid_usd[19:, 1] = np.nan

    head, vectors, tokens = head_of(paid_usd)

    found = head(vectors, tokens)
    assert found[:, 0] == pytest.approx(0.1, rel=0.01)
    assert np.isnan(found[:, 1]).all()
    assert cost_head.fit(vectors, tokens, paid_usd[:, 1:]) is None


def test_newcomer_has_no_cost_head_and_the_others_keep_theirs() -> None:
    head, vectors, tokens = head_of(np.full((40, 2), 0.1))

    wider = head.of([1, 0, -1])(vectors, tokens)

    assert wider[:, :2] == pytest.approx(0.1, rel=0.01)
    assert np.isnan(wider[:, 2]).all()


def test_pool_takes_the_cost_head_then_what_was_paid_then_list_prices() -> None:
    table = contracts.from_rows(
        [{"candidate": name, "price_in": 10.0, "price_out": 10.0} for name in ("a", "b", "c")]
        + [{"candidate": "d"}, {"candidate": "e"}],
        contracts.CANDIDATES,
    )
    lineage = {"paid": {"a": {"usd": 9.0, "over_list": 9.0}, "b": {"usd": 0.5, "over_list": 3.0},
                        "d": {"usd": 0.25, "over_list": None}}}  # fmt: skip
    predicted = np.asarray([[0.7, np.nan, np.nan, np.nan, np.nan]])

    # 800 tokens of prompt and 200 of answer at 10 USD per million are 0.01 USD; b costs three times as much.
    found = pool.of(table, lineage).cost(np.asarray([800.0]), predicted)[0]

    assert found[:4].tolist() == pytest.approx([0.7, 0.03, 0.01, 0.25])
    assert np.isnan(found[4])
