"""Sessions that several gateways share, in Redis: `redis://host:6379/0`, or `rediss://` over TLS.

A request never waits long for it and never fails for it. What does not answer in time is left alone for a while, and
asked again by itself; until then each gateway remembers alone. Entries expire, so the store is bounded by its traffic.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from modelsat.errors import InputError

PREFIX = "modelsat:"
KEPT_SECONDS = 6 * 3600
"""How long an entry is kept after it was last said."""
TIMEOUT_SECONDS = 0.1
FIRST_SECONDS, MOST_SECONDS = 0.5, 30.0
"""How long the store is left alone after its first failure, and at most."""
_MOST_CONNECTIONS = 64
_WRITE_SECONDS = 0.05
"""What is to be kept waits so long: behind the first byte of its answer, and written together with others."""
_SCHEMES = ("redis", "rediss")
_T = TypeVar("_T")
logger = logging.getLogger("modelsat.gateway")


class SharedSessions:
    """A store in Redis.

    Args:
        url: Of the server; it may hold a password, which no message repeats.
        on_state: Called with whether the store is out, each time that changes.
        clock: Seconds that never go back.

    Raises:
        InputError: The address is unusable, or the client's package is not installed.
    """

    def __init__(
        self, url: str, on_state: Callable[[bool], None] = lambda _: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._host = _checked(url)
        try:
            from redis import asyncio as redis
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError
            from redis.retry import Retry
        except ImportError:
            raise InputError("--sessions needs a package more; run pip install 'modelsat[sessions]'") from None
        self._faults = (RedisError, OSError, TimeoutError, ValueError)
        try:
            pool = redis.BlockingConnectionPool.from_url(
                url,
                max_connections=_MOST_CONNECTIONS,
                timeout=TIMEOUT_SECONDS,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
                decode_responses=True,
            )
        except ValueError:
            raise InputError(f"--sessions {self._host!r} is no address of Redis; write redis://HOST:6379/0") from None
        self._redis = redis.Redis.from_pool(pool)
        self._on_state = on_state
        self._clock = clock
        self._failures = 0
        self._again_at = float("-inf")
        self._waiting: list[tuple[str, str, bool]] = []
        self._running: set[asyncio.Future[Any]] = set()

    async def get(self, keys: Sequence[str]) -> list[str | None] | None:
        """Return what is kept under keys; None where the store does not answer."""
        told = await self._asked(lambda: self._redis.mget([PREFIX + key for key in keys]))
        return None if told is None else list(told)

    def put(self, values: Mapping[str, str], if_new: Mapping[str, str] | None = None) -> None:
        """Keep values, and others where nothing is kept yet: a moment later, so that no answer waits for it."""
        if self._is_left_alone():
            return
        if not self._waiting:
            self.begin(self._write_soon())
        self._waiting += [(key, value, False) for key, value in values.items()]
        self._waiting += [(key, value, True) for key, value in (if_new or {}).items()]

    def begin(self, work: Coroutine[Any, Any, _T]) -> asyncio.Future[_T]:
        """Run something beside the caller."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def close(self) -> None:
        """End what runs, write what waits, and close the connections."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        # Conversations whose gateway is replaced go on at another one.
        await self._write()
        await self._redis.aclose()

    async def _write_soon(self) -> None:
        await asyncio.sleep(_WRITE_SECONDS)
        await self._write()

    async def _write(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        pipeline = self._redis.pipeline(transaction=False)
        for key, value, only_new in waiting:
            pipeline.set(PREFIX + key, value, ex=KEPT_SECONDS, nx=only_new)
        await self._asked(pipeline.execute)

    async def _asked(self, work: Callable[[], Any]) -> Any:
        if self._is_left_alone():
            return None
        failures = self._failures
        if failures:
            # One request tries; those that come meanwhile do not wait for what it finds.
            self._again_at = self._clock() + TIMEOUT_SECONDS + FIRST_SECONDS
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                told = await work()
        except self._faults as error:
            # What was asked together fails together and counts once.
            if self._failures == failures:
                self._failed(type(error).__name__)
            return None
        if self._failures:
            self._failures, self._again_at = 0, float("-inf")
            self._on_state(False)
            logger.info("the shared sessions at %s answer again", self._host)
        return told

    def _is_left_alone(self) -> bool:
        return self._clock() < self._again_at

    def _failed(self, reason: str) -> None:
        if not self._failures:
            self._on_state(True)
            logger.error(
                "the shared sessions at %s do not answer (%s); this gateway remembers alone until they do",
                self._host,
                reason,
            )
        self._failures += 1
        self._again_at = self._clock() + min(FIRST_SECONDS * 2 ** min(self._failures - 1, 20), MOST_SECONDS)


def _checked(url: str) -> str:
    """Return host and port of an address, for messages."""
    try:
        parts = urlsplit(url.strip())
        host = f"{parts.hostname}:{parts.port or 6379}"
    except ValueError:
        raise InputError("--sessions is no address; write redis://HOST:6379/0") from None
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise InputError("--sessions is no address of Redis; write redis://HOST:6379/0, or rediss:// over TLS")
    return host
