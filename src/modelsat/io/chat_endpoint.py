"""Sends one question to an OpenAI-compatible chat endpoint, with a bounded number of retries.

Neither the key nor the text of a question is in any error.
"""

import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import cached_property

from modelsat.errors import InputError, ServiceError
from modelsat.io import chat_address
from modelsat.io.chat_address import ChatAddress
from modelsat.io.redirects import open_without_redirects

REFUSED = frozenset({400, 413, 422})
"""Statuses about one question (too long, filtered), not about the endpoint."""

MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
LONGEST_WAIT_SECONDS = 60.0
MAX_TOKENS = 512


@dataclass(frozen=True)
class ChatEndpoint:
    """Address, model and key of a chat endpoint.

    Attributes:
        url: Address, `https://host/v1`; read by `modelsat.io.chat_address`.
        model: Name of the model there.
        key: Sent as bearer token where it is not empty; never shown.
        timeout_seconds: How long the endpoint may be silent.
        waits_seconds: Pause before each further try; as many tries follow the first.

    Raises:
        InputError: The address or the key cannot be used.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout_seconds: float = 60.0
    waits_seconds: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)

    def __post_init__(self) -> None:
        try:
            chat_address.read(self.url)
        except InputError as error:
            raise InputError(f"the address of the chat endpoint {error}") from None
        if not (self.key.isascii() and self.key.isprintable()):
            raise InputError("the key of the chat endpoint holds a line break or an odd character; set it again")

    @cached_property
    def address(self) -> ChatAddress:
        """Return what `url` means."""
        return chat_address.read(self.url)

    def ask(self, instruction: str, question: str) -> str | None:
        """Return the answer at temperature 0, or None where the endpoint refuses this question.

        Args:
            instruction: The system message.
            question: The user message.

        Raises:
            ServiceError: The endpoint refuses all questions, or fails at every try.
        """
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": question}]
        asked = {"model": self.model, "temperature": 0, "max_tokens": MAX_TOKENS, "messages": messages}
        body = json.dumps(asked).encode()
        pauses = iter(self.waits_seconds)
        while True:
            at_least = 0.0
            try:
                return self._post(body)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in REFUSED:
                    return None
                fault, at_least = f"status {error.code}", _retry_after(error)
                if error.code not in MAY_PASS:
                    raise ServiceError(
                        f"the chat endpoint {self.url!r} answers {fault} to model {self.model!r}; "
                        "check its address (it mostly ends in /v1), the model's name and the key"
                    ) from error
            except (OSError, http.client.HTTPException, _NoCompletion) as error:
                fault = str(error) or type(error).__name__
            pause = next(pauses, None)
            if pause is None:
                raise ServiceError(
                    f"the chat endpoint {self.url!r} failed {len(self.waits_seconds) + 1} times, last with {fault}; "
                    "run the same command again when it works"
                )
            time.sleep(min(max(pause, at_least), LONGEST_WAIT_SECONDS))

    def _post(self, body: bytes) -> str:
        request = urllib.request.Request(self.address.completions, body, {"Content-Type": "application/json"})  # noqa: S310
        for name, value in self.address.login(self.key).items():
            request.add_header(name, value)
        with open_without_redirects(request, self.timeout_seconds) as reply:
            answer = reply.read()
        try:
            content = json.loads(answer)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise _NoCompletion("a body that is no chat completion") from None
        return content if isinstance(content, str) else ""


class _NoCompletion(Exception):
    """Status 200 and something else: a proxy's page, or half an answer."""


def _retry_after(error: urllib.error.HTTPError) -> float:
    stated = error.headers.get("Retry-After") or ""
    return float(stated) if stated.isdecimal() else 0.0
