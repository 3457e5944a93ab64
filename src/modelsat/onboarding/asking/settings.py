"""How a candidate is asked: where, how much, how fast, and for how much money."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modelsat.errors import InputError

MAX_TOKENS, TIMEOUT_SECONDS = 1024, 120.0
THINKING_MAX_TOKENS, THINKING_TIMEOUT_SECONDS = 16_384, 600.0
"""Defaults for candidates whose row says `reasoning`: they write thousands of tokens before the answer."""


@dataclass(frozen=True)
class AskingSettings:
    """Settings of one run; the defaults suit a hosted model that answers in seconds.

    Attributes:
        endpoint: Base address, `https://host/v1`; None takes the catalogue's.
        questions: Only the first so many questions of the frozen order; None asks all that have a gold answer.
        concurrency: Most requests in flight, at least 1.
        rate: Most requests per second, repeated ones included; None sets no limit.
        budget_usd: No question is begun that could lead beyond it; needs prices in the catalogue. None sets no limit.
        adaptive: Whether to choose the questions in blocks by what they tell, and to stop when choices are settled.
        timeout_seconds: How long one request may take from its start to the last byte of the answer; None takes that
            of the candidate's row, else 120, or 600 where the row says `reasoning`.
        tries: How often one question is put where the endpoint fails, at least 1.
        max_tokens: Longest answer in tokens, thoughts included; what is longer is cut off and mostly cannot be read.
            None takes that of the candidate's row, else 1,024, or 16,384 where the row says `reasoning`.
        body: Fields of the request that replace ours and the row's; a field that is None is left out.
        reasoning_effort: Field of that name in the request, such as `low`; "" leaves it to row and provider.
        headers: Of every request, beside the key; the row's.

    Raises:
        InputError: A setting is out of range.
    """

    endpoint: str | None = None
    questions: int | None = None
    concurrency: int = 8
    rate: float | None = None
    budget_usd: float | None = None
    adaptive: bool = False
    timeout_seconds: float | None = None
    tries: int = 6
    max_tokens: int | None = None
    body: Mapping[str, object] = field(default_factory=dict)
    reasoning_effort: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("questions", 1), ("concurrency", 1), ("tries", 1), ("max_tokens", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} is {value}; give at least {least}")
        for name in ("rate", "budget_usd", "timeout_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} is {value}; give a number above 0")
        fault = fault_in_body(self.body)
        if fault is not None:
            raise InputError(f"the fields of a request {fault}")

    def for_candidate(self, candidate: Mapping[str, Any]) -> "AskingSettings":
        """Return the settings for one candidate: what is set here goes before its row, and that before the defaults.

        Args:
            candidate: A row of the contract `CANDIDATES`.
        """
        thinks = bool(candidate.get("reasoning"))
        max_tokens = THINKING_MAX_TOKENS if thinks else MAX_TOKENS
        timeout = THINKING_TIMEOUT_SECONDS if thinks else TIMEOUT_SECONDS
        effort = {"reasoning_effort": self.reasoning_effort} if self.reasoning_effort else {}
        return replace(
            self,
            max_tokens=self.max_tokens or candidate.get("max_tokens") or max_tokens,
            timeout_seconds=self.timeout_seconds or candidate.get("timeout_seconds") or timeout,
            headers=json.loads(candidate.get("request_headers") or "{}"),
            body={**json.loads(candidate.get("request_body") or "{}"), **effort, **self.body},
        )

    @property
    def seconds(self) -> float:
        """Return the time-out of a request."""
        return self.timeout_seconds or TIMEOUT_SECONDS

    @property
    def longest_answer(self) -> int:
        """Return the most tokens that an answer can have: the request's own fields say it where they are set."""
        limits = [self.body.get("max_completion_tokens"), self.body.get("max_tokens")]
        counts = [limit for limit in limits if isinstance(limit, int) and not isinstance(limit, bool)]
        return max(counts, default=self.max_tokens or MAX_TOKENS)

    def fields(self) -> dict[str, object]:
        """Return the fields of a request beside model and messages, at temperature 0; `body` has the last word.

        Providers refuse `max_tokens` beside `max_completion_tokens`, so ours is left out where the other is set.
        """
        ours: dict[str, object] = {"temperature": 0, "max_tokens": self.max_tokens or MAX_TOKENS}
        if self.body.get("max_completion_tokens") is not None:
            del ours["max_tokens"]
        return {name: value for name, value in (ours | dict(self.body)).items() if value is not None}


def fault_in_body(body: Mapping[str, object]) -> str | None:
    """Say what is wrong with fields of a request, as the end of a sentence; None where nothing is."""
    if "messages" in body:
        return "hold 'messages', which are the questions; leave it out"
    if body.get("stream"):
        return "ask for a stream, which is not read; leave 'stream' out"
    return None
