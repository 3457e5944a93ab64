"""What a request needs of a candidate, beside knowing the answer: to read its parts, to call its tools, to hold it all.

A candidate that the catalogue knows to lack something never gets the request; one of which the catalogue says nothing
gets it after those that are known to be able. Length is an estimate, so it never leaves a request without a candidate.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelsat.policy.costs import CHARACTERS_PER_TOKEN
from serving.gateway.catalogue import CandidateFacts
from serving.gateway.chat_request import ChatRequest

_READS = {
    "image_url": "image", "input_image": "image", "image": "image", "input_audio": "audio", "audio_url": "audio",
    "audio": "audio", "file": "file", "input_file": "file", "document": "file", "video_url": "video",
    "input_video": "video", "video": "video",
}  # fmt: skip
TOKENS_PER_MESSAGE, TOKENS_PER_IMAGE = 4, 800
"""Roles and separators of a chat template; an image of a megapixel, of which providers make 250 to 1,600."""
_BESIDE = ("tools", "functions", "response_format", "system", "instructions", "text")
"""Fields that a model reads beside the messages, of any protocol."""
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
MARGIN = 1.15
"""Code and numbers take more tokens than the prose that four characters a token are counted on."""


@dataclass(frozen=True)
class RequestNeeds:
    """Needs of one request.

    Attributes:
        modalities: What has to be read beside text.
        tools: Whether tools have to be called.
        tokens: Estimate of the whole conversation, tools included.
        answer_tokens: Most that the answer may take; 0 where the request does not say.
        region: Where it has to be served; None for anywhere.
    """

    modalities: frozenset[str] = frozenset()
    tools: bool = False
    tokens: int = 0
    answer_tokens: int = 0
    region: str | None = None


def of_request(chat: ChatRequest) -> RequestNeeds:
    """Return what a request needs, and what its `modelsat` object asks for beside."""
    asked, fields = chat.preferences, chat.forwarded
    parts = [part for message in chat.messages for part in _parts(message)]
    kinds = [_kind(part) for part in parts]
    modalities = {_READS[kind] for kind in kinds if kind in _READS}
    # Models that speak are those that hear.
    spoken = fields.get("modalities")
    modalities |= {"audio"} if isinstance(spoken, list) and "audio" in spoken else set()
    tools = bool(fields.get("tools") or fields.get("functions")) and not _is_none(fields.get("tool_choice"))
    # A model without tools does not read their calls and results either.
    tools = tools or any(one.get("tool_calls") or one.get("role") in ("tool", "function") for one in chat.messages)
    images = sum(_READS.get(kind) == "image" for kind in kinds)
    tokens = (
        tokens_of(_texts(chat.messages, parts)) + TOKENS_PER_MESSAGE * len(chat.messages) + TOKENS_PER_IMAGE * images
    )
    for name in _BESIDE:
        if fields.get(name):
            tokens += tokens_of([json.dumps(fields[name])])
    return RequestNeeds(
        frozenset(modalities | set(asked.modalities)),
        tools or asked.tools,
        max(tokens, asked.min_context_length or 0),
        max(_whole(fields.get(name)) for name in _LIMITS),
        asked.region,
    )


def tokens_of(texts: Iterable[str]) -> int:
    """Estimate the tokens of texts, rather too many than too few: a letter beyond ASCII counts as one."""
    ascii_letters = others = 0
    for text in texts:
        beyond = 0 if text.isascii() else len(text) - len(text.encode("ascii", "ignore"))
        others += beyond
        ascii_letters += len(text) - beyond
    return math.ceil(MARGIN * ascii_letters / CHARACTERS_PER_TOKEN) + others


def able(names: Sequence[str], needs: RequestNeeds, facts: Mapping[str, CandidateFacts]) -> list[str]:
    """Return the candidates that may answer: those known to be able, then those of which too little is known.

    Args:
        names: Candidates, the best first.
        needs: Of the request.
        facts: By candidate; one that is missing is unknown.

    Returns:
        None of them where every one is known to lack something.
    """
    standing = {name: _is_able(facts.get(name, CandidateFacts()), needs) for name in names}
    known = [name for name in names if standing[name]]
    unknown = [name for name in names if standing[name] is None]
    return _long_enough([*known, *unknown], needs, facts)


def lacking(needs: RequestNeeds) -> str:
    """Return the sentence for a request that no candidate can answer."""
    named = [*sorted(needs.modalities), *(["tools"] if needs.tools else []), *([needs.region] if needs.region else [])]
    return (
        f"the request needs {', '.join(named)}, which no allowed candidate is known to offer; "
        "leave it out, or allow other candidates"
    )


def _is_able(facts: CandidateFacts, needs: RequestNeeds) -> bool | None:
    """Return whether a candidate fulfils all needs but length; None where the catalogue does not say."""
    answers: list[bool | None] = []
    if needs.modalities:
        answers.append(None if facts.modalities is None else facts.modalities >= needs.modalities)
    if needs.tools:
        answers.append(facts.tools)
    if needs.region is not None:
        answers.append(None if facts.regions is None else needs.region in facts.regions)
    return False if False in answers else None if None in answers else True


def _long_enough(names: list[str], needs: RequestNeeds, facts: Mapping[str, CandidateFacts]) -> list[str]:
    """Leave out candidates whose context is too short; where all are, keep those that read most.

    Clients ask for more tokens than they expect: where no candidate could give them all, the conversation has to fit.
    """
    context = {name: facts.get(name, CandidateFacts()).context_length for name in names}
    for tokens in (needs.tokens + needs.answer_tokens, needs.tokens):
        fitting = [name for name in names if (context[name] or math.inf) >= tokens]
        if fitting:
            return fitting
    longest = max((context[name] or 0 for name in names), default=0)
    return [name for name in names if context[name] == longest]


def _parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    if isinstance(content, Mapping):
        return [content]
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def _kind(part: Mapping[str, Any]) -> str:
    """Return what a part is, by its type or, where a client leaves that out, by what it holds."""
    return str(part["type"]) if part.get("type") else next((name for name in part if name in _READS), "text")


def _texts(messages: Sequence[Mapping[str, Any]], parts: Sequence[Mapping[str, Any]]) -> list[str]:
    texts = [message.get("content") for message in messages] + [part.get("text") for part in parts]
    calls = [json.dumps(message["tool_calls"]) for message in messages if message.get("tool_calls")]
    return [text for text in texts if isinstance(text, str)] + calls


def _is_none(choice: Any) -> bool:
    return choice == "none" or (isinstance(choice, Mapping) and choice.get("type") == "none")


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
