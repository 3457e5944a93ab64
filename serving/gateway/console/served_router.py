"""What the endpoint says of the router that it serves: its metadata, and the numbers of its `/metrics`."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from modelsat.errors import ServiceError
from serving import metric_names as names
from serving.gateway import endpoint
from serving.gateway.console.metric_samples import MetricSamples


@dataclass(frozen=True)
class Promotion:
    """One promotion as its champion record has it."""

    epoch: int
    model: str
    verdict: str
    promoted_at: datetime


@dataclass(frozen=True)
class ServedRouter:
    """The router that an endpoint serves; None or empty where the endpoint does not say.

    Attributes:
        fault: Why nothing is known, in one sentence; empty where something is.
        version: Of the bundle.
        kind: Of router.
        best_single: The best single candidate.
        promise: What the default promises, in one sentence.
        since: When the endpoint began to serve it.
        promotions: The last ones, the newest first; empty where a bundle is served for good.
        expected_share: Of traffic by candidate, as the evaluation lets expect, in [0, 1].
        distance: Of the endpoint's last choices from that, in [0, 1].
        prompts: That the endpoint has read.
        foreign: Share of those that are unlike the training prompts.
    """

    fault: str = ""
    version: str = ""
    kind: str = ""
    best_single: str = ""
    promise: str = ""
    since: datetime | None = None
    promotions: tuple[Promotion, ...] = ()
    expected_share: Mapping[str, float] = field(default_factory=dict)
    distance: float | None = None
    prompts: int = 0
    foreign: float | None = None


async def ask(client: httpx.AsyncClient, url: str, deadline_seconds: float) -> ServedRouter:
    """Ask an endpoint what it serves; one that does not answer leaves a `fault`."""
    try:
        metadata, scrape = await asyncio.gather(
            *(endpoint.fetched(client, url, path, deadline_seconds) for path in (endpoint.METADATA, endpoint.METRICS))
        )
        return read(json.loads(metadata), scrape)
    except ServiceError as error:
        return ServedRouter(str(error))
    except (ValueError, TypeError, KeyError, AttributeError):
        return ServedRouter("the router endpoint serves no router yet, or is no endpoint of modelsat")


def read(metadata: Any, scrape: str) -> ServedRouter:
    """Read what an endpoint says; one of an earlier version says less.

    Args:
        metadata: Of `GET /v2/models/router`.
        scrape: Of `GET /metrics`.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: It is neither.
    """
    parameters, serving = metadata["parameters"], metadata.get("serving") or {}
    found = MetricSamples(text_string_to_metric_families(scrape))
    prompts = int(found.total(names.PROMPTS, kind="all") or 0)
    expected = found.by(names.EXPECTED_SHARE, "model")
    return ServedRouter(
        version=str(parameters["router_version"]),
        kind=found.label(names.ROUTER_INFO, "kind"),
        best_single=str(parameters.get("best_single") or ""),
        promise=str((parameters.get("promise") or {}).get("sentence", "")),
        since=_moment(serving.get("since")),
        promotions=tuple(_promotion(row) for row in serving.get("promotions", ())),
        expected_share=expected,
        distance=found.total(names.MIX_DISTANCE) if expected and prompts else None,
        prompts=prompts,
        foreign=(found.total(names.PROMPTS, kind="foreign") or 0.0) / prompts if prompts else None,
    )


def _promotion(row: Mapping[str, Any]) -> Promotion:
    at = datetime.fromisoformat(row["promoted_at"])
    return Promotion(int(row["epoch"]), str(row["model"]), str(row["verdict"]), at)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
