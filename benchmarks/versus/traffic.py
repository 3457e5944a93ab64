"""Users' requests: the same prompts to both systems, and what came of each."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import httpx

OURS, RIVAL = "ours", "rival"
"""Names of the two systems, in the book and before the models."""
CLIENTS = 20
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """What a user got.

    Attributes:
        score: Of the answer in [0, 1]; 0 where there was none.
        model: That answered, "" for none.
        outcome: What the router says of its choice.
        foreign: How unlike what the router knows the prompt is, in [0, 1], NaN where nobody says.
        feedback: Under which an outcome may be sent.
        seconds: That the user waited.
    """

    score: float
    model: str
    outcome: str = ""
    foreign: float = float("nan")
    feedback: str = ""
    seconds: float = 0.0

    @classmethod
    def lost(cls) -> "Answer":
        """Return what a user gets who gets nothing."""
        return cls(0.0, "")


class System(Protocol):
    """What users see of a system."""

    def ask(self, http: httpx.Client, text: str, client: int) -> Answer:
        """Ask as a user does."""


def send(system: System, texts: Sequence[str], at_once: int = 4, rate: float = 0.0) -> list[Answer]:
    """Send prompts; return what came of each.

    Args:
        system: That is asked.
        texts: One per request; request i is of client i.
        at_once: Most requests in flight.
        rate: Requests per second, whatever comes back; 0 sends the next one as soon as one came back.
    """
    limits = httpx.Limits(max_connections=at_once)
    began = time.monotonic()

    def one(i: int) -> Answer:
        if rate:
            time.sleep(max(0.0, began + i / rate - time.monotonic()))
        asked = time.monotonic()
        try:
            found = system.ask(http, texts[i], i)
        except (httpx.HTTPError, KeyError, ValueError):
            found = Answer.lost()
        return Answer(**{**found.__dict__, "seconds": time.monotonic() - asked})

    with httpx.Client(timeout=_PATIENCE_SECONDS, limits=limits) as http, ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(one, range(len(texts))))
