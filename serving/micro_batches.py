"""Readings of prompts in small batches on one thread, in front of which a bounded queue waits.

Work is counted in bytes of text, padding included: what is read at once is padded to its longest. A request is cut into
slices that take a fraction of a second each, and each slice is due the later the more of its request has to be read by
then; what is due first is read first. So a short prompt passes long ones and never waits for the whole of somebody's
thousand, and nobody waits forever. Short slices are read together; long prompts gain nothing by it.

Who would have to wait longer than half the deadline is refused at once; behind prompts of its own address, longer than
three quarters of that: one address never takes the last quarter of the queue. Who has waited for nearly all of the
deadline before anything was read is dropped: under overload the router reads only what somebody still waits for. A
request that was begun is finished. How long work takes is the median of the last batches, so that one slow batch
refuses nobody.
"""

import asyncio
import heapq
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from statistics import median

from modelsat.bundle.bundle import Bundle
from modelsat.routers.router import Prediction, joined
from serving.refusal import Refused

AT_ONCE, EACH = 1024, 32
"""Work that is read at once, about a tenth of a second of one processor, and what a prompt takes beside its text."""
DEADLINE_SECONDS = 1.0
_MOST_WAITING, _SHARE_OF_ONE = 8192, 0.75
_ADMITTED_SHARE, _KEPT_SHARE = 0.5, 0.9
_BATCHES = 15
_MOST_PASSED = 32


@dataclass
class _Slice:
    bundle: Bundle
    texts: list[str]
    longest: int
    """Work of its longest text."""
    expires_at: float
    """On the monotonic clock; never, for all but the first slice of a request."""
    read: "asyncio.Future[Prediction]"
    source: str

    @property
    def work(self) -> int:
        return self.longest * len(self.texts)


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
        self._work_in_hand, self._began = 0, 0.0
        # Of the last batches, per work.
        self._seconds = deque[float](maxlen=_BATCHES)
        self._worker: asyncio.Task[None] | None = None

    async def reading(self, bundle: Bundle, texts: list[str], source: str = "") -> Prediction:
        """Read prompts.

        Args:
            bundle: Whose router reads.
            texts: The prompts.
            source: The address that they come from; "" where it is not known, which has no share of its own.

        Raises:
            Refused: Too many wait already, of all or of this address, or this request has waited too long (503).
        """
        cut = list(_cut(texts))
        self._admit(len(texts), cut[0][1] * len(cut[0][0]), source)
        slices, before = list[_Slice](), 0
        for part, longest in cut:
            slices.append(self._enqueue(bundle, part, longest, before, source))
            before += slices[-1].work
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        try:
            parts = await asyncio.gather(*(one.read for one in slices))
        finally:
            # Where one part is refused or the client has gone, nobody waits for the others.
            for one in slices:
                one.read.cancel()
        return parts[0] if len(parts) == 1 else joined(parts)

    def _admit(self, prompts: int, work: int, source: str) -> None:
        due = time.monotonic() + self._seconds_until_due(work)
        per_work = median(self._seconds) if self._seconds else 0.0
        remaining = max(0.0, self._work_in_hand * per_work - (time.monotonic() - self._began))
        most_wait = _ADMITTED_SHARE * self._deadline_seconds
        wait = remaining + per_work * sum(one.work for before, _, one in self._heap if before <= due)
        if _is_full(self._waiting, prompts, _MOST_WAITING) or wait > most_wait:
            raise _full(wait)
        own = [(before, one) for before, _, one in self._heap if source and one.source == source]
        behind_own = per_work * sum(one.work for before, one in own if before <= due)
        waiting = sum(len(one.texts) for _, one in own)
        if _is_full(waiting, prompts, _SHARE_OF_ONE * _MOST_WAITING) or behind_own > _SHARE_OF_ONE * most_wait:
            raise _full(wait)

    def _seconds_until_due(self, work: int) -> float:
        return _ADMITTED_SHARE * self._deadline_seconds * work / AT_ONCE

    def _enqueue(self, bundle: Bundle, texts: list[str], longest: int, before: int, source: str) -> _Slice:
        now = time.monotonic()
        expires_at = math.inf if before else now + _KEPT_SHARE * self._deadline_seconds
        one = _Slice(bundle, texts, longest, expires_at, asyncio.get_running_loop().create_future(), source)
        heapq.heappush(self._heap, (now + self._seconds_until_due(before + one.work), next(self._tickets), one))
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
            self._work_in_hand, self._began = max(one.longest for one in batch) * len(texts), time.monotonic()
            try:
                told = await asyncio.get_running_loop().run_in_executor(self._executor, batch[0].bundle.reading, texts)
            except Exception as error:
                for one in batch:
                    _settle(one, error)
            else:
                self._seconds.append((time.monotonic() - self._began) / self._work_in_hand)
                start = 0
                for one in batch:
                    _settle(one, told.rows(slice(start, start + len(one.texts))))
                    start += len(one.texts)
            finally:
                self._work_in_hand = 0

    def _next_batch(self) -> list[_Slice]:
        """Take the next slice that somebody still waits for, and those that can be read together with it."""
        batch: list[_Slice] = []
        later: list[tuple[float, int, _Slice]] = []
        longest = size = 0
        while self._heap and len(later) <= _MOST_PASSED:
            due, ticket, one = heapq.heappop(self._heap)
            if one.read.done() or time.monotonic() > one.expires_at:
                _settle(one, _full(self._deadline_seconds))
                self._count(-len(one.texts))
            elif not batch or (
                batch[0].bundle is one.bundle and max(longest, one.longest) * (size + len(one.texts)) <= AT_ONCE
            ):
                batch.append(one)
                longest, size = max(longest, one.longest), size + len(one.texts)
                self._count(-len(one.texts))
            else:
                later.append((due, ticket, one))
        for entry in later:
            heapq.heappush(self._heap, entry)
        return batch


def _cut(texts: list[str]) -> Iterator[tuple[list[str], int]]:
    """Yield parts of a request that are read at once, each with the work of its longest text."""
    part, longest = list[str](), 0
    for text in texts:
        # Of a longer text a router reads a part only.
        work = min(EACH + len(text.encode()), AT_ONCE)
        if part and max(longest, work) * (len(part) + 1) > AT_ONCE:
            yield part, longest
            part, longest = [], 0
        part.append(text)
        longest = max(longest, work)
    yield part, longest


def _settle(one: _Slice, result: Prediction | Exception) -> None:
    if one.read.done():
        return
    if isinstance(result, Exception):
        one.read.set_exception(result)
    else:
        one.read.set_result(result)


def _is_full(waiting: int, prompts: int, most: float) -> bool:
    # A request alone is read however large it is.
    return bool(waiting) and waiting + prompts > most


def _full(wait: float) -> Refused:
    return Refused(503, "more prompts wait than can be read in time; try again, or send fewer", max(1, math.ceil(wait)))
