"""Writes rows to a folder or `s3://` prefix beside the answering: in segments, off the event loop, within bounds.

A row waits in memory for at most half a minute; a killed process loses what waits. Where the store fails, rows wait
longer; what does not fit is lost and counted, and no request ever waits or fails for it.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from modelsat.errors import ModelsatError
from modelsat.feedback import log
from modelsat.io import storage

WRITE_SECONDS = 30.0
SEGMENT_BYTES, MOST_BYTES = 4 * 2**20, 32 * 2**20
"""From how many bytes on a segment is written at once, and how many may wait."""

logger = logging.getLogger("modelsat.gateway")


class Segments:
    """The segments of one process.

    Args:
        store: Folder or `s3://` prefix.
        on_lost: Called with the number of rows that are lost.
        seconds: How long a row waits.
        most_bytes: How much may wait.
    """

    def __init__(
        self,
        store: str,
        on_lost: Callable[[int], None],
        seconds: float = WRITE_SECONDS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._store = store
        self._on_lost = on_lost
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._process = secrets.token_hex(4)
        self._number = 0
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._wake = asyncio.Event()
        self._failing = self._closing = False

    def add(self, row: Mapping[str, Any]) -> bool:
        """Take a row; return whether there was room for it."""
        line = log.encode(row)
        if self._bytes + len(line) > self._most_bytes:
            self._on_lost(1)
            return False
        self._waiting.append(line)
        self._bytes += len(line)
        if self._bytes >= SEGMENT_BYTES and not self._failing:
            self._wake.set()
        return True

    async def write(self) -> None:
        """Write what waits, again and again, until `close` is called and once more after."""
        while not self._closing:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if not self._closing:
                await self._write_waiting()
        await self._write_waiting()
        if self._waiting:
            self._on_lost(len(self._waiting))

    def close(self) -> None:
        """Let `write` end."""
        self._closing = True
        self._wake.set()

    async def _write_waiting(self) -> None:
        lines, self._waiting = self._waiting, []
        if not lines:
            return
        self._number += 1
        uri = storage.join(self._store, log.segment(datetime.now(UTC), self._process, self._number))
        try:
            await asyncio.to_thread(storage.create, uri, b"".join(lines))
        except (ModelsatError, OSError) as error:
            self._failing = True
            self._waiting = lines + self._waiting
            logger.error("%d rows of the feedback log wait, since %s", len(self._waiting), error)
        else:
            self._failing = False
            self._bytes -= sum(map(len, lines))
