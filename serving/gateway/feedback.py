"""Feedback: keeps a row per answer of `auto` and takes what its client says of it later. Off unless asked for.

A row holds what `modelsat.feedback.log` names: no header, no token, no answer, and the prompt's text only where a
second setting allows it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import JSONResponse

from modelsat.feedback import log
from serving import bounded_json
from serving.bounded_json import JsonLimits
from serving.gateway import feedback_ids
from serving.gateway.chat_request import ChatRequest
from serving.gateway.decision import RoutingDecision
from serving.gateway.feedback_settings import FeedbackSettings
from serving.gateway.segments import Segments
from serving.gateway.telemetry import Telemetry
from serving.gateway.usage import Usage
from serving.limits import ClientRates
from serving.refusal import Refused

HEADER = "x-modelsat-feedback-id"
_FIELDS = {"feedback_id", "score"}
_LIMITS = JsonLimits(most_values=64)
_MOST_UNRATED = 50_000
"""Answers whose first outcome is still compared with what was promised; an outcome of an older one is only logged."""


@dataclass(frozen=True)
class GivenAnswer:
    """An answer that a client was given.

    Attributes:
        client: Who got it.
        request_id: Of its request.
        candidate: Who gave it.
        outcome: As its headers say, such as `routed` or `fallback`.
    """

    client: str
    request_id: str
    candidate: str
    outcome: str


class Feedback:
    """The log of one gateway.

    Args:
        settings: What is kept.
        telemetry: Counts rows.
    """

    def __init__(self, settings: FeedbackSettings, telemetry: Telemetry) -> None:
        self._segments = Segments(settings.log, telemetry.feedback_lost.inc)
        self._settings = settings
        self._telemetry = telemetry
        self._pace = ClientRates(settings.per_minute)
        # Of answers without an outcome yet: who gave it and what the router expected, by id, the oldest first.
        self._unrated: OrderedDict[str, tuple[str, float]] = OrderedDict()

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Write the log beside what happens inside."""
        writing = asyncio.create_task(self._segments.write())
        try:
            yield
        finally:
            self._segments.close()
            await writing

    def answered(self, answer: GivenAnswer, chat: ChatRequest, decision: RoutingDecision) -> dict[str, str]:
        """Keep an answer and return the header with its id; nothing where the router expected nothing of it."""
        expected = {row["candidate"]: row["success_probability"] for row in decision.ranked}.get(answer.candidate)
        if expected is None:
            return {}
        key, now = self._settings.key, time.time()
        feedback_id = feedback_ids.issue(key, answer.client, now)
        text = decision.text
        row = {
            "event": log.ANSWER,
            "id": feedback_ids.plain(feedback_id),
            "request_id": answer.request_id,
            "at": _moment(now),
            "router_version": decision.router_version,
            "candidate": answer.candidate,
            "outcome": answer.outcome,
            "success_probability": expected,
            "propensity": decision.propensity,
            "client": feedback_ids.keyed_digest(key, "client", answer.client),
            "user": self._user(chat.forwarded),
            "prompt_digest": feedback_ids.keyed_digest(key, "prompt", text),
        }
        kept = self._segments.add(row | ({"prompt": text} if self._settings.keeps_text else {}))
        self._telemetry.feedback.labels(log.ANSWER).inc(kept)
        if kept:
            self._unrated[feedback_ids.plain(feedback_id)] = answer.candidate, expected
            if len(self._unrated) > _MOST_UNRATED:
                self._unrated.popitem(last=False)
        return {HEADER: feedback_id} if kept else {}

    def used(self, feedback_id: str, usage: Usage, paid: float | None, seconds: float) -> None:
        """Keep what an answer used: tokens, dollars where they are known, and the seconds until it was complete."""
        row = {
            "event": log.USAGE,
            "id": feedback_ids.plain(feedback_id),
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
            "latency_seconds": round(seconds, 3),
        }
        kept = self._segments.add(row | ({} if paid is None else {"cost_usd": paid}))
        self._telemetry.feedback.labels(log.USAGE).inc(kept)

    def take(self, body: bytes, client: str) -> JSONResponse:
        """Keep what a client says of an answer; the last thing it says of it will count.

        Raises:
            Refused: The body is malformed (400), the answer unknown (404) or too old (410), the client too fast (429),
                or there is no room (503).
        """
        wait = self._pace.wait(client, time.monotonic())
        if wait is not None:
            raise Refused(
                429, f"a client may send {self._settings.per_minute:g} outcomes a minute; wait {wait} s", wait
            )
        told, score = _parsed(body)
        now = time.time()
        key = self._settings.key
        plain = feedback_ids.check(key, told, client, now, 86_400 * self._settings.days)
        digest = feedback_ids.keyed_digest(key, "client", client)
        row = {"event": log.OUTCOME, "id": plain, "at": _moment(now), "client": digest, "score": score}
        if not self._segments.add(row):
            raise Refused(503, "the feedback log cannot be written at present; send the outcome again later", 30)
        self._telemetry.feedback.labels(log.OUTCOME).inc()
        unrated = self._unrated.pop(plain, None)
        if unrated is not None:
            self._telemetry.rated(*unrated, score)
        return JSONResponse({"object": "modelsat.feedback", "feedback_id": told, "score": score}, 202)

    def _user(self, fields: Mapping[str, Any]) -> str:
        """Return a digest of whom the client calls its user, in OpenAI's new field or its old one."""
        user = fields.get("safety_identifier", fields.get("user"))
        return feedback_ids.keyed_digest(self._settings.key, "user", user) if isinstance(user, str) and user else ""


def _parsed(body: bytes) -> tuple[str, float]:
    try:
        told = bounded_json.loads(body, _LIMITS)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or set(told) != _FIELDS:
        raise Refused(
            400, "the request body must be a JSON object of 'feedback_id' and 'score'; send both and nothing else"
        )
    if not isinstance(told["feedback_id"], str) or not log.is_share(told["score"]):
        raise Refused(400, "'feedback_id' is a text and 'score' a number in [0, 1]; correct them")
    return told["feedback_id"], float(told["score"])


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
