"""A request as it was asked for: what the gateway reads of it; other fields go to the upstream untouched."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelsat.errors import InputError
from modelsat.io.merged_body import merged
from modelsat.policy import preferences
from modelsat.policy.preferences import Preferences
from serving import bounded_json
from serving.bounded_json import JsonLimits
from serving.gateway.protocols.chat import CHAT
from serving.gateway.protocols.protocol import Protocol
from serving.gateway.protocols.responses import RESPONSES
from serving.off_loop import LONG_BODY
from serving.refusal import Refused

AUTO = "auto"
ENDS = {f"{AUTO}:{policy}": policy for policy in (preferences.BEST, preferences.CHEAP)}
"""Names of models that ask for an end of the dial between quality and cost."""
FAILED_OF = "failed_of"
_ADDITIONS = (*(name for name in preferences.FIELDS if name not in ("top_k", "available")), FAILED_OF)
_MOST_PATTERNS, _MOST_FAILED = 200, 20
_NOTHING: Mapping[str, Any] = {}
LIMITS = JsonLimits(most_values=65_536)
MOST_MESSAGES = 10_000


@dataclass(frozen=True)
class ChatRequest:
    """One request.

    Attributes:
        model: `auto` or a candidate.
        messages: The conversation, as chat completions have it.
        forwarded: Every field but `modelsat`, for the upstream.
        preferences: Who may be chosen, and how; its `candidates` are patterns such as `qwen*`.
        protocol: That the client speaks.
        path: Of the call, below an upstream's base address; empty for the protocol's own.
        query: Of the call.
        is_called: Whether the gateway makes the call; else whoever asked for the decision does.
        conversation: Its id, as the client says; empty where it says none.
        failed_of: Ids of earlier answers that failed.
        is_long: Whether the event loop leaves what has to be done with all of it to a thread.
    """

    model: str
    messages: list[dict[str, Any]]
    forwarded: dict[str, Any]
    preferences: Preferences = Preferences()
    protocol: Protocol = CHAT
    path: str = ""
    query: str = ""
    is_called: bool = True
    conversation: str = ""
    failed_of: tuple[str, ...] = ()
    is_long: bool = False

    @property
    def kept_upstream(self) -> str:
        """Return what an upstream keeps and the request goes on with: a response, or a conversation; empty for none."""
        if self.protocol is not RESPONSES:
            return ""
        conversation = self.forwarded.get("conversation")
        if isinstance(conversation, Mapping):
            conversation = conversation.get("id")
        return str(self.forwarded.get("previous_response_id") or conversation or "")

    def body_for(self, model: str, fields: Mapping[str, Any] | None = None, own: Mapping[str, Any] = _NOTHING) -> bytes:
        """Return the body for an upstream.

        Args:
            model: What it calls the chosen candidate.
            fields: Instead of the client's.
            own: The candidate's own, which go before the client's.
        """
        body = {**(fields or self.forwarded), "model": model}
        return json.dumps(merged(body, own) if own else body, separators=(",", ":")).encode()


def parse(body: bytes, model: str | None = None, protocol: Protocol = CHAT) -> ChatRequest:
    """Read a request body.

    Args:
        body: JSON of the protocol, with an object `modelsat` or without.
        model: What is asked for where the body names no model; None requires one.
        protocol: Of the request.

    Raises:
        Refused: Something that the gateway has to read is malformed (400), or the body holds too much (413).
    """
    try:
        fields = bounded_json.loads(body, LIMITS, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Refused(
            400, "the request body is not valid JSON; send an object with 'model' and the conversation"
        ) from None
    if not isinstance(fields, dict):
        raise Refused(400, "the request body is not a JSON object; send one with 'model' and the conversation")
    name = fields.get("model", model)
    if not isinstance(name, str) or not name:
        raise Refused(400, "'model' must be a string; send 'auto' or the name of a candidate")
    messages = protocol.conversation(fields)
    if len(messages) > MOST_MESSAGES:
        raise Refused(413, f"the conversation has {len(messages):,} messages; send at most {MOST_MESSAGES:,}")
    additions = fields.pop("modelsat", None)
    asked = {} if additions is None else additions
    if name in ENDS and isinstance(asked, Mapping):
        if asked.get("policy") not in (None, ENDS[name]):
            raise Refused(400, f"model {name!r} and 'policy' ask for different things; leave out one of them")
        name, asked = AUTO, {**asked, "policy": ENDS[name]}
    return ChatRequest(
        name,
        messages,
        fields,
        _read_additions(asked),
        protocol,
        failed_of=_failed_of(asked),
        is_long=len(body) > LONG_BODY,
    )


def _read_additions(additions: Any) -> Preferences:
    unknown = sorted(set(additions) - set(_ADDITIONS)) if isinstance(additions, Mapping) else ["?"]
    if unknown:
        named = f"does not know {unknown[0][:40]!r}; it" if isinstance(additions, Mapping) else "is an object that"
        raise Refused(400, f"'modelsat' {named} knows {', '.join(_ADDITIONS)}; remove everything else")
    try:
        read = preferences.read({name: value for name, value in additions.items() if name != FAILED_OF})
    except InputError as error:
        raise Refused(400, f"'modelsat': {error}") from None
    patterns = read.candidates
    if patterns is not None and not (
        0 < len(patterns) <= _MOST_PATTERNS and all(len(one) <= _MOST_PATTERNS for one in patterns)
    ):
        raise Refused(400, f"'candidates' is no list of at most {_MOST_PATTERNS} names or patterns such as 'qwen*'")
    return read


def _failed_of(additions: Mapping[str, Any]) -> tuple[str, ...]:
    told = additions.get(FAILED_OF)
    ids = [told] if isinstance(told, str) else [] if told is None else told
    if not isinstance(ids, list) or len(ids) > _MOST_FAILED or not all(isinstance(one, str) and one for one in ids):
        raise Refused(
            400, f"'{FAILED_OF}' is no id of an answer, and no list of at most {_MOST_FAILED}; send their ids"
        )
    return tuple(ids)


def _refuse_constant(_: str) -> float:
    raise ValueError


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError
    return value
