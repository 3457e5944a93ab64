"""Two controls of collecting, instructing, training and judging: nothing is found in noise, what was planted is found.

Both train the packaged MiniLM on a part of the sample, with a short recipe.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from modelsat.aptitude.instructions import build
from modelsat.bundle import bundle
from modelsat.data import sample
from modelsat.data.collection import collect
from modelsat.evaluation.contest import Contest
from modelsat.evaluation.table import CHALLENGER
from modelsat.evaluation.verdict import GateOutcome
from modelsat.steps import evaluate, finetune

pytestmark = pytest.mark.slow

PLANTED, SPECIALIST = "calendar", "planted-specialist"
RECIPE = """
max_tokens: 64
connector_steps: {steps}
epochs: 0.25
"""


@dataclass(frozen=True)
class Judged:
    """A contest, the challenger's bundle, and whatever it chose in it."""

    contest: Contest
    router: Path

    @property
    def chosen(self) -> np.ndarray:
        return self.contest.evaluation.choices[CHALLENGER]

    def rows(self, category: str) -> np.ndarray:
        return np.asarray([label.split("/")[-1] == category for label in self.contest.arena.labels])


def judge(folder: Path, steps: int) -> Judged:
    collection = collect([str(folder / "scores")])
    collection.write(folder / "collected")
    build(collection).write(folder / "instructions")
    (folder / "short.yaml").write_text(RECIPE.format(steps=steps), encoding="utf-8")
    router, predictions, page, work = (folder / name for name in ("router", "predictions", "page.html", "work"))
    settings = finetune.FinetuneSettings(recipe=str(folder / "short.yaml"))
    finetune.run(folder / "instructions", router, predictions, page, work, settings)
    return Judged(evaluate.run(folder / "collected", router, predictions, str(folder / "champions")), router)


@pytest.fixture(scope="module")
def permuted(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """The sample with every score column permuted for itself: no prompt tells anything about any candidate."""
    folder = tmp_path_factory.mktemp("permuted")
    sample.write(folder / "scores", prompts=800)
    sample.permute_scores(folder / "scores", seed=1)
    return judge(folder, 60)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """The sample with one more candidate: right on every prompt of one category, wrong on all others."""
    folder = tmp_path_factory.mktemp("planted")
    sample.write(folder / "scores", prompts=1200)
    sample.plant_specialist(folder / "scores", PLANTED, SPECIALIST)
    return judge(folder, 150)


def test_nothing_is_found_where_there_is_nothing(permuted: Judged) -> None:
    gain = permuted.contest.verdict.gain

    assert gain.low <= 0 <= gain.high
    assert permuted.contest.verdict.outcome is GateOutcome.DO_NOT_ROUTE


def test_do_not_route_serves_the_best_single_candidate(permuted: Judged, tmp_path: Path) -> None:
    evaluate.write_fallback(permuted.contest, permuted.router, tmp_path / "fallback")

    served = bundle.read(tmp_path / "fallback")
    chosen = served.success_probability(["What is 17 * 23?", "Spell 'rhythm'"]).argmax(axis=1)
    arena = permuted.contest.arena
    assert permuted.contest.promotes
    assert {served.names[i] for i in chosen} == {arena.candidates[i] for i in arena.best_single}


def test_planted_specialist_gets_its_prompts(planted: Judged) -> None:
    rows = planted.rows(PLANTED)
    its = planted.chosen == planted.contest.arena.candidates.index(SPECIALIST)

    assert rows.sum() >= 10
    # Where another candidate is as good as certain, it may be taken instead.
    assert its[rows].mean() >= 0.8
    assert planted.contest.evaluation.correct[CHALLENGER][rows].mean() >= 0.95
    assert its[~rows].mean() <= 0.05


def test_planted_specialist_is_a_reason_to_promote(planted: Judged) -> None:
    assert planted.contest.verdict.outcome is GateOutcome.PROMOTED
    assert planted.contest.verdict.gain.low > 0
