"""Feedback is believed as far as is said: no client moves a candidate further, and attackers move little."""

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelsat.feedback import believed, protection
from modelsat.feedback.believed import chance_of_constant, not_believed
from modelsat.feedback.protection import ProtectionLimits, protect
from modelsat.feedback.votes import OPERATOR, Votes, by_prompt

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ANYBODY = believed.BeliefLimits(constant_chance=0.0, most_contradiction=1.0, deviations=np.inf)
"""Everybody is believed, so that shares alone protect."""
ANYTHING = ProtectionLimits(most_departure=1.0, clients=ANYBODY)


def make(rows: Sequence[Any], expected: float = 0.5) -> Votes:
    """Return votes of (giver, candidate, score), on prompts of their own where no prompt and id follow."""
    rows = [row if len(row) == 5 else (*row, f"prompt-{i}", f"id-{i}") for i, row in enumerate(rows)]
    givers, candidates, scores, prompts, ids = zip(*rows, strict=True)
    n = len(rows)
    return Votes(
        ids=np.asarray(ids, dtype=object),
        candidates=np.asarray(candidates, dtype=object),
        givers=np.asarray(givers, dtype=object),
        prompts=np.asarray(prompts, dtype=object),
        scores=np.asarray(scores, dtype=np.float64),
        expected=np.full(n, expected),
        known=np.full(n, np.nan),
        has_text=np.ones(n, dtype=bool),
    )


def halves(giver: str, candidate: str, n: int) -> list[tuple[str, str, float]]:
    """Return n votes of which every second is good."""
    return [(giver, candidate, float(i % 2)) for i in range(n)]


def counted(judged: protection.Protected) -> int:
    return int((judged.reasons == "").sum())


@pytest.mark.parametrize(("praised", "chance"), [(9, 0.5**9), (10, 0.5**10)])
def test_the_same_vote_throughout_is_as_likely_as_the_others_make_it(praised: int, chance: float) -> None:
    """The others praise 2 of 4, by Laplace's rule 3 of 6: ten in a row are one chance in 1,024."""
    votes = make([*halves("b", "x", 4), *[("a", "x", 1.0)] * praised])

    assert chance_of_constant(votes, np.flatnonzero(votes.givers == "a")) == pytest.approx(chance)
    assert not_believed(votes) == ({"a": believed.CONSTANT} if praised == 10 else {})


def test_client_whose_votes_differ_is_not_constant() -> None:
    votes = make([*halves("b", "x", 4), *[("a", "x", 1.0)] * 30, ("a", "x", 0.9)])

    assert chance_of_constant(votes, np.flatnonzero(votes.givers == "a")) == 1.0


@pytest.mark.parametrize(("known", "out"), [([1, 0] * 5, True), ([1, 0] * 4 + [0.5, 0.5], False), ([1, 0] * 4, False)])
def test_client_that_contradicts_the_operator_is_not_believed(known: list[float], out: bool) -> None:
    """Votes are 0, 1, 0, 1, ...: always wrong; wrong by 0.9 on average is too much, nine answers are too few to say."""
    votes = make(halves("a", "x", len(known)))
    limits = believed.BeliefLimits(most_contradiction=0.9)

    found = not_believed(replace(votes, known=np.asarray(known, dtype=float)), limits)

    assert found == ({"a": believed.CONTRADICTS} if out else {})


@pytest.mark.parametrize(("n", "out"), [(9, False), (16, True)])
def test_client_apart_from_all_others_is_not_believed(n: int, out: bool) -> None:
    """The others get what was expected; 0.5 more is beyond 3.5 x 0.5 / sqrt(n) with 16 votes (0.44), not 9 (0.58)."""
    others = [vote for giver in "bcdef" for vote in halves(giver, "x", 20)]
    # Two scores, so that it is not constant; their mean is 1.
    votes = make([*others, *[("a", "x", 1.0)] * (n - 1), ("a", "x", 1.0 - 1e-9)])

    assert not_believed(votes) == ({"a": believed.APART} if out else {})


def test_where_clients_differ_anyway_nobody_stands_apart_early() -> None:
    """Means of 0.1, 0.3, 0.5, 0.7, 0.9: the median distance is 0.2, so 0.4 from the median is usual."""
    spread = {"b": 2, "c": 6, "d": 10, "e": 14, "f": 18}
    votes = make([(giver, "x", float(i < good)) for giver, good in spread.items() for i in range(20)])

    assert not_believed(votes) == {}


