"""How a candidate is asked: where, how much, how fast, and for how much money."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelsat.errors import InputError


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
        timeout_seconds: How long one request may take from its start to the last byte of the answer.
        tries: How often one question is put where the endpoint fails, at least 1.
        max_tokens: Longest answer in tokens; what is longer is cut off and mostly cannot be read.
        body: Fields of the request that replace ours; a field that is None is left out.

    Raises:
        InputError: A setting is out of range.
    """

    endpoint: str | None = None
    questions: int | None = None
    concurrency: int = 8
    rate: float | None = None
    budget_usd: float | None = None
    adaptive: bool = False
    timeout_seconds: float = 120.0
    tries: int = 6
    max_tokens: int = 1024
    body: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("questions", 1), ("concurrency", 1), ("tries", 1), ("max_tokens", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} is {value}; give at least {least}")
        for name in ("rate", "budget_usd", "timeout_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} is {value}; give a number above 0")
