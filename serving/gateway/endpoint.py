"""Asks the KServe endpoint which candidates suit a text: v2 infer over HTTP, with a deadline."""

import asyncio
import json
import os
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import httpx
import numpy as np

from modelsat.bundle.ranking import Ranking
from modelsat.errors import ServiceError
from modelsat.policy import promise
from modelsat.policy.preferences import Preferences
from modelsat.policy.promise import Promise
from modelsat.text.conversation import stands_alone
from serving.gateway import catalogue
from serving.gateway.catalogue import ServedCatalogue
from serving.refusal import Refused

_INFER = "/v2/models/router/infer"
_READY = "/v2/health/ready"
METADATA, METRICS = "/v2/models/router", "/metrics"
_ROUTES = re.compile(r"/*(/v2(/health(/\w+)?|/models(/router(/\w+)?)?)?|/v1(/models(/router(:\w+)?)?)?)?/*$")
_MOST_SENTENCE = 300
LOGIN = "MODELSAT_ENDPOINT_TOKEN"
"""Environment variable with the gateway's token, where the endpoint asks for one."""


def root(url: str) -> str:
    """Return the address below which the endpoint's routes lie, where the address of one of them was written."""
    return _ROUTES.sub("", url.strip())


@dataclass(frozen=True)
class Routed:
    """What the endpoint answered.

    Attributes:
        text: That was read.
        ranking: Of it.
        router_version: Of the bundle that ranked.
        explanation: Why, where that was asked for.
    """

    text: str
    ranking: Ranking
    router_version: str
    explanation: dict[str, Any] | None = None


@dataclass(frozen=True)
class Asking:
    """What is asked of one request.

    Attributes:
        text: As the router reads it.
        alone: Its newest message, which is read instead where it stands alone; empty for none.
        parameters: Of v2, such as `cost_weight`.
        request_id: Under which the endpoint logs it.
    """

    text: str
    parameters: dict[str, Any]
    request_id: str = ""
    alone: str = ""


def parameters(
    preferences: Preferences,
    available: Collection[str] = (),
    promised: Promise | None = None,
    explain: bool = False,
) -> dict[str, Any]:
    """Return preferences as parameters of v2, which are scalars; candidates are patterns and stay with the gateway.

    Args:
        preferences: Of the client.
        available: Candidates that have an upstream and match the patterns. They are named where the candidates beside
            them would move their order: the most expensive one scales costs, and a budget is spent among all. Elsewhere
            the order of the rest is the same without the others.
        promised: By the router's default, which may weigh costs, too.
        explain: Whether to ask why; it is then said of those alone that are named, so all of them are.
    """
    asked = {
        name: value
        for name, value in asdict(preferences).items()
        if name not in ("candidates", "available", "modalities", "top_k") and value != getattr(Preferences(), name)
    }
    for name in ("modalities", "failed"):
        if getattr(preferences, name):
            asked[name] = ",".join(getattr(preferences, name))
    weighs = promise.resolved(preferences, promised).cost_weight or preferences.budget_usd is not None
    if available and (weighs or explain):
        asked["available"] = ",".join(sorted(available))
    return asked | ({"explain": True} if explain else {})


