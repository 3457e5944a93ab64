"""OpenAI's responses, which Codex and the newer `openai` clients speak."""

import re
from collections.abc import Mapping
from typing import Any

from serving.gateway import upstream_faults
from serving.gateway.protocols.protocol import Protocol
from serving.gateway.upstream_faults import UpstreamFault
from serving.gateway.usage import Usage, tokens
from serving.refusal import Refused

NO_RESPONSE = "no response"
_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_EMPTY = ("response.created", "response.in_progress", "response.queued", "response.output_item.added",
          "response.content_part.added", "response.reasoning_summary_part.added", "keepalive")  # fmt: skip
"""Events before the first word."""
_ID = re.compile(rb'(?:"response"\s*:\s*\{|\A\s*\{)\s*"id"\s*:\s*"([^"\\]{1,500})"|"id"\s*:\s*"(resp_[^"\\]{1,500})"')


def conversation(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of `input`: all items of one answer, its calls of tools included, are one message.

    Raises:
        Refused: It has no input, and no stored prompt either, or asks for what this gateway does not have (400).
    """
    if fields.get("background"):
        raise Refused(400, "'background' needs a response to be fetched later, which this gateway cannot; leave it out")
    given = fields.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if given is None and fields.get("prompt"):
        return [{"role": "user", "content": ""}]
    if not isinstance(given, list) or not given or not all(isinstance(item, Mapping) for item in given):
        raise Refused(400, "'input' is neither a text nor a list of items; send one of the two")
    messages: list[dict[str, Any]] = []
    for message in map(_message, given):
        before = messages[-1] if messages else {}
        if message["role"] == "assistant" == before.get("role"):
            before["content"] = [*before["content"], *message["content"]]
            before["tool_calls"] = [*before["tool_calls"], *message["tool_calls"]]
        else:
            messages.append(message)
    return messages


def of_body(body: bytes) -> UpstreamFault | None:
    """Return what is wrong with the body of a 200; None for a response."""
    return upstream_faults.of_body(body, _is_response, NO_RESPONSE)


def of_event(event: bytes) -> UpstreamFault | bool:
    """Judge an event of a stream before any content, as `Protocol.of_event` says."""
    return upstream_faults.of_event(event, _judged)


def usage(answer: Any, before: Usage | None) -> Usage | None:
    """Return what a response used, as the whole body or the last event of a stream says."""
    if not isinstance(answer, Mapping):
        return before
    inner = answer.get("response")
    told = inner.get("usage") if isinstance(inner, Mapping) else answer.get("usage")
    if not isinstance(told, Mapping):
        return before
    read, written = tokens(told.get("input_tokens")), tokens(told.get("output_tokens"))
    if read is None or written is None:
        return before
    details = told.get("input_tokens_details")
    cached = tokens(details.get("cached_tokens")) if isinstance(details, Mapping) else None
    return Usage(read, written, min(cached or 0, read))


def id_in(start: bytes) -> str:
    """Return the id of the response whose body or stream begins so; empty where it names none."""
    found = _ID.search(start)
    return (found[1] or found[2]).decode("utf-8", "replace") if found else ""


def _is_response(parsed: Mapping[str, Any]) -> bool:
    return isinstance(parsed.get("output"), list) and parsed.get("status") != "failed"


def _judged(parsed: Mapping[str, Any]) -> UpstreamFault | bool:
    kind = str(parsed.get("type", ""))
    if kind in _EMPTY:
        return False
    if kind == "response.failed":
        response = parsed.get("response")
        return (upstream_faults.inside(response) if isinstance(response, Mapping) else None) or UpstreamFault(
            upstream_faults.ERROR_IN_200
        )
    if kind == "error":
        return upstream_faults.inside({"error": parsed.get("error") or parsed}) or False
    return upstream_faults.inside(parsed) or kind.startswith("response.")


def _message(item: Mapping[str, Any]) -> dict[str, Any]:
    kind = item.get("type") or "message"
    if kind == "message" and item.get("role") != "assistant":
        return {"role": item.get("role"), "content": _parts(item.get("content"))}
    if kind.endswith("_output"):
        return {"role": "tool", "content": _parts(item.get("output"))}
    content: list[Any] = []
    if kind == "message":
        content = _list(_parts(item.get("content")))
    elif kind == "reasoning":
        content = [*_list(_parts(item.get("summary"))), {"type": "thinking", "text": item.get("encrypted_content")}]
    return {"role": "assistant", "content": content, "tool_calls": [] if content else [dict(item)]}


def _parts(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    parts = [part for part in content if isinstance(part, Mapping)]
    return [{"type": "text", "text": part.get("text")} if part.get("type") in _TEXTS else dict(part) for part in parts]


def _list(content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


RESPONSES = Protocol("responses", "/responses", conversation, of_body, of_event, usage, headers=("openai-beta",))
