"""One candidate's exam: which questions it still has to answer, what that costs, and the results folder in the end."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from modelsat.bundle.bundle import Bundle
from modelsat.data import answers_folder
from modelsat.errors import InputError
from modelsat.io.atomic import atomic_file
from modelsat.io.chat_endpoint import ChatEndpoint
from modelsat.onboarding.asking import answers_log, bill, keys, questions, results
from modelsat.onboarding.asking.answers_log import AnswersLog, Record
from modelsat.onboarding.asking.bill import Estimate, Prices, Purse
from modelsat.onboarding.asking.client import Endpoint, request_body
from modelsat.onboarding.asking.judge import Judge, JudgeModel
from modelsat.onboarding.asking.pace import RequestPace
from modelsat.onboarding.asking.questions import Test
from modelsat.onboarding.asking.run import AskingProgress, AskingRun, Progress, Question
from modelsat.onboarding.asking.settings import AskingSettings
from modelsat.text.rendering import digest

Candidate = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        questions: How many there are.
        answered: How many were answered before.
        estimate: What the others cost.
        spent_usd: What the answers before cost, as far as it is known.
    """

    questions: int
    answered: int
    estimate: Estimate
    spent_usd: float = 0.0


def plan(
    test: Test, candidate: Candidate, into: Path, settings: AskingSettings, judge: JudgeModel | None = None
) -> Plan:
    """Say what `ask` would do; call nobody and write nothing.

    Raises:
        InputError: As of `ask`.
    """
    settings = settings.for_candidate(candidate)
    exam = _exam(test, candidate, settings, judge)
    path = next((path for path in (_log_beside(into), into / answers_folder.LOG) if path.exists()), _log_beside(into))
    known = answers_log.read(path, exam.heading)
    waiting = exam.without(known)
    estimate = bill.estimate(waiting, exam.prices, settings.longest_answer, bool(candidate.get("reasoning")))
    spent = sum(record["cost_usd"] or 0.0 for record in known.values())
    return Plan(len(exam.questions), len(exam.questions) - len(waiting), estimate, spent)


def request_mark(candidate: Candidate, settings: AskingSettings) -> str:
    """Return a short name for the fields that a candidate is asked with, "" for the usual ones.

    Answers to other fields, such as a longer `max_tokens`, are another run with files of their own.
    """
    fields = settings.for_candidate(candidate).fields()
    return "" if fields == AskingSettings().fields() else digest(json.dumps(fields, sort_keys=True))[:8]


def ask(
    test: Test,
    candidate: Candidate,
    into: Path,
    settings: AskingSettings | None = None,
    progress: Progress | None = None,
    judge: JudgeModel | None = None,
) -> Path:
    """Ask a candidate the questions of an aptitude test, or others, and write a results folder that `collect` reads.

    Answers are kept beside `into` while the run lasts; after a failure or a kill the same call goes on with the
    questions that have none. A finished folder is a beginning too: more questions of the same test are added to it.

    Args:
        test: A bundle, with its router where questions are chosen adaptively, or questions of one's own; only those
            with a gold answer and a scorer can be asked.
        candidate: A row of the contract `CANDIDATES`, as `catalogue.find` gives it; names endpoint and key variable.
        into: Results folder, complete or absent.
        settings: How to ask; None takes the defaults.
        progress: Called after every answer.
        judge: Compares answers with references where questions have the scorer `judge`.

    Returns:
        `into`.

    Raises:
        InputError: The candidate has no endpoint, its key is not set, no question can be asked, or the answers that
            are there belong to another candidate or test.
        ServiceError: The endpoint refuses, or gave no answer to too many questions; the answers so far are kept.
        ConflictError: Another process asks the same.
    """
    settings = (settings or AskingSettings()).for_candidate(candidate)
    exam = _exam(test, candidate, settings, judge)
    address = endpoint_of(candidate, settings)
    began, started_at = time.monotonic(), datetime.now(UTC)
    path = _log_beside(into)
    if not path.exists() and (into / answers_folder.LOG).is_file():
        with atomic_file(path) as beside:
            shutil.copyfile(into / answers_folder.LOG, beside)
    with AnswersLog(path, exam.heading) as log:
        purse = Purse(settings, exam.prices)
        run = partial(AskingRun, exam.questions, log, exam.prices, purse, progress or (lambda _: None))
        waiting = exam.without(log.answers)
        estimate = bill.estimate(waiting, exam.prices, settings.longest_answer, bool(candidate.get("reasoning")))
        standing = asyncio.run(_put(run, _blocks(exam, log, test, settings), address, settings, judge))
        answered = [question for question in exam.questions if question["prompt_id"] in log.answers]
        if not answered:
            raise InputError("the budget does not cover a single question; raise it, or lower max_tokens")
        records = [log.answers[question["prompt_id"]] for question in answered]
        report = {
            **results.report(candidate, address, exam.heading["test"], records),
            **({"judge": judge.name, "judge_usd": _judged_usd(records)} if judge is not None else {}),
            "order": "adaptive" if settings.adaptive else "frozen",
            "questions": len(exam.questions),
            "without_answer": standing.without_answer,
            **({"last_without_answer": standing.last_fault} if standing.last_fault else {}),
            "is_over_budget": standing.is_over_budget,
            "estimated_usd": estimate.usd,
            "started_at": started_at.isoformat(),
            "ended_at": datetime.now(UTC).isoformat(),
            "seconds": round(time.monotonic() - began, 1),
        }
        results.write(into, log.path, report, candidate, answered, records, exam.attribution)
        log.remove()
    return into


