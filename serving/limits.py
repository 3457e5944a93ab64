"""What a process takes at once and of whom: bounds on bodies, on requests in flight, and on each client's pace."""

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass

from serving.proxies import Network
from serving.refusal import Refused

_MOST_CLIENTS = 10_000


@dataclass(frozen=True)
class RequestLimits:
    """Bounds of one process.

    Attributes:
        most_bytes: Of one body.
        most_in_flight: Requests, streams included; three quarters of them from one address.
        most_bytes_in_flight: Of the bodies of all of them.
        body_seconds: How long a client may take to send its body.
        per_minute: Requests of one client, of which a sixth may come at once; 0 sets no limit.
        proxies: Whose `X-Forwarded-For` says where a request comes from.
    """

    most_bytes: int
    most_in_flight: int
    most_bytes_in_flight: int
    body_seconds: float = 30.0
    per_minute: float = 0.0
    proxies: tuple[Network, ...] = ()


class Slots:
    """Requests in flight, of which those from one address never take the last quarter.

    Args:
        most: Of all addresses together.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_of_one = most - most // 4
        self._taken: Counter[str] = Counter()

    def take(self, source: str) -> None:
        """Take a slot, which `free` gives back.

        Args:
            source: Where the request comes from; "" where that is not known.

        Raises:
            Refused: There is none (503), or none for this address (429).
        """
        if self._taken.total() >= self._most:
            raise Refused(503, f"{self._most} requests are in flight, which is all that is taken; try again", 1)
        if source and self._taken[source] >= self._most_of_one:
            raise Refused(429, f"{self._most_of_one} requests of this address are in flight; wait for some of them", 1)
        self._taken[source] += 1

    def free(self, source: str) -> None:
        """Give a slot back."""
        self._taken[source] -= 1
        if not self._taken[source]:
            del self._taken[source]


class ClientRates:
    """Token buckets of clients: each fills at a steady pace and pays for requests.

    Args:
        per_minute: Requests of one client, above 0.
        at_once: How many may come at once after a pause; a sixth of a minute's by default, at least 1.
    """

    def __init__(self, per_minute: float, at_once: float | None = None) -> None:
        self._per_second = per_minute / 60
        self._most = max(1.0, per_minute / 6 if at_once is None else at_once)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str, now: float) -> int | None:
        """Take one request of a client.

        Args:
            client: Who asks.
            now: Seconds on any clock that never goes back.

        Returns:
            None where it may pass; else the whole seconds until the next one may.
        """
        left, since = self._buckets.pop(client, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        passes = left >= 1
        # A stranger who invents clients only makes the longest silent one forgotten, whose bucket is the fullest.
        self._buckets[client] = (left - 1 if passes else left, now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return None if passes else max(1, math.ceil((1 - left) / self._per_second))