def test_a_client_counts_with_its_share_alone() -> None:
    limits = ProtectionLimits(most_per_client=10, most_share=0.05, most_departure=1.0, clients=ANYBODY)
    votes = make([("loud", "x", 1.0)] * 500 + [(f"quiet-{i}", "x", 0.0) for i in range(190)])

    judged = protect(votes, limits)

    assert limits.least_prompts == 200
    assert (judged.reasons == protection.BEYOND_SHARE).sum() == 490
    assert judged.standings[0].mean == pytest.approx(500 / 690)
    assert judged.standings[0].learned_mean == pytest.approx(10 / 200)


def test_candidate_with_too_few_prompts_is_not_learned() -> None:
    votes = make([(f"client-{i % 40}", "x", float(i % 2)) for i in range(199)])

    judged = protect(votes, ANYTHING)

    assert set(judged.reasons) == {protection.TOO_FEW}
    assert np.isnan(judged.standings[0].learned_mean)


def test_many_votes_on_one_prompt_are_one_prompt() -> None:
    votes = make([(f"client-{i}", "x", float(i % 2), "the same", f"id-{i}") for i in range(400)])

    assert set(protect(votes, ANYTHING).reasons) == {protection.TOO_FEW}
    assert by_prompt(votes, np.ones(400, dtype=bool), "x") == {"the same": 0.5}


def test_the_operator_is_believed_whatever_the_share_and_stands_for_the_client_it_judged() -> None:
    votes = make([(OPERATOR, "x", 1.0), ("a", "x", 0.0)])
    votes = replace(votes, prompts=np.asarray(["p", "p"], dtype=object), known=np.asarray([np.nan, 1.0]))

    judged = protect(votes)

    assert judged.reasons.tolist() == ["", protection.JUDGED]
    assert judged.standings[0].learned_mean == 1.0


def test_what_has_no_text_is_not_learned() -> None:
    votes = make([(OPERATOR, "x", 1.0), (OPERATOR, "x", 0.0)])

    judged = protect(replace(votes, has_text=np.asarray([True, False])))

    assert judged.reasons.tolist() == ["", protection.NO_TEXT]


def pools(excess: dict[str, float]) -> Votes:
    """Return votes of 20 clients, ten on each candidate, that exceed what was expected by so much."""
    rows = [(f"client-{i}", name, 0.5 + more) for name, more in excess.items() for i in range(20) for _ in range(10)]
    return make(rows)


def test_candidate_that_departs_from_what_was_expected_is_quarantined_until_somebody_accepts_it() -> None:
    """All others exceed by 0, `pushed` by 0.3, and clients agree: the interval is 0.3 to 0.3."""
    limits = ProtectionLimits(clients=ANYBODY)
    votes = pools({"a": 0.0, "b": 0.0, "pushed": 0.3})

    judged, accepted = protect(votes, limits), protect(votes, limits, accepted={"pushed"})

    assert [one.quarantined for one in judged.standings] == [False, False, True]
    departure = judged.standings[2].departure
    assert departure is not None
    assert (departure.value, departure.low, departure.high) == pytest.approx((0.3, 0.3, 0.3))
    assert set(judged.reasons[votes.candidates == "pushed"]) == {protection.QUARANTINED}
    assert counted(judged) == 400
    assert counted(accepted) == 600


def test_kindness_to_all_candidates_is_no_departure() -> None:
    judged = protect(pools({"a": 0.3, "b": 0.3, "c": 0.3}), ProtectionLimits(clients=ANYBODY))

    assert [one.quarantined for one in judged.standings] == [False] * 3


def test_of_two_candidates_that_differ_both_are_quarantined() -> None:
    """Who of the two was pushed, nobody can say."""
    judged = protect(pools({"a": 0.0, "b": 0.3}), ProtectionLimits(clients=ANYBODY))

    assert [one.quarantined for one in judged.standings] == [True, True]


