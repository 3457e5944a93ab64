"""Clients of the serving benchmarks: one that waits for each answer, and one that sends on time whatever comes back.

Raw asyncio streams: a heavier client on the same two cores would be measured instead of the server.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

INFER, CHAT = "/v2/models/router/infer", "/v1/chat/completions"
ROUNDS = 40


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
            headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
            first = await _drain(reader, headers)
        except (OSError, asyncio.IncompleteReadError):
            return Told(0, time.perf_counter() - began, False)
        self._idle.append((reader, writer))
        seconds = (first if until_first_byte else time.perf_counter()) - began
        return Told(int(lines[0].split()[1]), seconds, "retry-after" in headers)


async def _drain(reader: asyncio.StreamReader, headers: dict[str, str]) -> float:
    """Read a body; return when its first byte was there."""
    if "content-length" in headers:
        await reader.readexactly(int(headers["content-length"]))
        return time.perf_counter()
    size = int(await reader.readline(), 16)
    first = time.perf_counter()
    while size:
        await reader.readexactly(size + 2)
        size = int(await reader.readline(), 16)
    await reader.readexactly(2)
    return first


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


def in_turns(calls: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, np.ndarray]:
    """Return seconds of each call, or those that it returns, round by round, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            told = call()
            if i:
                seconds[name].append(told if isinstance(told, float) else time.perf_counter() - began)
    return {name: np.asarray(values) for name, values in seconds.items()}


def milliseconds(seconds: np.ndarray | list[float], q: float = 0.5) -> float:
    """Return a quantile, the median by default."""
    return round(1000 * float(np.quantile(seconds, q)), 2)
