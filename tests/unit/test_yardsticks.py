"""The changed router beside the obvious: figures worked by hand, and when the verdict warns."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modelsat.bundle.bundle import Bundle
from modelsat.data import splits
from modelsat.data.collection import Collection
from modelsat.evaluation.verdict import GateOutcome
from modelsat.onboarding import change as changes
from modelsat.onboarding import shadow, yardsticks
from modelsat.onboarding.change import Action, Change
from modelsat.onboarding.yardsticks import Yardsticks
from modelsat.reports import onboarded
from modelsat.statistics import Interval

NAMES = ("ada", "bob", "new")
ADA, NEW = 0, 2
ADD = Change(Action.ADD, "new")


def measured(ada: list[float], new: list[float], after: list[int]) -> Yardsticks:
    """Measure a router that takes `ada` or `new` beside a champion that always takes `ada`."""
    truth = np.column_stack([ada, np.zeros(len(ada)), new])
    found = yardsticks.measure(truth, np.zeros(len(ada), dtype=int), np.asarray(after), ADA, NEW, NAMES)
    assert found is not None
    return found


def test_router_champion_best_single_and_newcomer_are_scored_on_the_same_prompts() -> None:
    # On the last prompt the newcomer was not run, so it counts for nobody.
    found = measured([1, 1, 0, 0, 1], [1, 0, 1, 1, np.nan], after=[0, 0, 2, 0, 0])

    assert found.prompts == 4
    assert [(one.name, one.accuracy.value, one.gain.value) for one in found.lines] == [
        ("changed router", 0.75, 0.25),
        ("champion as it is", 0.5, 0.0),
        ("always ada", 0.5, 0.0),
        ("always new", 0.75, 0.25),
    ]
    assert (found.over_best.value, found.over_changed.value) == (0.25, 0.0)


def test_gain_is_paired_so_an_equal_newcomer_has_an_interval_of_no_width() -> None:
    found = measured([1, 0] * 20, [1, 0] * 20, after=[2] * 40)

    assert found.over_best == Interval(0.0, 0.0, 0.0)
    assert found.lines[3].accuracy.low < 0.5 < found.lines[3].accuracy.high


def test_newcomer_that_beats_the_best_single_and_gets_nothing_is_a_warning() -> None:
    found = measured([1, 0, 0, 0], [1, 1, 0, 0], after=[0] * 4)

    told = yardsticks.warning(found, "new", 0.0)
    assert told.startswith("new gets no traffic, although it scored on the same 4 prompts 25.0 (")
    assert "points more than ada, the champion's best single candidate" in told
    assert "next to no traffic" in yardsticks.warning(found, "new", 0.004)
    assert yardsticks.warning(found, "new", 0.01) == ""


def test_newcomer_that_is_no_better_than_the_best_single_gets_nothing_in_silence() -> None:
    assert yardsticks.warning(measured([1, 0, 1, 0], [0, 1, 1, 0], after=[0] * 4), "new", 0.0) == ""


def test_router_that_is_surely_worth_less_than_always_the_newcomer_is_a_warning() -> None:
    # 30 of 40 prompts lost against always taking it.
    found = measured([0] * 40, [1] * 40, after=[2] * 10 + [0] * 30)

    told = yardsticks.warning(found, "new", 0.25)

    assert told.startswith("always taking new was worth 75.0 (+6")


def test_expected_scores_are_as_uncertain_as_the_level_of_the_newcomer() -> None:
    # 0.6 against 0.5 everywhere; a standard deviation of 0.1 is 0.196 to either side. A router that takes the newcomer
    # on a quarter of the prompts feels a quarter of that.
    probabilities = np.tile([0.5, 0.4, 0.6], (400, 1))
    nothing, quarter = np.zeros(400, dtype=int), np.where(np.arange(400) < 100, NEW, ADA)

    found = yardsticks.measure(probabilities, nothing, quarter, ADA, NEW, NAMES, 0.1)

    assert found is not None
    assert not found.observed
    assert found.over_best.value == pytest.approx(0.1)
    assert (found.over_best.low, found.over_best.high) == pytest.approx((-0.096, 0.296), abs=0.02)
    gain = found.lines[0].gain
    assert (gain.value, gain.high - gain.low) == pytest.approx((0.025, 0.392 / 4), abs=0.012)
    assert yardsticks.warning(found, "new", 0.0).startswith(
        "new gets no traffic, although it is expected to score 10.0"
    )


def test_nothing_is_measured_where_no_prompt_is_known_of_all() -> None:
    truth = np.array([[1.0, 0.0, np.nan], [np.nan, 1.0, 1.0]])
    first = np.zeros(2, dtype=int)

    assert yardsticks.measure(truth, first, first, ADA, NEW, NAMES) is None
    assert yardsticks.warning(None, "new", 0.0) == ""


@pytest.fixture
def champion(make_bundle: Callable[..., Bundle]) -> Bundle:
    """Bundle that expects 0.9 of `ada` and gives it everything; its aptitude test is empty."""
    facts = {"mean_score": {"ada": 0.9, "bob": 0.4}, "trained_on": ["ada", "bob"], "data_digest": "d", "sources": []}
    return make_bundle({"ada": 0.9, "bob": 0.4}, lineage=facts)


def test_silent_success_is_told_in_verdict_and_page_with_the_newcomer_at_share_0(
    champion: Bundle,
    make_collection: Callable[..., Collection],
    texts_in: Callable[[str, int, str], list[str]],
    tmp_path: Path,
) -> None:
    texts = texts_in(splits.TEST, 100, "Held out")
    half = (np.arange(100) % 2).astype(float)
    # The champion expects too much of `ada`: the newcomer is right on every prompt, `ada` on every second.
    results = make_collection(np.column_stack([half, half * 0, half * 0 + 1]), texts, ("ada", "bob", "new"))
    made = changes.apply(champion, ADD, replace(results, scores=results.scores.slice(0, 0)), {})

    found = shadow.compare(champion, made, results, ADD)
    verdict = shadow.judge(found, ADD, 0.05)
    onboarded.write(found, verdict, ADD, tmp_path / "shadow.html", "")

    assert found.after == {"ada": 1.0, "new": 0.0}
    assert verdict.outcome is GateOutcome.PROMOTED
    told = onboarded.sentence(verdict)
    assert "Warning: new gets no traffic, although it scored on the same 100 prompts 50.0 (" in told
    page = (tmp_path / "shadow.html").read_text()
    assert 'class="lead warn"' in page
    assert ">new</text>" in page
    assert "always new" in page
    assert "100.0 %" in page