def test_departure_within_the_clients_disagreement_is_learned() -> None:
    """Half of the clients exceed by 0.5, half fall short by 0.4: on average 0.05, which may be chance."""
    rows = [(f"client-{i}", "c", 1.0 if i % 2 else 0.1) for i in range(20) for _ in range(10)]
    usual = [(f"client-{i}", name, 0.5) for name in "ab" for i in range(20) for _ in range(10)]

    judged = protect(make([*usual, *rows]), ProtectionLimits(clients=ANYBODY))

    assert not judged.standings[2].quarantined


SHARE = ProtectionLimits(most_per_client=2, most_share=0.25, most_departure=1.0, clients=ANYBODY)


def spoken(givers: str, least: int, most: int) -> st.SearchStrategy[list[Any]]:
    prompts = st.integers(0, 40).map("prompt-{}".format)
    row = st.tuples(st.sampled_from(givers), st.just("x"), st.sampled_from([0.0, 0.3, 1.0]), prompts)
    return st.lists(row, min_size=least, max_size=most)


ROWS = st.tuples(spoken("a", 2, 8), spoken("bcdef", 6, 20)).map(
    lambda parts: [(*row, f"id-{i}") for i, row in enumerate(parts[0] + parts[1])]
)
"""Votes of a loud client and of five others."""


def mean(rows: Sequence[Any]) -> float:
    return protect(make(rows), SHARE).standings[0].learned_mean if rows else float("nan")


@given(rows=ROWS)
def test_no_client_that_comes_or_goes_moves_a_mean_by_more_than_its_share(rows: list[Any]) -> None:
    """The loud client praises what the others hardly like."""
    rows = [(*row[:2], 1.0 if row[0] == "a" else 0.1 * row[2], *row[3:]) for row in rows]
    whole = mean(rows)

    for giver in "abcdef":
        without = mean([row for row in rows if row[0] != giver])
        assert np.isnan(whole) or np.isnan(without) or abs(whole - without) <= SHARE.most_share + 1e-12


@given(rows=ROWS, lie=st.sampled_from([0.0, 1.0]))
def test_no_client_that_lies_moves_a_mean_by_more_than_its_share(rows: list[Any], lie: float) -> None:
    honest = mean(rows)
    assume(not np.isnan(honest))

    for giver in "abcdef":
        lied = mean([(*row[:2], lie, *row[3:]) if row[0] == giver else row for row in rows])
        assert abs(lied - honest) <= SHARE.most_share + 1e-12


@pytest.fixture(scope="module")
def attack() -> Iterator[ModuleType]:
    """Import the benchmark as a script does, and forget it after."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("feedback_attack")
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("kind", "share", "moves", "at_most"),
    [("blunt", 0.01, 1.0, 0.5), ("blunt", 0.2, 20.0, 2.0), ("flood", 0.01, 2.0, 1.0), ("flood", 0.05, 8.0, 3.0)],
)
def test_attackers_move_a_candidate_much_less_than_they_would(
    attack: ModuleType, kind: str, share: float, moves: float, at_most: float
) -> None:
    """In points of the mean of `target`; a client alone may move it by 5, and 5 % of the clients by 5 together."""
    honest, attacked = (attack.outcome(attack.draw(kind, some, seed=0)) for some in (0.0, share))

    assert 100 * (attacked.mean - honest.mean) > moves
    assert 100 * abs(attacked.learned_mean - honest.learned_mean) < at_most


def test_figures_of_the_page_are_those_that_were_measured(attack: ModuleType) -> None:
    rows = json.loads(attack.INTO.read_text())["rows"]

    assert attack.table(rows) in (BENCHMARKS.parent / "docs" / "feedback.md").read_text()


def test_honest_clients_are_believed_and_nobody_is_quarantined(attack: ModuleType) -> None:
    votes = attack.draw("careful", 0.0, seed=0)

    judged = protect(votes)

    assert not_believed(votes) == {}
    assert not any(one.quarantined for one in judged.standings)
    assert counted(judged) > 0.8 * len(votes.ids)


def test_attack_beneath_notice_is_caught_where_it_moves_the_candidate_itself(attack: ModuleType) -> None:
    """Each of 40 careful attackers is believed; together they push `target` out of what was expected."""
    votes = attack.draw("careful", 0.2, seed=1)

    assert not_believed(votes) == {}
    assert attack.outcome(votes).quarantined
