"""Clients of the serving benchmark: one that waits for each answer, and one that sends on time whatever comes back.

Raw asyncio streams: a heavier client on the same two cores would be measured instead of the server.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

INFER = "/v2/models/router/infer"


@dataclass(frozen=True)
class Told:
    """What came of one request: status (0 where the connection failed), seconds, and whether it said when to retry."""

    status: int
    seconds: float
    retry_after: bool


def question(texts: list[str], **parameters: object) -> bytes:
    """Return a v2 body."""
    tensor = {"name": "prompt", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    return json.dumps({"inputs": [tensor], "parameters": parameters}).encode()


class Connections:
    """Keeps connections to one server open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, body: bytes | None, path: str = INFER, until_first_byte: bool = False) -> Told:
        """Post a body, or get a page without one."""
        began = time.perf_counter()
        try:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(self._host, self._port)
            head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nhost: bench\r\n"
            head += f"content-type: application/json\r\ncontent-length: {len(body or b'')}\r\n\r\n"
            writer.write(head.encode() + (body or b""))
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            first = time.perf_counter() - began
            headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
            await _drain(reader, headers)
        except (OSError, asyncio.IncompleteReadError):
            return Told(0, time.perf_counter() - began, False)
        self._idle.append((reader, writer))
        seconds = first if until_first_byte else time.perf_counter() - began
        return Told(int(lines[0].split()[1]), seconds, "retry-after" in headers)


async def _drain(reader: asyncio.StreamReader, headers: dict[str, str]) -> None:
    if "content-length" in headers:
        await reader.readexactly(int(headers["content-length"]))
        return
    while True:
        size = int(await reader.readline(), 16)
        await reader.readexactly(size + 2)
        if size == 0:
            return


async def open_loop(connections: Connections, bodies: Iterator[bytes], rate: float, seconds: float) -> list[Told]:
    """Send at Poisson times, `rate` a second; return what came of each."""
    rng = np.random.default_rng(0)
    loop, sent, at = asyncio.get_running_loop(), [], 0.0
    began = loop.time()
    while at < seconds:
        at += rng.exponential(1 / rate)
        await asyncio.sleep(max(0.0, began + at - loop.time()))
        sent.append(asyncio.create_task(connections.ask(next(bodies))))
    return list(await asyncio.gather(*sent))
