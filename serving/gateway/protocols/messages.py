"""Anthropic's messages, which Claude Code and the `anthropic` client speak."""

from collections.abc import Mapping
from typing import Any

from modelsat.io.chat_address import ChatAddress
from serving.gateway import upstream_faults
from serving.gateway.protocols import chat
from serving.gateway.protocols.protocol import Protocol
from serving.gateway.upstream_faults import UpstreamFault
from serving.gateway.usage import Usage, tokens

COUNT_PATH = "/messages/count_tokens"
"""The call that counts a request's tokens and answers nothing else."""
NO_MESSAGE = "no message"
_EMPTY = ("message_start", "content_block_start", "ping")
"""Events before the first word."""


def conversation(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages: results of tools, which Anthropic puts into the user's messages, are messages of their own.

    Marks that move from request to request, such as `cache_control`, are left out.

    Raises:
        Refused: There are no messages (400).
    """
    return [one for message in chat.messages_of(fields) for one in _split(message)]


def login(address: ChatAddress, key: str) -> dict[str, str]:
    """Return the headers with a key: Anthropic's own at Anthropic, and both for others, of which each reads one."""
    if not key:
        return {}
    own = {"x-api-key": key}
    return own if address.is_anthropic else own | address.login(key)


def of_body(body: bytes) -> UpstreamFault | None:
    """Return what is wrong with the body of a 200; None for a message, or a count of tokens."""
    return upstream_faults.of_body(body, _is_message, NO_MESSAGE)


def of_event(event: bytes) -> UpstreamFault | bool:
    """Judge an event of a stream before any content, as `Protocol.of_event` says."""
    return upstream_faults.of_event(event, _judged)


def usage(answer: Any, before: Usage | None) -> Usage | None:
    """Return what a message used, added up over the events of a stream: the last one says how long the answer is.

    Input that was written to the provider's cache counts as input that was not in it.
    """
    if not isinstance(answer, Mapping):
        return before
    inner = answer.get("message")
    told = inner.get("usage") if isinstance(inner, Mapping) else answer.get("usage")
    if not isinstance(told, Mapping):
        return before
    fresh, written, cached, out = (
        tokens(told.get(name))
        for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    )
    if out is None:
        return before
    if fresh is None:
        return None if before is None else Usage(before.tokens_in, out, before.cached_in)
    return Usage(fresh + (written or 0) + (cached or 0), out, cached or 0)


def _is_message(parsed: Mapping[str, Any]) -> bool:
    return isinstance(parsed.get("content"), list) or isinstance(parsed.get("input_tokens"), int)


def _judged(parsed: Mapping[str, Any]) -> UpstreamFault | bool:
    if parsed.get("type") in _EMPTY:
        return False
    return upstream_faults.inside(parsed) or bool(parsed.get("type"))


def _split(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    role, content = message.get("role"), message.get("content")
    if not isinstance(content, list):
        return [{"role": role, "content": content}]
    blocks = [block for block in content if isinstance(block, Mapping)]
    results = [{"role": "tool", "content": _parts(one.get("content"))} for one in blocks if _kind(one) == "tool_result"]
    calls = [_call(block) for block in blocks if _kind(block) == "tool_use"]
    rest = _parts([block for block in blocks if _kind(block) not in ("tool_result", "tool_use")])
    if results and not rest:
        return results
    return [*results, {"role": role, "content": rest} | ({"tool_calls": calls} if calls else {})]


def _parts(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    return [_part(block) for block in content if isinstance(block, Mapping)]


def _part(block: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in block.items() if name != "cache_control"}
    return kept | {"text": block["thinking"]} if isinstance(block.get("thinking"), str) else kept


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "cache_control"}


def _kind(block: Mapping[str, Any]) -> str:
    return str(block.get("type"))


MESSAGES = Protocol(
    "messages", "/messages", conversation, of_body, of_event, usage, login, ("anthropic-version", "anthropic-beta")
)
