"""Endpoint and gateway under hostile requests, with good traffic in between: `make fuzz`.

    python benchmarks/serving_attack.py [--requests 20000] [--minutes 30] [--python INTERPRETER]

Bodies with too many elements, inputs, messages, levels and characters, wrong shapes, random bytes, offers of other
protocols, clients that are slow or leave. Meanwhile a good client asks five times a second and readiness is probed.
Ends with code 1 where an answer was a 5xx other than 503, a log has a traceback, or a server died. `--python` names the
interpreter of another environment, of an earlier version for instance.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "serving"))
from served import LAYERS, make, prompts
from serving_pair import CHAT, INFER, Served, pair
from serving_traffic import Connections, Told, milliseconds, question

from modelsat.io.atomic import write_json
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import Encoder

TRAINED, WARM_UP = 200, 100
WORKERS, REST_SECONDS, READINESS_MS = 4, 15, 250
PROBES = {"endpoint": "/v2/health/ready", "gateway": "/healthz"}
OFFERS = (
    "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAA\r\n",
    "connection: upgrade\r\nupgrade: foo/2\r\n",
)


def tensor(data: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": "prompt", "shape": [len(data)], "datatype": "BYTES", "data": data} | more


def chat(content: object, **more: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": content}]} | more


def bodies(rng: random.Random, server: str) -> dict[str, Callable[[], bytes]]:
    """Return makers of hostile bodies, by kind."""

    def many() -> int:
        return int(10 ** rng.uniform(2, 5.3))

    def text() -> str:
        return rng.choice(["a ", "1", "\u00fc", "\U0001f600", "word "]) * int(10 ** rng.uniform(0, 5.7))

    def sent(body: object) -> bytes:
        return json.dumps(body).encode()

    def deep() -> bytes:
        return b"[" * many() if rng.random() < 0.5 else b'{"a":' * many()

    def noise() -> bytes:
        return rng.randbytes(int(10 ** rng.uniform(0, 4)))

    common = {"deep": deep, "noise": noise}
    if server == "gateway":
        return common | {
            "messages": lambda: sent({"model": "auto", "messages": [{"role": "user", "content": "x"}] * many()}),
            "long": lambda: sent(chat(text())),
            "parts": lambda: sent(chat([{"type": "text", "text": "x"}] * many())),
            "fields": lambda: sent(chat("x", modelsat={str(i): i for i in range(many())})),
            "kinds": lambda: sent(chat(rng.choice([None, 1, [], {}, [None], [{"type": "text"}]]))),
        }
    return common | {
        "elements": lambda: sent({"inputs": [tensor(["x"] * many())]}),
        "integers": lambda: sent({"inputs": [tensor(list(range(many())), datatype="INT64")]}),
        "shapes": lambda: sent({"inputs": [tensor(["x"], shape=rng.choice([[], [-1], [2**62], [1] * many(), ["1"]]))]}),
        "inputs": lambda: sent({"inputs": [tensor(["x"])] * many()}),
        "outputs": lambda: sent({"inputs": [tensor(["x"])], "outputs": [{"name": "model"}] * many()}),
        "parameters": lambda: sent({"inputs": [tensor(["x"])], "parameters": {str(i): i for i in range(many())}}),
        "long": lambda: sent({"inputs": [tensor([text()])]}),
        "kinds": lambda: sent({"inputs": [tensor([rng.choice([None, 1, [], {}, "\ud800", 1e308])])]}),
    }


async def shoot(server: Served, path: str, body: bytes, way: str, rng: random.Random) -> int:
    """Send one request in a way; return the answer's status, 0 where none was waited for or came."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    except OSError:
        return 0
    try:
        offer = rng.choice(OFFERS) if way == "offers" else ""
        length = len(body) + 10 * (way == "breaks off")
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{offer}content-length: {length}\r\n\r\n".encode()
        if way == "slow head":
            writer.write(head[: rng.randrange(len(head))])
            await asyncio.sleep(rng.uniform(0, 3))
            return 0
        writer.write(head + body)
        if way in ("leaves", "breaks off"):
            await asyncio.sleep(rng.uniform(0, 0.05))
            return 0
        async with asyncio.timeout(120):
            return int((await reader.readline()).split()[1])
    except (OSError, IndexError, ValueError, asyncio.IncompleteReadError):
        return 0
    finally:
        # Whoever left data unsent is closed at once, as a process that is killed is.
        writer.transport.abort()


async def good(server: Served, path: str, sent: Iterator[bytes], stop: asyncio.Event) -> list[Told]:
    """Ask five times a second until told to stop; return what came of it."""
    connections, told = Connections(f"http://127.0.0.1:{server.port}"), []
    while not stop.is_set():
        told.append(await connections.ask(next(sent), path))
        await asyncio.sleep(max(0.0, 0.2 - told[-1].seconds))
    return told


async def probed(server: Served, path: str, stop: asyncio.Event) -> list[float]:
    connections, seconds = Connections(f"http://127.0.0.1:{server.port}"), []
    while not stop.is_set():
        told = await connections.ask(None, path)
        seconds.append(told.seconds if told.status == 200 else float("inf"))
        await asyncio.sleep(0.2)
    return seconds


