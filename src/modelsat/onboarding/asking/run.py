"""Asks questions with so many in flight at a time, and keeps every answer as it comes."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from modelsat.errors import InputError, ModelsatError, ServiceError
from modelsat.io.progress import StepProgress
from modelsat.onboarding.asking import replies
from modelsat.onboarding.asking.answers_log import AnswersLog
from modelsat.onboarding.asking.bill import Prices, Purse
from modelsat.onboarding.asking.client import Endpoint, NoAnswer, Reply
from modelsat.onboarding.asking.judge import Judge, NoVerdict
from modelsat.onboarding.asking.questions import JUDGE, wording
from modelsat.onboarding.asking.results import is_cut_off

SHARE_WITHOUT_ANSWER = 0.05
FEWEST_WITHOUT_ANSWER = 4
"""A run stops where more questions than these get no answer at all: then it is not the questions' fault."""

CUT_OFF_AT_FIRST = 8
"""A run stops where so many answers came and all of them were cut off: the rest would be paid for in vain."""

_KEPT_OF_A_REPLY = 500

Question = Mapping[str, Any]


@dataclass(frozen=True)
class AskingProgress:
    """How far a run is.

    Attributes:
        answered: Questions with an answer, those of earlier runs included.
        planned: Questions in all.
        unreadable: Answers that cannot be read, among the answered.
        cut_off: Answers that reached the longest length before they said anything, among those not readable.
        without_answer: Questions that the endpoint refused, or on which it failed at every try.
        usd: Spent so far, None where prices or counts are missing.
        is_over_budget: Whether the budget ended the run.
        last_fault: Why the last question without an answer has none, as the end of a sentence about it; "" before one.
    """

    answered: int
    planned: int
    unreadable: int
    without_answer: int = 0
    cut_off: int = 0
    usd: float | None = None
    is_over_budget: bool = False
    last_fault: str = ""


Progress = Callable[[AskingProgress], None]


def shown_on(line: StepProgress) -> Progress:
    """Return what shows how far a run is on a line of progress."""

    def show(standing: AskingProgress) -> None:
        details = [f"{standing.unreadable} not readable"]
        if standing.cut_off:
            details.append(f"{standing.cut_off} cut off")
        if standing.without_answer:
            details.append(f"{standing.without_answer} without an answer")
        if standing.usd is not None:
            details.append(f"{standing.usd:.4f} USD")
        line(standing.answered + standing.without_answer, standing.planned, *details)

    return show


