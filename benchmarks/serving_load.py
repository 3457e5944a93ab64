"""The endpoint at half of what it can do and at five times as much: who is answered, how late, and at what memory."""

import asyncio
import itertools
from collections.abc import Callable, Iterator

import numpy as np
from serving_traffic import Connections, Told, milliseconds, open_loop, question

OVERLOAD = 5.0
_READY, _PROBE_SECONDS = "/v2/health/ready", 0.1


def half_load(url: str, texts: Iterator[str], capacity: float, seconds: float) -> dict[str, float]:
    """Ask at Poisson times, at half of `capacity` requests a second."""
    bodies = map(question, ([text] for text in texts))

    async def half() -> list[Told]:
        return await open_loop(Connections(url), bodies, capacity / 2, seconds)

    told = asyncio.run(half())
    taken = [one.seconds for one in told if one.status == 200]
    return {
        "requests": len(told),
        "answered": len(taken),
        "p50, ms": milliseconds(taken),
        "p99, ms": milliseconds(taken, 0.99),
        "p99 / p50": round(float(np.quantile(taken, 0.99) / np.median(taken)), 2),
    }


def overload(
    url: str, resident_bytes: Callable[[], int], texts: Iterator[str], capacity: float, seconds: float
) -> dict[str, float]:
    """Ask at Poisson times, at five times `capacity`, and watch readiness and what memory the server holds."""
    # Texts are made beforehand: their tokenizer would slow the client down.
    ready = list(itertools.islice(texts, 2000))
    bodies = map(question, ([text] for text in itertools.cycle(ready)))
    before = resident_bytes()
    probes: list[Told] = []
    memory: list[int] = []

    async def watch() -> None:
        connections = Connections(url)
        while True:
            probes.append(await connections.ask(None, _READY))
            memory.append(resident_bytes())
            await asyncio.sleep(_PROBE_SECONDS)

    async def both() -> list[Told]:
        watching = asyncio.create_task(watch())
        told = await open_loop(Connections(url), bodies, OVERLOAD * capacity, seconds)
        watching.cancel()
        return told

    told = asyncio.run(both())
    accepted = [one.seconds for one in told if one.status == 200]
    refused = [one for one in told if one.status == 503]
    return {
        "seconds": seconds,
        "requests": len(told),
        "200": len(accepted),
        "503": len(refused),
        "neither": len(told) - len(accepted) - len(refused),
        "503 without retry-after": sum(not one.retry_after for one in refused),
        "accepted / capacity": round(len(accepted) / seconds / capacity, 2),
        "p99 of accepted, ms": milliseconds(accepted, 0.99),
        "p99 of refused, ms": milliseconds([one.seconds for one in refused], 0.99),
        "readiness probes": len(probes),
        "slowest readiness, ms": milliseconds([one.seconds for one in probes], 1.0),
        "readiness not 200": sum(one.status != 200 for one in probes),
        "memory grown, MiB": round((max(memory) - before) / 2**20, 1),
    }