async def while_running(attack: Awaitable[Any], *watchers: Callable[[asyncio.Event], Awaitable[Any]]) -> list[Any]:
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(watcher(stop)) for watcher in watchers]
    await attack
    stop.set()
    return list(await asyncio.gather(*tasks))


async def fire(server: Served, name: str, requests: int, until: float) -> Counter[tuple[str, int]]:
    """Send hostile requests, four at a time; return how often what was answered with which status."""
    statuses: Counter[tuple[str, int]] = Counter()
    path = INFER if name == "endpoint" else CHAT
    numbers = itertools.count()

    async def worker(seed: int) -> None:
        rng = random.Random(seed)
        kinds = bodies(rng, name)
        while next(numbers) < requests and time.monotonic() < until and server.process.poll() is None:
            kind = rng.choice(list(kinds))
            way = rng.choice(["plain"] * 6 + ["offers", "slow head", "leaves", "breaks off"])
            statuses[f"{kind}, {way}", await shoot(server, path, kinds[kind](), way, rng)] += 1

    await asyncio.gather(*(worker(seed) for seed in range(WORKERS)))
    return statuses


async def attacked(
    server: Served, name: str, texts: list[str], requests: int, seconds: float
) -> tuple[dict[str, Any], bool]:
    """Attack one server; return the figures, and whether all is as it should be."""
    path = INFER if name == "endpoint" else CHAT
    asked = (
        question([text]) if name == "endpoint" else json.dumps(chat(text)).encode() for text in itertools.cycle(texts)
    )
    watchers = (lambda stop: good(server, path, asked, stop), lambda stop: probed(server, PROBES[name], stop))
    await fire(server, name, WARM_UP, float("inf"))
    quiet, _ = await while_running(asyncio.sleep(min(30.0, seconds / 4)), *watchers)
    memory, began = server.resident_mib, time.monotonic()
    statuses: Counter[tuple[str, int]] = Counter()

    async def attack() -> None:
        statuses.update(await fire(server, name, requests, began + seconds))

    good_told, probes = await while_running(attack(), *watchers)
    took = time.monotonic() - began
    await asyncio.sleep(REST_SECONDS)
    bad = {f"{what}: {status}": n for (what, status), n in statuses.items() if status >= 500 and status != 503}
    taken = {
        when: [one.seconds for one in told if one.status == 200]
        for when, told in (("quiet", quiet), ("then", good_told))
    }
    unanswered = sum(n for (what, status), n in statuses.items() if not status and what.endswith(("plain", "offers")))
    figures = {
        "hostile requests": sum(statuses.values()),
        "a second": round(sum(statuses.values()) / took, 1),
        "5xx other than 503": sum(bad.values()),
        "of those with a whole body, unanswered": unanswered,
        "good requests": len(good_told),
        "of them not 200": sum(one.status != 200 for one in good_told),
        "good p50, quiet and then, ms": [milliseconds(taken["quiet"]), milliseconds(taken["then"])],
        "good p99, quiet and then, ms": [milliseconds(taken["quiet"], 0.99), milliseconds(taken["then"], 0.99)],
        "good p99, then / quiet": round(float(np.quantile(taken["then"], 0.99) / np.quantile(taken["quiet"], 0.99)), 2),
        "readiness, slowest, ms": milliseconds(probes, 1.0),
        "readiness later than 250 ms": sum(1000 * one > READINESS_MS for one in probes),
        "readiness probes": len(probes),
        "memory grown after a rest, MiB": round(server.resident_mib - memory, 1),
        "tracebacks": server.tracebacks,
        "alive": server.process.poll() is None,
    }
    print(name, *(f"  {what:<44} {value}" for what, value in figures.items()), sep="\n", flush=True)
    for what, count in sorted(bad.items()):
        print(f"  {what} {count} times")
    return figures, not bad and not figures["tracebacks"] and bool(figures["alive"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000, help="of both servers together")
    parser.add_argument("--minutes", type=float, default=30, help="after which no further request is sent")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment that is attacked")
    parser.add_argument("--into", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoder = Encoder(default_backbone(), layers=LAYERS)
    trained = list(itertools.islice(prompts(encoder), TRAINED))
    made = make(encoder, trained, encoder.encode(trained), 30)
    found: dict[str, Any] = {"load average before": round(os.getloadavg()[0], 1)}
    orderly = True
    with tempfile.TemporaryDirectory() as scratch:
        made.write(Path(scratch) / "bundle")
        with pair(Path(scratch) / "bundle", made.names, Path(scratch), arguments.python) as servers:
            for name, server in servers.items():
                share = arguments.requests // 2, 30 * arguments.minutes
                found[name], fine = asyncio.run(attacked(server, name, trained, *share))
                orderly = orderly and fine
    if arguments.into is not None:
        write_json(arguments.into, found)
    raise SystemExit(0 if orderly else 1)


if __name__ == "__main__":
    main()
