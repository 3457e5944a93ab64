"""The decision on a request: which candidates to try in which order, and why."""

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import httpx

from modelsat.bundle import ranking
from modelsat.errors import ServiceError
from modelsat.policy.preferences import Preferences
from serving.gateway import endpoint, escalation, exploration, stickiness
from serving.gateway.best_single import BestSingle
from serving.gateway.chat_request import AUTO, ChatRequest
from serving.gateway.conversation import routed_text
from serving.gateway.endpoint import Asking
from serving.gateway.escalation import Escalation
from serving.gateway.memory import Memory
from serving.gateway.upstreams import Upstream
from serving.refusal import Refused

ROUTED, STAYED, HELD_BACK, EXPLICIT, FALLBACK = "routed", "stayed", "held back", "explicit", "fallback"
EXPLORED = "explored"


@dataclass(frozen=True)
class RoutingDecision:
    """What is to be tried.

    Attributes:
        order: Candidates with an upstream, the chosen one first.
        outcome: `routed`, `stayed` with the conversation's candidate, `held back` from the dearest one, `explored` by
            chance, `explicit`, or `fallback`.
        router_version: Of the router that ranked; empty where none was ever asked.
        reason: Why it is a fallback; empty otherwise.
        ranked: The allowed candidates as rows of `modelsat.bundle.ranking.rows`; empty where the router was not asked.
        best_single: Who is best on average, as far as this gateway has heard; empty where nobody is known.
        explanation: Why, where that was asked for.
        propensity: With which probability the first one came first, in (0, 1].
    """

    order: list[str]
    outcome: str
    router_version: str = ""
    reason: str = ""
    ranked: list[dict[str, Any]] = field(default_factory=list)
    best_single: str = ""
    explanation: dict[str, Any] | None = None
    propensity: float = 1.0


class Decider:
    """Decides on requests.

    Args:
        client: For the endpoint.
        url: Of the endpoint.
        upstreams: By candidate.
        deadline_seconds: How long the endpoint may take.
        switch_gain: Utility by which another candidate has to be better for a conversation to leave its own.
        max_premium_share: Share of a client's recent requests above which the most expensive model is withheld.
        explore: Share of new conversations whose candidate is left to chance, in [0, 1].
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        upstreams: Mapping[str, Upstream],
        deadline_seconds: float,
        switch_gain: float,
        max_premium_share: float = 1.0,
        explore: float = 0.0,
    ) -> None:
        self.memory = Memory()
        self.escalation = Escalation(max_premium_share)
        self._client = client
        self._url = url
        self._upstreams = upstreams
        self._deadline_seconds = deadline_seconds
        self._switch_gain = switch_gain
        self._explore = explore
        self._best_single = BestSingle()

    async def decide(
        self, chat: ChatRequest, client: str, request_id: str = "", explain: bool = False
    ) -> RoutingDecision:
        """Decide on one request.

        Args:
            chat: The request.
            client: Who asks; conversations of different clients never meet.
            request_id: Under which the endpoint is asked.
            explain: Whether to ask why.

        Raises:
            Refused: The model is unknown (404), no candidate is allowed (400) or can be named (503).
        """
        if chat.model != AUTO:
            if chat.model not in self._upstreams:
                raise Refused(
                    404, f"model {chat.model[:80]!r} is unknown here; send 'auto' or a name of GET /v1/models"
                )
            return RoutingDecision([chat.model], EXPLICIT)
        patterns = chat.preferences.candidates
        available = set(allowed(self._upstreams, patterns))
        if not available:
            raise Refused(400, "no candidate matches 'candidates'; GET /v1/models lists all")
        previous = self.memory.candidate(client, chat.messages)
        text = routed_text(chat.messages)
        if not text:
            return self._fallback(chat, previous, "the user wrote no text")
        asked = parameters(chat.preferences, available) | ({"explain": True} if explain else {})
        asking = Asking(text, asked, request_id)
        try:
            routed = await endpoint.rank(self._client, self._url, asking, self._deadline_seconds)
        except ServiceError as error:
            return self._fallback(chat, previous, str(error))
        self._best_single.learn(routed, available if "available" in asked else None)
        # Who has no probability does not fulfil what the client asks for.
        rows = [row for row in ranking.rows(routed.ranking) if row["success_probability"] is not None]
        ranked = [row for row in rows if row["candidate"] in available]
        if not ranked:
            raise Refused(503, "no allowed candidate of the router has an upstream; add one to the gateway's file", 60)
        waits = stickiness.awaits_tool(chat.messages)
        order = stickiness.order(ranked, previous, chat.preferences, self._switch_gain, waits)
        outcome = ROUTED if order[0] == ranked[0]["candidate"] else STAYED
        if not waits:
            order, outcome = self._guarded(client, ranked, order, outcome)
        propensity = 1.0
        if outcome == ROUTED and previous is None:
            best = order[0]
            order, propensity = exploration.drawn(order, self._explore, secrets.SystemRandom().random())
            outcome = ROUTED if order[0] == best else EXPLORED
        return RoutingDecision(
            order,
            outcome,
            routed.router_version,
            ranked=ranked,
            best_single=self._best_single.name,
            explanation=routed.explanation,
            propensity=propensity,
        )

    def _guarded(
        self, client: str, ranked: list[dict[str, Any]], order: list[str], outcome: str
    ) -> tuple[list[str], str]:
        """Count who is chosen, and hold the dearest candidate back from a client that has it too often."""
        dearest = escalation.dearest(ranked)
        held_back = order[0] == dearest and len(order) > 1 and self.escalation.holds_back(client)
        self.escalation.count(client, order[0] == dearest)
        return ([*order[1:], order[0]], HELD_BACK) if held_back else (order, outcome)

    async def is_ready(self) -> bool:
        """Say whether `auto` can be answered: the endpoint has a router, or the best single candidate is known."""
        return bool(self._best_single.name) or await endpoint.is_ready(self._client, self._url, self._deadline_seconds)

    def _fallback(self, chat: ChatRequest, previous: str | None, reason: str) -> RoutingDecision:
        patterns = chat.preferences.candidates
        known = [name for name in allowed(self._best_single.order(), patterns) if name in self._upstreams]
        if previous is not None and previous in allowed(self._upstreams, patterns):
            known = [previous, *(name for name in known if name != previous)]
        if not known:
            raise Refused(503, f"{reason}, and no router has said yet who is best; name a model, or try again", 1)
        return RoutingDecision(known, FALLBACK, self._best_single.router_version, reason)


def allowed(names: Iterable[str], patterns: tuple[str, ...] | None) -> list[str]:
    """Return the names that match one of the patterns; None allows all."""
    return [name for name in names if patterns is None or any(fnmatchcase(name, pattern) for pattern in patterns)]


def parameters(preferences: Preferences, available: Collection[str] = ()) -> dict[str, Any]:
    """Return preferences as parameters of v2, which are scalars; candidates are patterns and stay with the gateway.

    Args:
        preferences: Of the client.
        available: Candidates that have an upstream and match the patterns. They are named where the candidates beside
            them would move their order: the most expensive one scales costs, and a budget is spent among all. Elsewhere
            the order of the rest is the same without the others.
    """
    asked = {
        name: value
        for name, value in asdict(preferences).items()
        if name not in ("candidates", "available", "modalities", "top_k") and value != getattr(Preferences(), name)
    }
    if preferences.modalities:
        asked["modalities"] = ",".join(preferences.modalities)
    if available and (preferences.cost_weight or preferences.budget_usd is not None):
        asked["available"] = ",".join(sorted(available))
    return asked
