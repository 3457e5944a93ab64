"""What the endpoint's catalogue knows of the candidates: read from the metadata of the router that serves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelsat.policy import picture_promise
from modelsat.policy.picture_promise import Defaults
from serving.gateway.usage import Prices


@dataclass(frozen=True)
class CandidateFacts:
    """Facts of one candidate; None where the catalogue does not say.

    Attributes:
        context_length: In tokens.
        modalities: What it reads beside text, such as image.
        tools: Whether it calls tools.
        regions: Where it is served.
        prices: At the list.
    """

    context_length: float | None = None
    modalities: frozenset[str] | None = None
    tools: bool | None = None
    regions: frozenset[str] | None = None
    prices: Prices = field(default_factory=Prices)


@dataclass(frozen=True)
class ServedCatalogue:
    """The candidates of one router version.

    Attributes:
        router_version: Of the bundle; empty where none is known.
        order: Candidates, the best single one first.
        facts: By candidate.
        defaults: What requests with and without pictures get by default.
        tells_foreign: Whether the router tells how foreign prompts are to those that it learned from.
    """

    router_version: str = ""
    order: tuple[str, ...] = ()
    facts: Mapping[str, CandidateFacts] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)
    tells_foreign: bool = False

    @property
    def context_length(self) -> dict[str, float]:
        """Return the context of each candidate of which it is known."""
        return {name: one.context_length for name, one in self.facts.items() if one.context_length is not None}


def read(metadata: Any) -> ServedCatalogue:
    """Read the metadata of `GET /v2/models/router`; an endpoint that tells less leaves more unknown.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: It is no metadata.
    """
    parameters = metadata["parameters"]
    names = [str(name) for name in parameters["candidates"]]
    rows = {str(row["candidate"]): row for row in metadata.get("candidates", ())}
    best = parameters.get("best_single")
    order = sorted(names, key=lambda name: (name != best, -(rows.get(name, {}).get("mean_score") or 0.0)))
    facts = {name: _facts(rows.get(name, {})) for name in names}
    tells_foreign = parameters.get("tells_foreign") is True
    defaults = picture_promise.read(parameters)
    return ServedCatalogue(str(parameters["router_version"]), tuple(order), facts, defaults, tells_foreign)


def _facts(row: Mapping[str, Any]) -> CandidateFacts:
    context, tools = row.get("context_length"), row.get("tools")
    return CandidateFacts(
        None if context is None else float(context),
        _names(row.get("modalities")),
        None if tools is None else bool(tools),
        _names(row.get("regions")),
        Prices(*(_price(row.get(name)) for name in ("price_in", "price_out", "price_cached_in"))),
    )


def _price(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _names(value: Any) -> frozenset[str] | None:
    return None if value is None else frozenset(map(str, value))
