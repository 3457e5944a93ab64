"""The text in a request's pictures, read beside the event loop and within a time budget.

A process of its own reads one picture after another. Who waits longer than the budget goes on without the text; the
reading goes on, and the conversation's next turn finds it. Texts are kept in memory by the pictures' digests.
"""

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import OrderedDict
from typing import Any

from modelsat.text import picture_text
from modelsat.text.pictures import Picture
from serving import off_loop
from serving.gateway import sent_pictures
from serving.gateway.chat_request import ChatRequest
from serving.gateway.picture_worker import LENGTH, READY, UNREADABLE

SECONDS = 1.0
"""How long a decision waits for the text in pictures."""
_MOST_SECONDS, _START_SECONDS = 30.0, 120.0
"""A reading that takes longer has met a picture on which the process hangs; another process takes its place."""
_MOST_KEPT, _MOST_WAITING = 1_000, 8
logger = logging.getLogger("modelsat.gateway")


class PictureTexts:
    """Reads the pictures of requests.

    Args:
        seconds: How long a decision waits, above 0; 0 reads nothing.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._is_on = seconds > 0 and picture_text.is_installed()
        self._readings: OrderedDict[str, asyncio.Task[str | None]] = OrderedDict()
        self._one_by_one = asyncio.Lock()
        self._process: Process | None = None
        self._warming: asyncio.Task[None] | None = None
        self._said = False

    def warm(self) -> None:
        """Start the process before the first picture comes, or say once why no picture will be read."""
        if self._said:
            return
        self._said = True
        if self._is_on:
            self._warming = asyncio.create_task(self._begin())
        else:
            why = "--picture-seconds is 0" if not self._seconds else picture_text.REMEDY
            logger.warning("the router reads text in pictures and this gateway does not: %s", why)

    async def of_request(self, chat: ChatRequest) -> str | None:
        """Return the text in a request's pictures, as training reads it; None where it could not be read in time."""
        if not self._is_on:
            return None
        found = await off_loop.called(chat.is_long, sent_pictures.of_messages, chat.messages)
        readings = [self._reading(one) for one in found or ()]
        if not readings or None in readings:
            return None
        # Waited for without being cancelled: who comes next wants the text, too.
        done, late = await asyncio.wait([one for one in readings if one is not None], timeout=self._seconds)
        if late or any(one.cancelled() or one.exception() is not None for one in done):
            return None
        texts = [one.result() for one in readings if one is not None]
        return None if None in texts else picture_text.bounded([text for text in texts if text])

    async def close(self) -> None:
        """End the process and whatever is being read."""
        readings: list[asyncio.Task[Any]] = list(self._readings.values())
        readings += [] if self._warming is None else [self._warming]
        for one in readings:
            one.cancel()
        await asyncio.gather(*readings, return_exceptions=True)
        await self._end()

    def _reading(self, picture: Picture) -> asyncio.Task[str | None] | None:
        """Return the reading of a picture, begun or done; None where too many wait."""
        known = self._readings.get(picture.digest)
        if known is None:
            if sum(not one.done() for one in self._readings.values()) >= _MOST_WAITING:
                return None
            known = self._readings[picture.digest] = asyncio.create_task(self._read(picture))
        self._readings.move_to_end(picture.digest)
        while len(self._readings) > _MOST_KEPT:
            _, oldest = self._readings.popitem(last=False)
            oldest.cancel()
        return known

    async def _read(self, picture: Picture) -> str | None:
        async with self._one_by_one:
            try:
                process = await self._started()
                async with asyncio.timeout(_MOST_SECONDS):
                    return await self._asked(process, picture)
            except (TimeoutError, OSError, EOFError) as error:
                # That picture is not tried again while it is remembered.
                logger.warning("a picture could not be read (%s)", type(error).__name__)
                await self._end()
                return None
            except asyncio.CancelledError:
                await self._end()
                raise

    async def _asked(self, process: Process, picture: Picture) -> str | None:
        requests, answers = process.stdin, process.stdout
        if requests is None or answers is None:
            raise EOFError
        requests.write(len(picture.content).to_bytes(LENGTH, "big") + picture.content)
        await requests.drain()
        size = int.from_bytes(await answers.readexactly(LENGTH), "big")
        return None if size == UNREADABLE else (await answers.readexactly(size)).decode("utf-8")

    async def _begin(self) -> None:
        async with self._one_by_one:
            try:
                await self._started()
            except (TimeoutError, OSError, EOFError) as error:
                logger.warning("text in pictures cannot be read yet (%s)", type(error).__name__)
                await self._end()

    async def _started(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "serving.gateway.picture_worker", stdin=PIPE, stdout=PIPE, stderr=DEVNULL
            )
            async with asyncio.timeout(_START_SECONDS):
                if self._process.stdout is not None:
                    await self._process.stdout.readexactly(len(READY))
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
