"""Asks the KServe endpoint which candidates suit a text: v2 infer over HTTP, with a deadline."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from modelsat.errors import ServiceError
from modelsat.routing import Ranking

_INFER = "/v2/models/router/infer"


@dataclass(frozen=True)
class Routed:
    """What the endpoint answered.

    Attributes:
        ranking: Of one prompt.
        router_version: Of the bundle that ranked.
    """

    ranking: Ranking
    router_version: str


async def rank(client: httpx.AsyncClient, url: str, text: str, cost_weight: float, deadline_seconds: float) -> Routed:
    """Ask about one text.

    Raises:
        ServiceError: The endpoint did not answer in time or not with a ranking; the text is in no message.
    """
    body = {
        "inputs": [{"name": "prompt", "shape": [1], "datatype": "BYTES", "data": [text]}],
        "parameters": {"cost_weight": cost_weight},
    }
    try:
        async with asyncio.timeout(deadline_seconds):
            response = await client.post(url.rstrip("/") + _INFER, json=body)
    except TimeoutError:
        raise ServiceError(f"router endpoint silent for {deadline_seconds:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceError(f"router endpoint unreachable ({type(error).__name__})") from None
    if response.status_code != httpx.codes.OK:
        raise ServiceError(f"router endpoint answered {response.status_code}")
    try:
        return _read(response.json())
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise ServiceError("router endpoint answered no ranking") from None


def _read(answer: Any) -> Routed:
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    candidates = np.asarray([outputs["candidates"]], dtype=object)
    probability, cost = (
        np.asarray([outputs[name]], dtype=np.float32) for name in ("success_probability", "expected_cost_usd")
    )
    seen = np.asarray([outputs["seen_in_training"]], dtype=bool)
    if not candidates.shape == probability.shape == cost.shape == seen.shape:
        raise ValueError
    truncated = np.asarray([bool(answer["parameters"].get("truncated", False))])
    ranking = Ranking([str(outputs["model"][0])], candidates, probability, cost, seen, truncated)
    return Routed(ranking, str(answer["parameters"]["router_version"]))
