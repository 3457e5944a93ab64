"""Who answered a conversation last, and who gave an answer: kept in this process, and in a store that gateways share.

A conversation is found by the messages before its last answer, which clients send again, and else by the id that its
client sends. Messages go first: under one id agents also run side calls and sub-agents, and only messages say that the
candidate has read this history. Kept are digests and names of candidates, never a text.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from serving import off_loop
from serving.gateway.chat_request import ChatRequest
from serving.gateway.conversation_digest import conversation_digest
from serving.gateway.memory import Answered, Memory
from serving.gateway.shared_sessions import SharedSessions

_DIGITS = 32
_T = TypeVar("_T")


@dataclass(frozen=True)
class Previous:
    """The last answer of a conversation.

    Attributes:
        candidate: Who gave it.
        seconds: How long ago.
    """

    candidate: str
    seconds: float


class Sessions:
    """The sessions of one gateway.

    Args:
        shared: Store of several gateways; None keeps all in this process.
        clock: Seconds since 1970.
    """

    def __init__(self, shared: SharedSessions | None = None, clock: Callable[[], float] = time.time) -> None:
        self._own = Memory()
        self._shared = shared
        self._clock = clock
        self._running: set[asyncio.Future[Any]] = set()

    def previous(self, client: str, chat: ChatRequest) -> asyncio.Future[Previous | None]:
        """Begin to look up who gave the last answer of a conversation; None where there is none or it is not known.

        A long conversation is read, and the shared store asked, while the caller does something else; both take a
        bounded time.
        """
        if chat.is_long or self._shared is not None:
            return self._begin(self._look_up(client, chat))
        known: asyncio.Future[Previous | None] = asyncio.get_running_loop().create_future()
        known.set_result(self._found([self._own.get(key) for key in _keys(client, chat)]))
        return known

    def keep(self, client: str, chat: ChatRequest, candidate: str, ids: Sequence[str] = ()) -> None:
        """Remember who answers a conversation, a long one a moment later: no first byte waits for its digest.

        Args:
            client: Who asked.
            chat: The request.
            candidate: Who answers.
            ids: Of the answer, under which it may be named later; empty ones are left out.
        """
        value = Answered(candidate, round(self._clock()))
        values = {_of_answer(client, one): value for one in ids if one}
        named = {_of_id(client, chat.conversation): value} if chat.conversation else {}
        if chat.is_long:
            self._put(values)
            self._begin(self._keep_long(client, chat, value, named))
        else:
            self._keep(chat, {_of_messages(client, chat.messages): value} | values, named)

    async def who_answered(self, client: str, answer_id: str) -> str | None:
        """Return who gave an answer, None where no such answer was given to this client or it is forgotten."""
        key = _of_answer(client, answer_id)
        found = self._found([self._own.get(key)])
        if found is None and self._shared is not None:
            found = await self._begin(self._ask([key]))
        return None if found is None else found.candidate

    async def close(self) -> None:
        """Keep what is still read, and let go of the shared store."""
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._shared is not None:
            await self._shared.close()

    def _begin(self, work: Coroutine[Any, Any, _T]) -> asyncio.Future[_T]:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _keep_long(self, client: str, chat: ChatRequest, value: Answered, named: Mapping[str, Answered]) -> None:
        key = await off_loop.called(True, _of_messages, client, chat.messages)
        self._keep(chat, {key: value}, named)

    def _keep(self, chat: ChatRequest, values: Mapping[str, Answered], named: Mapping[str, Answered]) -> None:
        if _last_answer(chat.messages) is not None:
            self._put({**values, **named})
        else:
            # It begins the conversation, or is a side call under its id, which does not take the conversation over.
            self._put(values, if_new=named)

    def _put(self, values: Mapping[str, Answered], if_new: Mapping[str, Answered] | None = None) -> None:
        new = {key: value for key, value in (if_new or {}).items() if self._own.get(key) is None}
        for key, value in {**values, **new}.items():
            self._own.put(key, value)
        if self._shared is not None:
            self._shared.put(_as_texts(values), _as_texts(if_new or {}))

    async def _look_up(self, client: str, chat: ChatRequest) -> Previous | None:
        keys = await off_loop.called(chat.is_long, _keys, client, chat)
        return await self._ask(keys) if keys else None

    async def _ask(self, keys: Sequence[str]) -> Previous | None:
        texts = await self._shared.get(keys) if self._shared is not None else None
        told = map(_of_text, texts or [None] * len(keys))
        own = [self._own.get(key) for key in keys]
        # What another gateway said later stands in the store alone; what was said while it was away stands here.
        return self._found([there or here for there, here in zip(told, own, strict=True)])

    def _found(self, values: Sequence[Answered | None]) -> Previous | None:
        first = next(filter(None, values), None)
        return None if first is None else Previous(first.candidate, max(self._clock() - first.at, 0.0))


def _as_texts(values: Mapping[str, Answered]) -> dict[str, str]:
    """Return values as the shared store keeps them."""
    return {key: f"{value.at} {value.candidate}" for key, value in values.items()}


def _of_text(text: str | None) -> Answered | None:
    """Return what the shared store keeps; None for what is not ours."""
    at, _, candidate = (text or "").partition(" ")
    return Answered(candidate, int(at)) if at.isdecimal() and candidate else None


def _keys(client: str, chat: ChatRequest) -> list[str]:
    last = _last_answer(chat.messages)
    if last is None:
        return []
    named = [_of_id(client, chat.conversation)] if chat.conversation else []
    return [_of_messages(client, chat.messages[:last]), *named]


def _last_answer(messages: Sequence[Mapping[str, Any]]) -> int | None:
    return next((i for i in range(len(messages) - 1, -1, -1) if messages[i].get("role") == "assistant"), None)


def _of_messages(client: str, messages: Sequence[Mapping[str, Any]]) -> str:
    return f"conversation:{conversation_digest(client, messages)}"


def _of_id(client: str, conversation: str) -> str:
    return _digest("id", [client, conversation])


def _of_answer(client: str, answer_id: str) -> str:
    return _digest("answer", [client, answer_id])


def _digest(kind: str, value: Any) -> str:
    return f"{kind}:{hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]}"
