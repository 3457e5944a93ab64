"""A candidate's own results: put the aptitude test to it, keep the answers, and set them beside those of the zoo."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from modelsat.aptitude import frozen_test, published
from modelsat.aptitude.answer_checks import CheckedAnswers
from modelsat.aptitude.frozen_test import AptitudeTest
from modelsat.bundle import admission
from modelsat.bundle.bundle import Bundle
from modelsat.data.answers_folder import ANSWERS, REPORT
from modelsat.data.collection import Collection
from modelsat.io import storage
from modelsat.io.progress import StepProgress
from modelsat.onboarding import asking
from modelsat.onboarding.asking import AskingSettings, Plan
from modelsat.onboarding.order import Order
from modelsat.text import rendering


def ask(parent: Bundle, order: Order, settings: AskingSettings, work: Path, store: str) -> str:
    """Put the champion's aptitude test to the candidate and return where its answers are kept.

    Args:
        parent: The champion's bundle, whose test is put; with its router where the questions are chosen adaptively.
        order: Which candidate to ask.
        settings: How to ask.
        work: Folder on this machine where an interrupted test goes on.
        store: Folder or `s3://` prefix that keeps answers; "" leaves them in `work`.

    Raises:
        InputError: The candidate has no endpoint, or none of the questions can be asked.
        ServiceError: The endpoint does not answer.
    """
    candidate = _row(order)
    progress = asking.shown_on(StepProgress("asking questions"))
    into = asking.ask(parent, candidate, _place(order, settings, work), settings, progress)
    if not store:
        return str(into)
    # Named by what was answered: other answers, or some to further questions, never meet a place that is complete.
    answers = pq.read_table(into / ANSWERS, columns=["prompt_id", "answer", "score"]).to_pydict()
    kept = storage.join(store, f"{into.name}-{rendering.digest(json.dumps(answers))[:12]}")
    storage.publish_folder(into, kept, last=REPORT)
    return kept


def plan(parent: Bundle, order: Order, settings: AskingSettings, work: Path) -> Plan:
    """Say what `ask` would do and cost; call nobody and write nothing.

    Raises:
        InputError: As of `ask`.
    """
    return asking.plan(parent, _row(order), _place(order, settings, work), settings)


def is_known_by_published(order: Order, settings: AskingSettings) -> bool:
    """Say whether a candidate has published scores and no endpoint that could be asked."""
    endpoint = settings.endpoint or order.facts.get("endpoint")
    return not endpoint and bool(published.known(order.published.get(order.change.candidate, {})))


def _row(order: Order) -> dict[str, Any]:
    return {**order.facts, "candidate": order.change.candidate}


def _place(order: Order, settings: AskingSettings, work: Path) -> Path:
    """Return the folder of the answers, one for each candidate, revision, test and kind of request."""
    name = order.change.candidate.replace("/", "--")
    parts = [name, order.change.revision, order.test, asking.request_mark(_row(order), settings)]
    return work / "asked" / "-".join(filter(None, parts))


def unreadable(sources: Sequence[str]) -> int:
    """Return how many answers could not be read, by the reports of those who asked."""
    reports = [storage.join(uri, REPORT) for uri in sources if REPORT in storage.names(uri)]
    return sum(int(json.loads(storage.read(report)).get("unreadable", 0)) for report in reports)


def beside_zoo(parent: Bundle, answers: Collection, candidate: str, unparsable: int) -> CheckedAnswers:
    """Return the candidate's answers to the aptitude test and the zoo's to the same questions.

    Args:
        parent: The champion's bundle, which need not hold its router.
        answers: The candidate's own results.
        candidate: Its name there.
        unparsable: How many of them could not be read.
    """
    test = parent.aptitude_test
    own = admission.answers_to_test(AptitudeTest(test, ""), answers, [candidate])
    options = [len(choices or ()) for choices in test["choices"].to_pylist()]
    return CheckedAnswers(
        scores=own[:, 0],
        zoo=frozen_test.outcomes(parent.answers, parent.names, test.num_rows),
        names=parent.names,
        tasks=np.asarray(test["task"].to_pylist(), dtype=object),
        chance=np.asarray([1 / n if n > 1 else 0.0 for n in options]),
        unparsable=unparsable,
    )
