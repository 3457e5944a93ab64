"""The decision on a request: which candidates to try in which order, and why."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from modelsat.bundle import ranking
from modelsat.errors import ServiceError
from modelsat.policy import promise
from modelsat.policy.promise import Promise
from modelsat.text.conversation import awaits_tool, routed_texts
from modelsat.text.harness import KNOWN, Harness
from serving import off_loop
from serving.gateway import (
    endpoint,
    escalation,
    exploration,
    failed_answers,
    needs,
    picture_routing,
    stickiness,
    turn_costs,
)
from serving.gateway.best_single import BestSingle
from serving.gateway.catalogue import CandidateFacts, ServedCatalogue
from serving.gateway.chat_request import AUTO, ChatRequest
from serving.gateway.endpoint import Asking
from serving.gateway.escalation import Escalation
from serving.gateway.needs import RequestNeeds
from serving.gateway.picture_texts import PictureTexts
from serving.gateway.reach import Reach
from serving.gateway.sessions import Previous, Sessions
from serving.gateway.upstreams import Upstream
from serving.refusal import Refused

ROUTED, STAYED, HELD_BACK, EXPLICIT, FALLBACK = "routed", "stayed", "held back", "explicit", "fallback"
EXPLORED, COUNTED = "explored", "counted"
_NO_UPSTREAM = "no allowed candidate of the router has an upstream; add one to the gateway's file"
_DESCRIBE_SECONDS = 5.0
"""How long the endpoint is not asked again what its candidates can do."""


@dataclass(frozen=True)
class RoutingDecision:
    """What is to be tried.

    Attributes:
        order: Candidates with an upstream, the chosen one first.
        outcome: `routed`, `stayed` with the conversation's candidate, `held back` from the dearest one, `explored` by
            chance, `explicit`, `fallback`, or `counted` where only tokens are counted.
        router_version: Of the router that ranked; empty where none was ever asked.
        reason: Why it is a fallback; empty otherwise.
        ranked: The allowed candidates as rows of `modelsat.bundle.ranking.rows`, in a conversation with the cost of the
            whole turn; empty where the router was not asked.
        best_single: Who is best on average, as far as this gateway has heard; empty where nobody is known.
        explanation: Why, where that was asked for.
        propensity: With which probability the first one came first, in (0, 1].
        context_length: In tokens, of the candidates of which it is known.
        foreign: How far the prompt is from the training prompts, in [0, 1]; None where the router was not asked.
        promise: What the router's default promises for such a request; None where it promises nothing or was not asked.
        text: That the router read; empty where it was not asked.
        pictures: Whether the text in its pictures was read, of `picture_routing`; empty where that changes nothing.
    """

    order: list[str]
    outcome: str
    router_version: str = ""
    reason: str = ""
    ranked: list[dict[str, Any]] = field(default_factory=list)
    best_single: str = ""
    explanation: dict[str, Any] | None = None
    propensity: float = 1.0
    context_length: Mapping[str, float] = field(default_factory=dict)
    foreign: float | None = None
    promise: Promise | None = None
    text: str = field(default="", repr=False)
    pictures: str = ""


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
        source: What the file of upstreams is called.
        sessions: Who answered which conversation; by default those of this process alone.
        harness: Tells a person's words from those of an agent's harness.
        pictures: Reads text in pictures; by default within its usual budget.
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
        source: str = "the file of upstreams",
        sessions: Sessions | None = None,
        harness: Harness = KNOWN,
        pictures: PictureTexts | None = None,
    ) -> None:
        self.pictures = pictures or PictureTexts()
        self.sessions = sessions or Sessions()
        self.escalation = Escalation(max_premium_share)
        self._client = client
        self._url = url
        self._upstreams = upstreams
        self._deadline_seconds = deadline_seconds
        self._switch_gain = switch_gain
        self._explore = explore
        self._harness = harness
        self._reach = Reach(upstreams, source)
        self._best_single = BestSingle()
        self._catalogue = ServedCatalogue()
        self._describe_after = 0.0

    async def decide(
        self, chat: ChatRequest, client: str, request_id: str = "", explain: bool = False, is_trial: bool = False
    ) -> RoutingDecision:
        """Decide on one request.

        Args:
            chat: The request.
            client: Who asks; conversations of different clients never meet.
            request_id: Under which the endpoint is asked.
            explain: Whether to ask why.
            is_trial: Whether nothing follows from it: it counts for no guard, and nothing is left to chance.

        Raises:
            Refused: The model is unknown (404), no candidate is allowed (400) or can be named (503).
        """
        if chat.model != AUTO:
            return RoutingDecision([self._reach.named(chat)], EXPLICIT)
        if chat.kept_upstream:
            keeper = await self.sessions.who_answered(client, chat.kept_upstream)
            return RoutingDecision([self._reach.keeper(chat, keeper)], STAYED)
        chat = await failed_answers.with_models(chat, client, self.sessions) if chat.failed_of else chat
        available = set(self._reach.allowed(chat))
        looking = self.sessions.previous(client, chat)
        needed, text, alone = await off_loop.called(chat.is_long, _read, chat, self._harness)
        if chat.path:
            await self._describe()
            counted = self._fallback(chat, await looking, needed, "the router has not answered yet")
            return replace(counted, outcome=COUNTED, reason="")
        if not text:
            await self._describe()
            return self._fallback(chat, await looking, needed, "the user wrote no text")
        if not self._catalogue.order:
            # What the first request asks depends on the default's promise and on what candidates can do.
            await self._describe()
        reachable = set(needs.able(sorted(available), needed, self._catalogue.facts)) or available
        seen = await picture_routing.of_request(chat, text, needed, self._catalogue, reachable, self.pictures)
        chat, promised = seen.chat, seen.defaults.of(seen.chat.preferences)
        asked = endpoint.parameters(chat.preferences, reachable, promised, explain)
        # A budget is for all texts of one asking together.
        is_alone_asked = self._catalogue.tells_foreign and not seen.standing and chat.preferences.budget_usd is None
        asking = Asking(seen.text, asked, request_id, alone if is_alone_asked else "")
        try:
            routed = await endpoint.rank(self._client, self._url, asking, self._deadline_seconds)
        except ServiceError as error:
            return self._fallback(chat, await looking, needed, str(error))
        except Refused:
            # The endpoint finds fault with the names that this gateway sent; the client sent none of them.
            await self._describe()
            if self._catalogue.order and not reachable & set(self._catalogue.order):
                raise Refused(503, _NO_UPSTREAM, 60) from None
            raise
        # Where fewer were ranked, means would be over other prompts than those of the rest, and not to be compared.
        # With pictures only those that see are ranked, too.
        learned = reachable if "available" in asked else None
        if not seen.standing and (learned is None or reachable == set(self._upstreams)):
            self._best_single.learn(routed, learned)
        if self._catalogue.router_version != routed.router_version:
            await self._describe()
        # Who has no probability does not fulfil what the client asks for.
        rows = [row for row in ranking.rows(routed.ranking) if row["success_probability"] is not None]
        ranked = [row for row in rows if row["candidate"] in available]
        if not ranked:
            raise Refused(503, _NO_UPSTREAM, 60)
        by_name = {row["candidate"]: row for row in ranked}
        ranked = [by_name[name] for name in self._able(list(by_name), needed)]
        waits = awaits_tool(chat.messages, self._harness)
        ranked = seen.ordered(ranked)
        wanted = promise.resolved(chat.preferences, promised)
        last = await looking
        previous = None if last is None else last.candidate
        if last is not None and last.candidate in by_name:
            ranked = turn_costs.with_history(
                ranked, turn_costs.of_request(chat, routed.text), last, self._catalogue.facts
            )
        order = stickiness.order(ranked, previous, wanted, self._switch_gain, waits)
        outcome = ROUTED if order[0] == ranked[0]["candidate"] else STAYED
        if not waits and not is_trial:
            order, outcome = self._guarded(client, ranked, order, outcome)
        propensity = 1.0
        if outcome == ROUTED and previous is None and not is_trial:
            best = order[0]
            order, propensity = exploration.drawn(order, self._explore, secrets.SystemRandom().random())
            outcome = ROUTED if order[0] == best else EXPLORED
        return RoutingDecision(
            order,
            outcome,
            routed.router_version,
            ranked=ranked,
            best_single=next(iter(self._standing_order()), ""),
            explanation=routed.explanation,
            propensity=propensity,
            context_length=self._catalogue.context_length,
            foreign=float(routed.ranking.foreign[0]),
            promise=promised,
            text=routed.text,
            pictures=seen.standing,
        )

    @property
    def facts(self) -> Mapping[str, CandidateFacts]:
        """Return what is known of the candidates."""
        return self._catalogue.facts

    def _guarded(
        self, client: str, ranked: list[dict[str, Any]], order: list[str], outcome: str
    ) -> tuple[list[str], str]:
        """Count who is chosen, and hold the dearest candidate back from a client that has it too often."""
        dearest = escalation.dearest(ranked)
        held_back = order[0] == dearest and len(order) > 1 and self.escalation.holds_back(client)
        self.escalation.count(client, order[0] == dearest)
        return ([*order[1:], order[0]], HELD_BACK) if held_back else (order, outcome)

    async def fault(self) -> str:
        """Return in one sentence why `auto` cannot be answered; empty where it can.

        It can where a candidate with an upstream may be chosen: by the endpoint's router, or as the best single
        candidate while the endpoint does not answer.
        """
        if not self._standing_order():
            fault = await endpoint.fault(self._client, self._url, self._deadline_seconds)
            if fault:
                return f"{fault}, and no candidate is known to be best"
            await self._describe()
        known = self._standing_order()
        return "" if not known or set(known) & set(self._upstreams) else _NO_UPSTREAM

    async def _describe(self) -> None:
        """Learn what is known of the candidates, once for each version of the router."""
        now = time.monotonic()
        if now < self._describe_after:
            return
        described = await endpoint.describe(self._client, self._url, self._deadline_seconds)
        if described.order:
            self._catalogue = described
            if described.defaults.pictures is not None:
                self.pictures.warm()
        # Replicas of two versions, or an endpoint that fails, cost a request now and then and never each of them.
        self._describe_after = now + _DESCRIBE_SECONDS

    def _able(self, names: list[str], needed: RequestNeeds) -> list[str]:
        able = needs.able(names, needed, self._catalogue.facts)
        if not able:
            raise Refused(400, needs.lacking(needed))
        return able

    def _standing_order(self) -> list[str]:
        """Return the candidates, the best single one first, as far as this gateway has heard."""
        return self._best_single.order() or list(self._catalogue.order)

    def _fallback(self, chat: ChatRequest, last: Previous | None, needed: RequestNeeds, reason: str) -> RoutingDecision:
        previous = None if last is None else last.candidate
        available = self._reach.allowed(chat)
        failed = chat.preferences.failed
        known = [name for name in self._standing_order() if name in available and name not in failed]
        if previous in failed:
            previous = None
        if previous is not None and previous in available:
            known = [previous, *(name for name in known if name != previous)]
        if not known:
            raise Refused(503, f"{reason}, and no router has said yet who is best; name a model, or try again", 1)
        version = self._best_single.router_version or self._catalogue.router_version
        order = self._able(known, needed)
        return RoutingDecision(order, FALLBACK, version, reason, context_length=self._catalogue.context_length)


def _read(chat: ChatRequest, harness: Harness) -> tuple[RequestNeeds, str, str]:
    """Return what a request needs, what the router is asked, and its newest message if that may stand alone."""
    return needs.of_request(chat), *routed_texts(chat.messages, harness=harness)
