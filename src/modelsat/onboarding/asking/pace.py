"""When the next request may start: never faster than a rate, and not while the endpoint asked for a pause."""

import asyncio
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


class RequestPace:
    """Hands out starting times to all requests of a run.

    Args:
        rate: Most starts per second; None sets no limit.
    """

    def __init__(self, rate: float | None) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        """Wait until this request may start."""
        now = asyncio.get_running_loop().time()
        start = max(now, self._next)
        self._next = start + self._gap
        if start > now:
            await asyncio.sleep(start - now)

    def hold(self, seconds: float) -> None:
        """Let no request start for so long."""
        self._next = max(self._next, asyncio.get_running_loop().time() + seconds)


def backoff(attempt: int, randomness: random.Random) -> float:
    """Return how long to wait after the failed try `attempt` (from 0): twice as long each time, half of it by chance.

    Returns:
        Seconds in (0, `LONGEST_PAUSE_SECONDS`].
    """
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)
    return longest * (0.5 + randomness.random() / 2)


def retry_after(header: str | None, now: datetime) -> float:
    """Return the seconds that a Retry-After header asks for, a number or a date; 0 where it says nothing readable."""
    if not header:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds())
