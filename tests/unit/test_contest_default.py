"""A challenger is judged with its balanced default, and at its best where the default gives too little."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelsat.bundle.bundle import Bundle
from modelsat.challenger.predictions import prediction_rows
from modelsat.data import collection, contracts
from modelsat.data.collection import Collection
from modelsat.evaluation import arena, contest
from modelsat.evaluation.table import BEST_END, BEST_SINGLE, CHALLENGER
from modelsat.evaluation.verdict import GateOutcome
from modelsat.policy.promise import Promise
from modelsat.routers.constant import Constant

NAMES = ("cheap", "dear")


class Reader(Constant):
    """Knows that `cheap` answers easy questions alone, and `dear` nearly all."""

    def success_probability(self, texts: Any, progress: Any = None) -> np.ndarray:  # noqa: ARG002
        easy = np.asarray(["easy" in text for text in texts])
        return np.column_stack([np.where(easy, 0.97, 0.1), np.full(len(easy), 0.95)]).astype(np.float32)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """600 questions: `cheap` answers the easy half, `dear` all but every tenth; `dear` costs ten times as much."""
    folder = tmp_path_factory.mktemp("results")
    kinds = ["easy" if i % 2 else "hard" for i in range(600)]
    prompts = "".join(f"p{i},b,c,Which {kind} question has number {i}?\n" for i, kind in enumerate(kinds))
    scores = "".join(f"p{i},{kind == 'easy':d},{i % 10 > 0:d}\n" for i, kind in enumerate(kinds))
    (folder / "prompts.csv").write_text("prompt_id,benchmark,category,prompt\n" + prompts)
    (folder / "scores.csv").write_text("prompt_id,cheap,dear\n" + scores)
    (folder / "models.csv").write_text("model,price_in,price_out\ncheap,1,1\ndear,10,10\n")
    return collection.collect([str(Path(folder))])


def judged(results: Collection, promised: Promise | None) -> contest.Contest:
    """Judge the reader with a promise in its lineage."""
    lineage = {"data_digest": "d", "mean_score": {"cheap": 0.5, "dear": 0.9}}
    bundle = Bundle(
        router=Reader(NAMES, np.asarray([0.5, 0.9])),
        candidates=results.candidates,
        aptitude_test=contracts.APTITUDE_TEST.empty_table(),
        cards=contracts.CARDS.empty_table(),
        calibration=np.asarray,  # type: ignore[arg-type]
        lineage=lineage | ({"promise": promised.as_json()} if promised else {}),
        digest="x",
    )
    found = arena.build(results)
    rows = prediction_rows(CHALLENGER, bundle.success_probability(found.texts), found.prompt_ids, "x")
    return contest.run(results, bundle, rows, None)


def test_default_is_judged_by_what_it_saves_and_its_promise_stands_in_the_verdict(results: Collection) -> None:
    promised = Promise("dear", 0.2, 0.003, 0.95, 0.0, 0.0, 0.55, 500)

    found = judged(results, promised)

    # Easy questions go to `cheap`, which answers all of them: half of the prompts at a tenth of the price.
    cost = {line.name: line.cost_usd_per_1k for line in found.evaluation.lines}
    assert cost[CHALLENGER] == pytest.approx(0.55 * cost[BEST_SINGLE], rel=0.05)
    assert found.verdict.outcome is GateOutcome.PROMOTED
    assert promised.sentence() in found.sentence()
    assert found.singles is not None
    assert found.singles.names == NAMES


def test_default_that_is_the_best_single_is_promoted_for_its_best_end_alone(results: Collection) -> None:
    found = judged(results, Promise("dear", None, 0.003, 0.95, 0.0, 0.0, 1.0, 500))

    assert found.evaluation.line(CHALLENGER).gain.value == 0.0
    assert set(found.served[CHALLENGER]) == {"dear"}
    assert found.evaluation.line(BEST_END).gain.value >= 0.0
    assert found.verdict.outcome is GateOutcome.PROMOTED
    assert found.verdict.reason.endswith("with auto:best")


def test_best_end_promotes_no_router_whose_default_is_worse(results: Collection) -> None:
    """At weight 1 `cheap` answers all prompts, right on half of them where `dear` is on nine of ten."""
    found = judged(results, Promise("dear", 1.0, 0.003, 0.95, 0.0, 0.0, 0.1, 500))

    assert set(found.served[CHALLENGER]) == {"cheap"}
    assert found.evaluation.line(BEST_END).gain.value >= 0.0
    assert found.verdict.outcome is GateOutcome.DO_NOT_ROUTE
    assert found.verdict.reason.endswith("; with auto:best alone it would be promoted")


def test_router_that_promises_nothing_is_judged_as_before(results: Collection) -> None:
    found = judged(results, None)

    assert BEST_END not in {line.name for line in found.evaluation.lines}
    assert found.promise is None
    assert "By default" not in found.sentence()
