"""Puts one question to an OpenAI-compatible chat endpoint, again where that can help, and with an end to every wait.

Neither the key nor the text of a question or an answer is in any error.
"""

import asyncio
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from modelsat.errors import ServiceError
from modelsat.io import answer_limit
from modelsat.io.chat_endpoint import MAY_PASS, REFUSED, ChatEndpoint
from modelsat.onboarding.asking import provider_words
from modelsat.onboarding.asking.pace import LONGEST_PAUSE_SECONDS, RequestPace, backoff, retry_after
from modelsat.onboarding.asking.settings import AskingSettings

LARGEST_BODY = 2**22


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        text: The answer.
        tokens_in: Of the question as the endpoint counted; None where it does not say.
        tokens_out: Of the answer, hidden thoughts included where the endpoint counts them.
        latency_seconds: From the start of the request that succeeded to the last byte.
        finish_reason: `stop`, `length` or whatever the endpoint says.
    """

    text: str
    tokens_in: int | None
    tokens_out: int | None
    latency_seconds: float
    finish_reason: str | None


class NoAnswer(Exception):
    """The endpoint refuses this one question, or failed at every try; the others may fare better.

    Attributes:
        remedy: What helps where the endpoint objects to a field that all questions are sent with, else "".
    """

    def __init__(self, fault: str, remedy: str = "") -> None:
        super().__init__(fault)
        self.remedy = remedy


class Endpoint:
    """An open connection pool to one endpoint; an asynchronous context.

    Args:
        address: Where questions go, and the key.
        settings: Time-outs, tries and the fields of a request.
        pace: Shared by all requests.
    """

    def __init__(self, address: ChatEndpoint, settings: AskingSettings, pace: RequestPace) -> None:
        import httpx

        self._address, self._settings, self._pace = address, settings, pace
        self._randomness = random.Random()  # noqa: S311  it spreads retries, it guards nothing
        self._takes_new_name = False
        self._failures: tuple[type[Exception], ...] = (httpx.TransportError, httpx.DecodingError, TimeoutError)
        self._client = httpx.AsyncClient(
            headers={**settings.headers, **address.address.login(address.key)},
            timeout=settings.seconds,
            # The key and the question go to the host that was named.
            follow_redirects=False,
            limits=httpx.Limits(max_connections=settings.concurrency),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ask(self, text: str) -> Reply:
        """Return the reply to one question.

        Raises:
            NoAnswer: The endpoint refuses this question, or failed at every try.
            ServiceError: It refuses all of them, or asks for a pause that is too long to sit out.
        """
        body = request_body(self._address.model, text, self._settings)
        fault = ""
        for attempt in range(self._settings.tries):
            await self._pace.turn()
            stated = 0.0
            try:
                async with asyncio.timeout(self._settings.seconds):
                    status, header, content, seconds = await self._adapted(body)
                if status == 200:
                    return _reply(content, seconds)
                fault, stated = f"status {status}", retry_after(header, datetime.now(UTC))
                self._judge(status, stated, content, text)
            except _NotACompletion:
                fault = "a body that is no chat completion"
            except self._failures as error:
                fault = type(error).__name__
            if stated:
                # Whoever is told to slow down slows down as a whole.
                self._pace.hold(stated)
            if attempt + 1 < self._settings.tries:
                await asyncio.sleep(max(stated, backoff(attempt, self._randomness)))
        raise NoAnswer(f"failed {self._settings.tries} times, last with {fault}")

    async def _adapted(self, body: bytes) -> tuple[int, str | None, bytes, float]:
        """Post a request; where the endpoint asks for the limit's new name, this one again and all others so."""
        renamed = answer_limit.body_with_new_name(body)
        if renamed is None:
            return await self._post(body)
        if not self._takes_new_name:
            answer = await self._post(body)
            if not answer_limit.asks_for_new_name(answer[0], answer[2]):
                return answer
            self._takes_new_name = True
            await self._pace.turn()
        return await self._post(renamed)

    async def _post(self, body: bytes) -> tuple[int, str | None, bytes, float]:
        began = time.monotonic()
        url = self._address.address.completions
        headers = {"Content-Type": "application/json"}
        content = bytearray()
        async with self._client.stream("POST", url, content=body, headers=headers) as response:
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > LARGEST_BODY:
                    raise _NotACompletion
        return response.status_code, response.headers.get("Retry-After"), bytes(content), time.monotonic() - began

    def _judge(self, status: int, stated: float, content: bytes, text: str) -> None:
        where = f"the endpoint {self._address.url!r}"
        if status not in MAY_PASS:
            model, key = self._address.model, self._address.key
            refused = provider_words.refusal(content, text, key, model, self._settings.fields())
            if status in REFUSED:
                raise NoAnswer(f"refused with status {status}{refused.quoted}", provider_words.remedy(refused))
            remedy = provider_words.remedy_for_status(status)
            advice = f"; {remedy}" if remedy else ""
            raise ServiceError(f"{where} answers status {status} to model {model!r}{refused.quoted}{advice}")
        if stated > LONGEST_PAUSE_SECONDS:
            raise ServiceError(
                f"{where} answers status {status} and asks to wait {stated:.0f} s; run the same command again then"
            )


def request_body(model: str, text: str, settings: AskingSettings) -> bytes:
    """Return the body of a request."""
    fields = settings.fields()
    first = {name: fields[name] for name in ("temperature", "max_tokens") if name in fields}
    messages = [{"role": "user", "content": text}]
    # The order of the fields is that of 0.1.0: interrupted runs know their requests by a digest.
    return json.dumps({"model": model, **first, "messages": messages, **fields}).encode()


class _NotACompletion(Exception):
    """Status 200 and something else: a proxy's page, or half an answer."""


def _reply(content: bytes, seconds: float) -> Reply:
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        text = choice["message"]["content"]
        usage = body.get("usage")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _NotACompletion from None
    finish = choice.get("finish_reason")
    return Reply(
        text if isinstance(text, str) else "",
        _tokens(usage, "prompt_tokens"),
        _tokens(usage, "completion_tokens"),
        seconds,
        finish if isinstance(finish, str) else None,
    )


def _tokens(usage: object, name: str) -> int | None:
    value: Any = usage.get(name) if isinstance(usage, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None
