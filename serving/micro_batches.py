"""Readings of prompts in small batches on one thread, in front of which a bounded queue waits.

A request is cut into slices, of which the first is due within the deadline, the second within twice of it, and so on;
what is due first is read first, so that a single prompt never waits for the whole of somebody's thousand and nobody
waits forever. Slices of about one length are read together. Who would have to wait longer than half the deadline is
refused at once; who has waited for nearly all of it before anything was read is dropped: under overload the router
reads only what somebody still waits for. A request that was begun is finished. How long a prompt takes is the median of
the last batches, so that one slow batch refuses nobody.
"""

import asyncio
import heapq
import itertools
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from statistics import median

from modelsat.bundle.bundle import Bundle
from modelsat.routers.router import Prediction, joined
from serving.refusal import Refused

SLICE = 32
DEADLINE_SECONDS = 1.0
_MOST_WAITING = 8192
_ADMITTED_SHARE, _KEPT_SHARE = 0.5, 0.9
_SHORT_CHARACTERS = 400
_MOST_TIMES_LONGER = 2.0
_BATCHES = 15


@dataclass
class _Slice:
    bundle: Bundle
    texts: list[str]
    longest: int
    expires_at: float
    """On the monotonic clock; never, for all but the first slice of a request."""
    read: "asyncio.Future[Prediction]"


class MicroBatches:
    """Reads for requests of one event loop.

    Args:
        executor: With one thread; torch uses the processor best alone.
        deadline_seconds: Within which a single prompt is to be answered, above 0.
        on_waiting: Called with the number of prompts that wait, whenever it changes.
    """

    def __init__(
        self,
        executor: Executor,
        deadline_seconds: float = DEADLINE_SECONDS,
        on_waiting: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._executor = executor
        self._deadline_seconds = deadline_seconds
        self._on_waiting = on_waiting
        # When each is due, a ticket that decides between equals, and the slice.
        self._heap: list[tuple[float, int, _Slice]] = []
        self._tickets = itertools.count()
        self._waiting = 0
        self._reading = 0
        self._seconds = deque[float](maxlen=_BATCHES)
        self._worker: asyncio.Task[None] | None = None

    async def reading(self, bundle: Bundle, texts: list[str]) -> Prediction:
        """Read prompts.

        Raises:
            Refused: Too many wait already, or this request has waited too long (503).
        """
        self._admit(len(texts))
        slices = [self._enqueue(bundle, texts[start : start + SLICE], i) for i, start in enumerate(_starts(texts))]
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        try:
            parts = await asyncio.gather(*(one.read for one in slices))
        finally:
            # Where one part is refused or the client has gone, nobody waits for the others.
            for one in slices:
                one.read.cancel()
        return parts[0] if len(parts) == 1 else joined(parts)

    def _admit(self, prompts: int) -> None:
        due = time.monotonic() + self._deadline_seconds
        ahead = self._reading + sum(len(one.texts) for before, _, one in self._heap if before <= due)
        wait = ahead * (median(self._seconds) if self._seconds else 0.0)
        full = self._waiting and self._waiting + prompts > _MOST_WAITING
        if full or wait > _ADMITTED_SHARE * self._deadline_seconds:
            raise _full(wait)

    def _enqueue(self, bundle: Bundle, texts: list[str], number: int) -> _Slice:
        now = time.monotonic()
        expires_at = math.inf if number else now + _KEPT_SHARE * self._deadline_seconds
        one = _Slice(bundle, texts, max(map(len, texts)), expires_at, asyncio.get_running_loop().create_future())
        heapq.heappush(self._heap, (now + (1 + number) * self._deadline_seconds, next(self._tickets), one))
        self._count(len(texts))
        return one

    def _count(self, prompts: int) -> None:
        self._waiting += prompts
        self._on_waiting(self._waiting)

    async def _work(self) -> None:
        while self._heap:
            batch = self._next_batch()
            if not batch:
                continue
            texts = [text for one in batch for text in one.texts]
            self._reading, began = len(texts), time.monotonic()
            try:
                told = await asyncio.get_running_loop().run_in_executor(self._executor, batch[0].bundle.reading, texts)
            except Exception as error:
                for one in batch:
                    _settle(one, error)
            else:
                self._seconds.append((time.monotonic() - began) / len(texts))
                start = 0
                for one in batch:
                    _settle(one, told.rows(slice(start, start + len(one.texts))))
                    start += len(one.texts)
            finally:
                self._reading = 0

    def _next_batch(self) -> list[_Slice]:
        """Take the next slice that somebody still waits for, and those that can be read together with it."""
        batch: list[_Slice] = []
        later = []
        size = 0
        while self._heap and size < SLICE:
            due, ticket, one = heapq.heappop(self._heap)
            if one.read.done() or time.monotonic() > one.expires_at:
                _settle(one, _full(self._deadline_seconds))
                self._count(-len(one.texts))
            elif not batch or (size + len(one.texts) <= SLICE and _alike(batch[0], one)):
                batch.append(one)
                size += len(one.texts)
                self._count(-len(one.texts))
            else:
                later.append((due, ticket, one))
                if len(later) > SLICE:
                    break
        for entry in later:
            heapq.heappush(self._heap, entry)
        return batch


def _starts(texts: list[str]) -> range:
    return range(0, len(texts), SLICE)


def _alike(first: _Slice, other: _Slice) -> bool:
    """Say whether two slices are of one bundle and of about one length: shorter prompts are padded to the longest."""
    low, high = sorted(max(one.longest, _SHORT_CHARACTERS) for one in (first, other))
    return first.bundle is other.bundle and high <= _MOST_TIMES_LONGER * low


def _settle(one: _Slice, result: Prediction | Exception) -> None:
    if one.read.done():
        return
    if isinstance(result, Exception):
        one.read.set_exception(result)
    else:
        one.read.set_result(result)


def _full(wait: float) -> Refused:
    return Refused(503, "more prompts wait than can be read in time; try again, or send fewer", max(1, math.ceil(wait)))