class AskingRun:
    """One run against one endpoint.

    Args:
        questions: All that are to have an answer in the end.
        log: Keeps the answers.
        prices: Of the candidate.
        purse: Holds the budget, which earlier answers have used up in part.
        progress: Called after every answer.
        judge: Compares answers with references, open; needed only where questions have the scorer `judge`.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        log: AnswersLog,
        prices: Prices,
        purse: Purse,
        progress: Progress,
        judge: Judge | None = None,
    ) -> None:
        self._log, self._prices, self._purse, self._progress, self._judge = log, prices, purse, progress, judge
        known = [log.answers[one["prompt_id"]] for one in questions if one["prompt_id"] in log.answers]
        costs = [record["cost_usd"] for record in log.answers.values()]
        purse.settle(0.0, sum(cost for cost in costs if cost is not None))
        usd = None if prices.of(0, 0) is None or None in costs else purse.spent
        unreadable, cut_off = sum(one["answer"] is None for one in known), sum(map(is_cut_off, known))
        self.standing = AskingProgress(len(known), len(questions), unreadable, cut_off=cut_off, usd=usd)

    async def put(self, questions: Iterable[Question], endpoint: Endpoint, concurrency: int) -> None:
        """Ask until all questions have an answer or the budget is used up.

        Raises:
            ServiceError: The endpoint refuses altogether, or gave no answer to too many questions.
        """
        waiting = iter(questions)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(concurrency):
                    workers.create_task(self._work(waiting, endpoint))
        except* ModelsatError as errors:
            raise _first(errors) from None

    async def _work(self, waiting: Iterator[Question], endpoint: Endpoint) -> None:
        for question in waiting:
            reserved = self._purse.worst(question)
            if not self._purse.reserve(reserved):
                self.standing = replace(self.standing, is_over_budget=True)
                return
            try:
                record = await self._asked(question, endpoint)
            except _Unjudged as fault:
                self._purse.settle(reserved, fault.usd)
                self._count_without(str(fault))
                continue
            except NoAnswer as fault:
                self._purse.settle(reserved, 0.0)
                if fault.remedy and not self.standing.answered:
                    raise InputError(f"the endpoint {fault}; {fault.remedy}") from None
                self._count_without(str(fault))
                continue
            self._log.append(record)
            self._purse.settle(reserved, record["cost_usd"])
            now = self.standing
            self.standing = replace(
                now,
                answered=now.answered + 1,
                unreadable=now.unreadable + (record["answer"] is None),
                cut_off=now.cut_off + is_cut_off(record),
                usd=None if now.usd is None or record["cost_usd"] is None else self._purse.spent,
            )
            self._progress(self.standing)
            self._stop_where_all_are_cut_off()

    async def _asked(self, question: Question, endpoint: Endpoint) -> dict[str, Any]:
        reply = await endpoint.ask(wording(question))
        if question["scorer"] != JUDGE or self._judge is None:
            answer = replies.read(reply.text, question["scorer"], len(question["choices"] or []))
            return _record(
                question, reply, self._prices, answer, replies.score(answer, question["answer"], question["scorer"])
            )
        said = replies.without_thoughts(reply.text).strip()
        if not said:
            return _record(question, reply, self._prices, None, 0.0)
        try:
            verdict = await self._judge.judged(question["text"], question["answer"], said)
        except NoVerdict as fault:
            raise _Unjudged(str(fault), self._prices.of(reply.tokens_in, reply.tokens_out)) from None
        answer = "right" if verdict.is_right else "wrong"
        record = _record(question, reply, self._prices, answer, float(verdict.is_right))
        return record | {"judge_usd": verdict.usd}

    def _stop_where_all_are_cut_off(self) -> None:
        answered, cut_off = self.standing.answered, self.standing.cut_off
        if answered == cut_off == CUT_OFF_AT_FIRST:
            raise InputError(
                f"the first {answered} answers were cut off before they said anything that can be read, so the run "
                "stops; raise max_tokens in the candidate's row or with --max-tokens, or lower its reasoning effort"
            )

    def _count_without(self, fault: str) -> None:
        self.standing = replace(self.standing, without_answer=self.standing.without_answer + 1, last_fault=fault)
        self._progress(self.standing)
        without, planned = self.standing.without_answer, self.standing.planned
        if without > max(FEWEST_WITHOUT_ANSWER, SHARE_WITHOUT_ANSWER * planned):
            raise ServiceError(
                f"{without} of {planned} questions got no answer (the last one {fault}), so the run stops; "
                f"{self.standing.answered} answers are kept, run the same command again when the endpoint works"
            )


class _Unjudged(Exception):
    """An answer came and was paid for, and the judge said nothing about it."""

    def __init__(self, fault: str, usd: float | None) -> None:
        super().__init__(f"was answered, but {fault}")
        self.usd = usd


def _record(question: Question, reply: Reply, prices: Prices, answer: str | None, score: float) -> dict[str, Any]:
    return {
        "prompt_id": question["prompt_id"],
        "answer": answer,
        "score": score,
        "reply": reply.text[-_KEPT_OF_A_REPLY:],
        "finish_reason": reply.finish_reason,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "cost_usd": prices.of(reply.tokens_in, reply.tokens_out),
        "latency_seconds": round(reply.latency_seconds, 4),
    }


def _first(errors: BaseExceptionGroup[ModelsatError]) -> ModelsatError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
