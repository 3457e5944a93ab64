"""Whose fault a failed call is: the client's, whose request another upstream would refuse too, or the upstream's.

Pure: a status and the beginning of a body in, a fault out. Providers say the same thing in many ways; codes come first,
then words of their sentences.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

CONTEXT, UNSUPPORTED, NO_ANSWER = "context_length_exceeded", "unsupported", "no chat completion"
KEY_REFUSED, NO_CREDIT, MODEL_GONE = "key refused", "no credit", "model gone"
ERROR_IN_200 = "200 with an error"

_CONTEXT = re.compile(
    r"context_length|context length|context window|maximum context|prompt is too long|input is too long|too many tokens"
    r"|exceeds? the (?:maximum|available) (?:number of )?(?:input )?(?:tokens|context)|reduce the length of"
    r"|max(?:imum)?[_ ](?:model[_ ]len|input[_ ]tokens|prompt[_ ]length|seq_len|sequence length|tokens allowed)"
    r"|string_above_max_length|input token count|context_?window|context limit|token limit|range of input length"
    r"|`inputs`.{0,40}must|max_tokens must be at least 1, got -"
)
_KEY = re.compile(
    r"invalid_api_key|api[_ ]key[_ ](?:not valid|invalid)|(?:incorrect|invalid) api key|authentication_error"
)
_CREDIT = re.compile(r"insufficient[_ ](?:quota|credits?|balance|funds)|credit balance|billing_(?:error|not_active)")
_GONE = re.compile(
    r"model_(?:not_found|deprecated|decommissioned)|deploymentnotfound|not a valid model|invalid model (?:id|name)"
    r"|model\b.{0,120}\b(?:not exist|not found|has been (?:deprecated|decommissioned|retired|removed))"
)
_UNSUPPORTED = re.compile(
    r"(?:does|do) not support|not supported|unsupported[_ ](?:parameter|value|model|content)|not a multimodal model"
    r"|no endpoints found|no allowed providers|only supported (?:by|with|for)|at most 0 \w+|requires --enable-"
    r"|unknown variant|extra_forbidden|extra inputs are not permitted|unrecognized request argument"
)
# With these a server refuses a request that another server would refuse, too.
_OF_REQUEST = (400, 406, 411, 412, 414, 415, 416, 417, 422, 428, 431, 451)
_WHOLE = re.compile(rb'"choices"\s*:\s*\[\s*\{')
_SPOKEN = re.compile(rb'"(?:message|text)"\s*:\s*["{]')
_TOO_DEAR = "fewer max_tokens"
_FILTERED = re.compile(r"moderation|flagged|content[_ ](?:filter|policy)|safety")


@dataclass(frozen=True)
class UpstreamFault:
    """Why a call is no answer, though the request may be a good one.

    Attributes:
        reason: A status, a word of this module, or the name of a transport error.
        is_passed_on: Whether the client gets the upstream's own words where no other candidate answers.
        takes_out: Whether the upstream will fail the next request as well: its key, credit, model or address is wrong.
        needs_longer_context: Whether only a candidate that reads more can do better.
    """

    reason: str
    is_passed_on: bool = False
    takes_out: bool = False
    needs_longer_context: bool = False


def of_status(status: int, body: bytes = b"") -> UpstreamFault | None:
    """Return what is wrong with an upstream that answered other than 2xx; None where the request itself is at fault.

    Args:
        status: Of HTTP, at least 300.
        body: Its beginning, decompressed.
    """
    codes, said = _said(body)
    if status == 413 or ((status in (400, 404, 422, 429) or status >= 500) and _CONTEXT.search(said)):
        return UpstreamFault(CONTEXT if status != 413 else "413", is_passed_on=True, needs_longer_context=True)
    if status in (400, 422, 429):
        for pattern, reason in ((_CREDIT, NO_CREDIT), (_KEY, KEY_REFUSED), (_GONE, MODEL_GONE)):
            if pattern.search(said):
                # A sentence may repeat what a client wrote, and no client shall take an upstream out; a code does not.
                return UpstreamFault(reason, takes_out=bool(pattern.search(codes)))
    if status in (400, 404, 415, 422) and _UNSUPPORTED.search(said):
        return UpstreamFault(UNSUPPORTED, is_passed_on=status != 404)
    if status in (401, 402, 403, 404, 405, 407, 410) or status < 400:
        is_of_request = (status == 403 and _FILTERED.search(said)) or (status == 402 and _TOO_DEAR in said)
        return UpstreamFault(str(status), takes_out=not is_of_request)
    return None if status in _OF_REQUEST else UpstreamFault(str(status), is_passed_on=True)


def of_completion(body: bytes) -> UpstreamFault | None:
    """Return what is wrong with the body of a 200 that is whole and no stream; None for a chat completion."""
    # The common case costs two searches and no parsing.
    if _WHOLE.search(body) and _SPOKEN.search(body) and b'"error"' not in body:
        return None
    return of_body(body, _is_completion)


def of_body(
    body: bytes, is_answer: Callable[[Mapping[str, Any]], bool], reason: str = NO_ANSWER
) -> UpstreamFault | None:
    """Return what is wrong with the body of a 200 that is whole; None for an answer.

    Args:
        body: JSON, or not.
        is_answer: Says whether an object is one.
        reason: Of what is neither an answer nor an error.
    """
    parsed = _parsed(body)
    if not isinstance(parsed, Mapping):
        return UpstreamFault(reason)
    return None if is_answer(parsed) else inside(parsed) or UpstreamFault(reason)


def of_chunk(parsed: Mapping[str, Any]) -> UpstreamFault | bool:
    """Judge a chunk of a chat completion before any content, as `of_event` does."""
    choices = parsed.get("choices")
    if not isinstance(choices, list):
        return inside(parsed) or False
    if any(_says_something(choice) for choice in choices):
        return True
    fault = inside(parsed)
    if fault is None and choices and all(_failed(choice) for choice in choices):
        fault = UpstreamFault(ERROR_IN_200)
    return fault or False


def of_event(
    event: bytes, judged: Callable[[Mapping[str, Any]], UpstreamFault | bool] = of_chunk
) -> UpstreamFault | bool:
    """Judge an event of a stream before any content: its fault, True where it answers, False where it says nothing yet.

    Args:
        event: Lines of the event, without the blank line behind them.
        judged: Judges the object that an event holds and that is not called an error.
    """
    lines = event.splitlines()
    data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
    is_error = any(line.startswith(b"event:") and line[6:].strip() == b"error" for line in lines)
    # Some servers forget the word `data`, or write `error` in its place.
    bare = b"" if data else b"\n".join(line.strip().removeprefix(b"error:").strip() for line in lines)
    if bare.startswith(b"{"):
        return inside(_mapping(bare)) or False
    if not data:
        return False
    if data == b"[DONE]":
        return UpstreamFault(NO_ANSWER)
    parsed = _parsed(data)
    if not isinstance(parsed, Mapping):
        # Nothing that this module knows; the client may.
        return UpstreamFault(ERROR_IN_200) if is_error or data[:6].lower().lstrip(b"[").startswith(b"error") else True
    if is_error:
        return inside({"error": parsed.get("error", parsed)}) or UpstreamFault(ERROR_IN_200)
    return judged(parsed)


def inside(parsed: Mapping[str, Any]) -> UpstreamFault | None:
    """Return the fault that a body with status 200 tells of."""
    error = parsed.get("error")
    if not error and parsed.get("object") != "error":
        return None
    inner = error if isinstance(error, Mapping) else parsed
    code = inner.get("code") or inner.get("status")
    status = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else 400
    known = of_status(status, json.dumps(parsed).encode()) if 300 <= status < 600 else None
    if known is None:
        return UpstreamFault(ERROR_IN_200)
    return UpstreamFault(ERROR_IN_200, False, known.takes_out, known.needs_longer_context)


def _failed(choice: Any) -> bool:
    return isinstance(choice, Mapping) and bool(choice.get("error") or choice.get("finish_reason") == "error")


def _is_completion(parsed: Mapping[str, Any]) -> bool:
    choices = parsed.get("choices")
    return isinstance(choices, list) and any(_is_answer(choice) for choice in choices)


def _is_answer(choice: Any) -> bool:
    if not isinstance(choice, Mapping) or _failed(choice):
        return False
    # Azure leaves the message out of what its filter held back.
    return isinstance(choice.get("message"), Mapping) or "text" in choice or bool(choice.get("finish_reason"))


def _says_something(choice: Any) -> bool:
    if not isinstance(choice, Mapping):
        return True
    if _failed(choice):
        return False
    delta = choice.get("delta") or choice.get("message") or {}
    spoken = isinstance(delta, Mapping) and any(value for name, value in delta.items() if name != "role")
    return spoken or bool(choice.get("finish_reason")) or bool(choice.get("text"))


def _said(body: bytes) -> tuple[str, str]:
    """Return the codes of an error, and all that it says, in lower case."""
    parsed = _parsed(body)
    error = parsed.get("error", parsed) if isinstance(parsed, Mapping) else None
    if not isinstance(error, Mapping):
        return "", (str(error) if error else body.decode("utf-8", "replace")).lower()
    codes = " ".join(str(error.get(name)) for name in ("code", "type", "status") if error.get(name)).lower()
    words = " ".join(str(error.get(name)) for name in ("message", "detail", "metadata") if error.get(name)).lower()
    return codes, f"{codes} {words}"


def _mapping(body: bytes) -> Mapping[str, Any]:
    parsed = _parsed(body)
    return parsed if isinstance(parsed, Mapping) else {}


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
