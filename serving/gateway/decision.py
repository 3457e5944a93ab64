"""The decision on a request: which candidates to try in which order, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import httpx

from modelsat import routing
from modelsat.errors import ServiceError
from serving.gateway import endpoint, stickiness
from serving.gateway.best_single import BestSingle
from serving.gateway.chat_request import AUTO, ChatRequest
from serving.gateway.conversation import routed_text
from serving.gateway.errors import Refused
from serving.gateway.memory import Memory
from serving.gateway.upstreams import Upstream

ROUTED, STAYED, EXPLICIT, FALLBACK = "routed", "stayed", "explicit", "fallback"


@dataclass(frozen=True)
class Decision:
    """What is to be tried.

    Attributes:
        order: Candidates with an upstream, the chosen one first.
        outcome: `routed`, `stayed` with the conversation's candidate, `explicit`, or `fallback`.
        router_version: Of the router that ranked; empty where none was ever asked.
        reason: Why it is a fallback; empty otherwise.
        ranked: The allowed candidates as rows of `modelsat.routing.rows`; empty where the router was not asked.
    """

    order: list[str]
    outcome: str
    router_version: str = ""
    reason: str = ""
    ranked: list[dict[str, Any]] = field(default_factory=list)


class Decider:
    """Decides on requests.

    Args:
        client: For the endpoint.
        url: Of the endpoint.
        upstreams: By candidate.
        deadline_seconds: How long the endpoint may take.
        switch_gain: Utility by which another candidate has to be better for a conversation to leave its own.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        upstreams: Mapping[str, Upstream],
        deadline_seconds: float,
        switch_gain: float,
    ) -> None:
        self.memory = Memory()
        self._client = client
        self._url = url
        self._upstreams = upstreams
        self._deadline_seconds = deadline_seconds
        self._switch_gain = switch_gain
        self._best_single = BestSingle()

    async def decide(self, chat: ChatRequest, client: str) -> Decision:
        """Decide on one request.

        Args:
            chat: The request.
            client: Who asks; conversations of different clients never meet.

        Raises:
            Refused: The model is unknown (404), no candidate is allowed (400) or can be named (503).
        """
        if chat.model != AUTO:
            if chat.model not in self._upstreams:
                raise Refused(
                    404, f"model {chat.model[:80]!r} is unknown here; send 'auto' or a name of GET /v1/models"
                )
            return Decision([chat.model], EXPLICIT)
        if not allowed(self._upstreams, chat.candidates):
            raise Refused(400, "no candidate matches 'candidates'; GET /v1/models lists all")
        previous = self.memory.candidate(client, chat.messages)
        text = routed_text(chat.messages)
        if not text:
            return self._fallback(chat, previous, "the user wrote no text")
        try:
            routed = await endpoint.rank(self._client, self._url, text, chat.cost_weight, self._deadline_seconds)
        except ServiceError as error:
            return self._fallback(chat, previous, str(error))
        self._best_single.learn(routed)
        rows = routing.rows(routed.ranking)
        names = set(allowed((row["candidate"] for row in rows), chat.candidates)) & self._upstreams.keys()
        ranked = [row for row in rows if row["candidate"] in names]
        if not ranked:
            raise Refused(503, "no allowed candidate of the router has an upstream; add one to the gateway's file", 60)
        order = stickiness.order(
            ranked, previous, chat.cost_weight, self._switch_gain, stickiness.awaits_tool(chat.messages)
        )
        outcome = ROUTED if order[0] == ranked[0]["candidate"] else STAYED
        return Decision(order, outcome, routed.router_version, ranked=ranked)

    def _fallback(self, chat: ChatRequest, previous: str | None, reason: str) -> Decision:
        known = [name for name in allowed(self._best_single.order(), chat.candidates) if name in self._upstreams]
        if previous is not None and previous in allowed(self._upstreams, chat.candidates):
            known = [previous, *(name for name in known if name != previous)]
        if not known:
            raise Refused(503, f"{reason}, and no router has said yet who is best; name a model, or try again", 1)
        return Decision(known, FALLBACK, self._best_single.router_version, reason)


def allowed(names: Iterable[str], patterns: tuple[str, ...] | None) -> list[str]:
    """Return the names that match one of the patterns; None allows all."""
    return [name for name in names if patterns is None or any(fnmatchcase(name, pattern) for pattern in patterns)]