async def rank(client: httpx.AsyncClient, url: str, asking: Asking, deadline_seconds: float) -> Routed:
    """Ask about one text.

    Raises:
        ServiceError: The endpoint did not answer in time or not with a ranking; the text is in no message.
        Refused: It finds fault with what the client asks for (400).
    """
    texts = [asking.alone, asking.text] if asking.alone else [asking.text]
    body = {
        "inputs": [{"name": "prompt", "shape": [len(texts)], "datatype": "BYTES", "data": texts}],
        "parameters": asking.parameters,
    }
    headers = _login() | ({"x-request-id": asking.request_id} if asking.request_id else {})
    try:
        async with asyncio.timeout(deadline_seconds):
            response = await client.post(url.rstrip("/") + _INFER, json=body, headers=headers)
    except TimeoutError:
        raise ServiceError(f"router endpoint silent for {deadline_seconds:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceError(f"router endpoint unreachable ({type(error).__name__})") from None
    if response.status_code == httpx.codes.BAD_REQUEST:
        raise Refused(400, _sentence(response))
    if response.status_code != httpx.codes.OK:
        raise ServiceError(f"router endpoint answered {response.status_code}")
    try:
        return _read(response.json(), texts)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise ServiceError("router endpoint answered no ranking") from None


async def fault(client: httpx.AsyncClient, url: str, deadline_seconds: float) -> str:
    """Return in one sentence why the endpoint would rank nothing for this gateway; empty where it would."""
    try:
        async with asyncio.timeout(deadline_seconds):
            ready = await client.get(url.rstrip("/") + _READY)
            # Readiness is open to all; only a route behind the login says whether our token is accepted.
            told = await client.get(url.rstrip("/") + METADATA, headers=_login())
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
        return f"the router endpoint does not answer ({type(error).__name__}); check --endpoint"
    if told.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return (
            f"the router endpoint refuses this gateway's token (HTTP {told.status_code}); set {LOGIN} to one of its own"
        )
    if ready.status_code != httpx.codes.OK:
        return f"the router endpoint is not ready (HTTP {ready.status_code})"
    return ""


async def describe(client: httpx.AsyncClient, url: str, deadline_seconds: float) -> ServedCatalogue:
    """Return the candidates of the router that serves and what is known of them; an empty catalogue where none does."""
    try:
        return catalogue.read(json.loads(await fetched(client, url, METADATA, deadline_seconds)))
    except (ServiceError, ValueError, TypeError, KeyError, AttributeError):
        return ServedCatalogue()


async def fetched(client: httpx.AsyncClient, url: str, path: str, deadline_seconds: float) -> str:
    """Return what the endpoint answers to a GET, as text.

    Args:
        client: That asks.
        url: Of the endpoint.
        path: `METADATA` or `METRICS`.
        deadline_seconds: How long it may take.

    Raises:
        ServiceError: It does not answer in time, or not with 200.
    """
    try:
        async with asyncio.timeout(deadline_seconds):
            response = await client.get(url.rstrip("/") + path, headers=_login())
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceError(f"the router endpoint does not answer ({type(error).__name__}); check --endpoint") from None
    if response.status_code != httpx.codes.OK:
        raise ServiceError(f"the router endpoint answered {response.status_code} to GET {path}")
    return response.text


def _login() -> dict[str, str]:
    token = os.environ.get(LOGIN, "").strip()
    return {"authorization": f"Bearer {token}"} if token else {}


def _sentence(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])[:_MOST_SENTENCE]
    except (ValueError, TypeError, KeyError):
        return "the router finds fault with this request and does not say which"


def _read(answer: Any, texts: list[str]) -> Routed:
    """Read the answer for the one text, or for the first of two where that stands alone and else for the second."""
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    row = int(len(texts) > 1 and not stands_alone(outputs["foreign"][0]))
    taken = slice(row, row + 1)

    def of_candidates(name: str, kind: type) -> np.ndarray:
        return np.asarray(outputs[name], dtype=kind).reshape(len(texts), -1)[taken]

    candidates = of_candidates("candidates", object)
    probability, cost = (of_candidates(name, np.float32) for name in ("success_probability", "expected_cost_usd"))
    seen = of_candidates("seen_in_training", bool)
    if not candidates.shape == probability.shape == cost.shape == seen.shape:
        raise ValueError
    truncated = np.asarray(outputs["truncated"][taken], dtype=bool)
    foreign = np.asarray(outputs["foreign"][taken], dtype=np.float32)
    ranking = Ranking([str(outputs["model"][row])], candidates, probability, cost, seen, truncated, foreign)
    explained = json.loads(outputs["explanation"][row]) if "explanation" in outputs else None
    return Routed(texts[row], ranking, str(answer["parameters"]["router_version"]), explained)
