"""What spans say: OpenTelemetry's GenAI conventions, with `modelsat.*` for what these do not know.

Names are those of the conventions' own repository (open-telemetry/semantic-conventions-genai); the constants of the
Python package are marked deprecated since they moved there. MLflow's trace view reads the same names.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from modelsat.text.conversation import text_of
from serving.gateway.chat_request import ChatRequest
from serving.gateway.decision import EXPLORED, ROUTED, RoutingDecision
from serving.gateway.turn_costs import expected
from serving.gateway.upstreams import Upstream
from serving.gateway.usage import Usage

Attributes = dict[str, str | bool | int | float | Sequence[str]]
INPUT = "gen_ai.input.messages"
SESSION = "session.id"
"""By which MLflow groups the traces of a conversation."""
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
MOST_CHARACTERS = 20_000
"""Of the text of a span; the newest messages are kept."""
_SHOWN = 8
_PROVIDERS = {
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "anthropic.com": "anthropic",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "amazonaws.com": "aws.bedrock",
    "cohere.com": "cohere",
    "deepseek.com": "deepseek",
    "groq.com": "groq",
    "mistral.ai": "mistral_ai",
    "openai.com": "openai",
    "perplexity.ai": "perplexity",
    "x.ai": "x_ai",
}
"""The conventions' names of providers, by the end of their host."""
_NUMBERS = {
    "temperature": ("gen_ai.request.temperature", float),
    "top_p": ("gen_ai.request.top_p", float),
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "max_completion_tokens": ("gen_ai.request.max_tokens", int),
    "max_output_tokens": ("gen_ai.request.max_tokens", int),
}


def of_decision(decision: RoutingDecision) -> Attributes:
    """Return what the span of a decision says: the chosen candidate, what it promises, and whom it was chosen among."""
    chosen = decision.order[0]
    row: Mapping[str, Any] = next((one for one in decision.ranked if one["candidate"] == chosen), {})
    return _known(
        {
            "modelsat.model": chosen,
            "modelsat.outcome": decision.outcome,
            # Only what was decided anew was left to chance.
            "modelsat.propensity": decision.propensity if decision.outcome in (ROUTED, EXPLORED) else None,
            "modelsat.reason": decision.reason,
            "modelsat.router_version": decision.router_version,
            "modelsat.success_probability": row.get("success_probability"),
            "modelsat.expected_cost_usd": expected(row) if row else None,
            "modelsat.best_single": decision.best_single,
            "modelsat.foreign": decision.foreign,
            "modelsat.candidates": [_shown(one) for one in decision.ranked[:_SHOWN]],
        }
    )


def of_call(candidate: str, upstream: Upstream, chat: ChatRequest) -> Attributes:
    """Return what the span of an upstream's call says before there is an answer.

    Args:
        candidate: Who is called.
        upstream: Where.
        chat: The client's request.
    """
    fields = chat.forwarded
    url = urlsplit(upstream.address.base)
    host = url.hostname or ""
    numbers = {
        told: kind(fields[name])
        for name, (told, kind) in _NUMBERS.items()
        if isinstance(fields.get(name), int | float) and not isinstance(fields.get(name), bool)
    }
    return _known(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider(host),
            "gen_ai.request.model": upstream.model,
            "gen_ai.conversation.id": chat.conversation,
            "gen_ai.request.stream": fields.get("stream") is True,
            "server.address": host,
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            "modelsat.candidate": candidate,
            **numbers,
        }
    )


def of_usage(usage: Usage | None, paid: float | None) -> Attributes:
    """Return what an answer used and cost, as far as that is known."""
    found: dict[str, Any] = {}
    if usage is not None:
        found = {
            "gen_ai.usage.input_tokens": usage.tokens_in,
            "gen_ai.usage.output_tokens": usage.tokens_out,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_in,
        }
    if paid is not None:
        # The conventions have no name for money; MLflow sums its own, which it would else guess by the model's name.
        found |= {"modelsat.cost_usd": paid, "mlflow.llm.cost": json.dumps({"total_cost": paid})}
    return _known(found)


def messages(chat: ChatRequest) -> Attributes:
    """Return the text of a conversation, without images and other parts."""
    return {INPUT: _written([(str(one.get("role", "")), text_of(one)) for one in chat.messages])}


def question(decision: RoutingDecision) -> Attributes:
    """Return the text that the router read; nothing where it was not asked."""
    return {INPUT: _written([("user", decision.text)])} if decision.text else {}


def provider(host: str) -> str:
    """Return the conventions' name of who answers at a host; the host itself where they have none."""
    known = (name for end, name in _PROVIDERS.items() if host == end or host.endswith(f".{end}"))
    return next(known, host)


def _written(told: Sequence[tuple[str, str]]) -> str:
    kept: list[dict[str, Any]] = []
    room = MOST_CHARACTERS
    for role, text in reversed(told):
        if room <= 0:
            break
        kept.insert(0, {"role": role, "parts": [{"type": "text", "content": text[-room:]}]})
        room -= len(text)
    return json.dumps(kept)


def _shown(row: Mapping[str, Any]) -> str:
    parts = [str(row["candidate"])]
    parts += [f"success={row['success_probability']:.4g}"]
    parts += [] if row["expected_cost_usd"] is None else [f"usd={row['expected_cost_usd']:.4g}"]
    return ";".join(parts)


def _known(found: Mapping[str, Any]) -> Attributes:
    return {name: value for name, value in found.items() if value is not None and value not in ("", [])}
