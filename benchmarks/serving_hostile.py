"""Hostile requests to one server, from a process that yields the processor to everybody else.

    python benchmarks/serving_hostile.py endpoint PORT [--grpc-port PORT] [--requests 1000] [--seconds 60]
        [--a-second RATE]

Bodies with too many elements, inputs, messages, levels and characters, wrong shapes, random bytes, offers of other
protocols, clients that are slow or leave; for the endpoint by both protocols, and over gRPC where its port is named
(`serving_hostile_grpc.py`). Four workers, each with one request at a time. Port 0 stands for a server in this process
that reads and refuses: what the attack then costs others is the processor time of the attackers. Prints a JSON object:
how often what was answered with which status.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import serving_hostile_grpc
from serving_traffic import CHAT, INFER

WORKERS = 4
PREDICT = "/v1/models/router:predict"
V1, GRPC = "v1 ", "grpc "
OFFERS = (
    "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAA\r\n",
    "connection: upgrade\r\nupgrade: foo/2\r\n",
)


def tensor(data: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": "prompt", "shape": [len(data)], "datatype": "BYTES", "data": data} | more


def chat(content: object, **more: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": content}]} | more


def bodies(rng: random.Random, server: str, has_grpc: bool) -> dict[str, Callable[[], bytes]]:
    """Return makers of hostile bodies, by kind; the first word of a kind says the protocol, v2 by default."""

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
    kinds: list[Any] = [None, 1, [], {}, "\ud800", {"prompt": []}, {"prompt": "x", "choices": {}}]
    v1: dict[str, Callable[[], bytes]] = {
        "instances": lambda: sent({"instances": ["x"] * many()}),
        "objects": lambda: sent({"instances": [{"prompt": "x"}] * many()}),
        "choices": lambda: sent({"instances": [{"prompt": "x", "choices": ["y"] * many()}]}),
        "long": lambda: sent({"instances": [text()]}),
        "parameters": lambda: sent({"instances": ["x"], "parameters": {str(i): i for i in range(many())}}),
        "kinds": lambda: sent({"instances": rng.choice([kinds, [rng.choice(kinds)], {}, "x"])}),
        **common,
    }
    v2: dict[str, Callable[[], bytes]] = {
        "elements": lambda: sent({"inputs": [tensor(["x"] * many())]}),
        "integers": lambda: sent({"inputs": [tensor(list(range(many())), datatype="INT64")]}),
        "shapes": lambda: sent({"inputs": [tensor(["x"], shape=rng.choice([[], [-1], [2**62], [1] * many(), ["1"]]))]}),
        "inputs": lambda: sent({"inputs": [tensor(["x"])] * many()}),
        "outputs": lambda: sent({"inputs": [tensor(["x"])], "outputs": [{"name": "model"}] * many()}),
        "parameters": lambda: sent({"inputs": [tensor(["x"])], "parameters": {str(i): i for i in range(many())}}),
        "long": lambda: sent({"inputs": [tensor([text()])]}),
        "kinds": lambda: sent({"inputs": [tensor([rng.choice([None, 1, [], {}, "\ud800", 1e308])])]}),
        **common,
    }
    over_grpc = serving_hostile_grpc.bodies(rng, many, text) if has_grpc else {}
    return v2 | {f"{V1}{kind}": maker for kind, maker in v1.items()} | over_grpc


async def shoot(port: int, path: str, body: bytes, way: str, rng: random.Random) -> int:
    """Send one request in a way; return the answer's status, 0 where none was waited for or came."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
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
        if way == "slow body":
            for part in (head, body[:1], body[1:2]):
                writer.write(part)
                await asyncio.sleep(rng.uniform(0, 1))
            body, head = body[2:], b""
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


async def fire(
    port: int, name: str, requests: int, seconds: float, a_second: float, grpc_port: int = 0
) -> Counter[str]:
    """Send hostile requests, four at a time; return how often what was answered with which status."""
    statuses: Counter[str] = Counter()
    usual = INFER if name == "endpoint" else CHAT
    numbers = itertools.count()
    began = time.monotonic()

    async def worker(seed: int) -> None:
        rng = random.Random(seed)
        kinds = bodies(rng, name, bool(grpc_port))
        while (number := next(numbers)) < requests and time.monotonic() < began + seconds:
            await asyncio.sleep(began + number / a_second - time.monotonic())
            kind = rng.choice(list(kinds))
            way = rng.choice(["plain"] * 6 + ["offers", "slow head", "slow body", "leaves", "breaks off"])
            if kind.startswith(GRPC):
                status = await serving_hostile_grpc.shoot(grpc_port, kinds[kind](), way, rng)
            else:
                path = PREDICT if kind.startswith(V1) else usual
                status = await shoot(port, path, kinds[kind](), way, rng)
            statuses[f"{kind}, {way}: {status}"] += 1

    await asyncio.gather(*(worker(seed) for seed in range(WORKERS)))
    return statuses


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read one request and refuse it."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.rpartition(b"content-length: ")[2]))
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


async def attack(arguments: argparse.Namespace) -> Counter[str]:
    wanted = arguments.server, arguments.requests, arguments.seconds, arguments.a_second
    if arguments.port:
        return await fire(arguments.port, *wanted, arguments.grpc_port)
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        return await fire(server.sockets[0].getsockname()[1], *wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", choices=("endpoint", "gateway"))
    parser.add_argument("port", type=int)
    parser.add_argument("--grpc-port", type=int, default=0)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60, help="after which no further request is sent")
    parser.add_argument("--a-second", type=float, default=1e9, help="most requests a second")
    os.nice(10)
    json.dump(asyncio.run(attack(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