@dataclass(frozen=True)
class _Exam:
    questions: list[Question]
    prices: Prices
    heading: dict[str, Any]
    attribution: str

    def without(self, known: Mapping[str, Record]) -> list[Question]:
        return [question for question in self.questions if question["prompt_id"] not in known]


def _exam(test: Test, candidate: Candidate, settings: AskingSettings, judge: JudgeModel | None) -> _Exam:
    asked = questions.askable(test.aptitude_test, settings.questions, judge is not None)
    heading = {
        "candidate": candidate["candidate"],
        "revision": candidate.get("revision"),
        "test": str(asked["version"][0]),
        "wording": questions.WORDING,
        "request": digest(_request(candidate, settings)),
    }
    if judge is not None:
        heading["judge"] = digest(request_body(judge.address.model, "", judge.settings).decode())
    prices = Prices(candidate.get("price_in"), candidate.get("price_out"))
    return _Exam(asked.to_pylist(), prices, heading, test.attribution)


def _blocks(exam: _Exam, log: AnswersLog, test: Test, settings: AskingSettings) -> Iterator[list[Question]]:
    if not settings.adaptive:
        return iter([exam.without(log.answers)])
    if not isinstance(test, Bundle):
        raise InputError("questions are chosen adaptively by a router's outcome surface; ask these all, in their order")
    # The surface comes with torch, which the frozen order does without.
    from modelsat.onboarding.asking.blocks import adaptive_blocks

    return adaptive_blocks(test, exam.questions, log.answers)


async def _put(
    begun: Callable[[Judge | None], AskingRun],
    blocks: Iterator[list[Question]],
    address: ChatEndpoint,
    settings: AskingSettings,
    judge: JudgeModel | None,
) -> AskingProgress:
    async with AsyncExitStack() as open_until_the_end:
        endpoint = await open_until_the_end.enter_async_context(Endpoint(address, settings, RequestPace(settings.rate)))
        asked = await open_until_the_end.enter_async_context(judge.opened()) if judge is not None else None
        run = begun(asked)
        for block in blocks:
            await run.put(block, endpoint, settings.concurrency)
            if run.standing.is_over_budget:
                break
        return run.standing


def _judged_usd(records: Sequence[Record]) -> float | None:
    """Return what the verdicts on all answers cost, None where one's cost is not known."""
    costs = [record["judge_usd"] for record in records if "judge_usd" in record]
    return None if None in costs else round(sum(costs), 6)


def _request(candidate: Mapping[str, Any], settings: AskingSettings) -> str:
    """Return a request without its question; headers only where there are any, so that earlier runs go on."""
    headers = json.dumps(dict(settings.headers), sort_keys=True) if settings.headers else ""
    return request_body(_served_as(candidate), "", settings).decode() + headers


def _served_as(candidate: Candidate) -> str:
    return str(candidate.get("served_as") or candidate["candidate"])


def endpoint_of(candidate: Candidate, settings: AskingSettings) -> ChatEndpoint:
    """Return where a candidate answers, with its key.

    Raises:
        InputError: Neither row nor settings name an endpoint, the address is no address, or the key is not set.
    """
    name, url = candidate["candidate"], settings.endpoint or candidate.get("endpoint")
    if not url:
        raise InputError(f"candidate {name!r} has no endpoint; add one to its catalogue row, or give --endpoint")
    key = keys.required(candidate)
    try:
        return ChatEndpoint(str(url), _served_as(candidate), key)
    except InputError as error:
        raise InputError(f"candidate {name!r}: {error}") from None


def _log_beside(into: Path) -> Path:
    return into.with_name(f"{into.name}.answers.jsonl")
