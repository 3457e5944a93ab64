"""Endpoint and gateway under hostile requests, with good traffic beside them: `make fuzz`.

    python benchmarks/serving_attack.py [--requests 20000] [--minutes 30] [--python INTERPRETER]

The requests are those of `serving_hostile.py`, which runs as a process of its own behind all others: attackers have
processors of their own elsewhere. Meanwhile a good client asks five times a second and readiness is probed. What the
attackers' processor time alone does to good traffic is measured, too: the same requests at the same pace, sent to
nobody. Ends with code 1 where an answer was a 5xx other than 503, a log has a traceback, or a server died. `--python`
names the interpreter of another environment, of an earlier version for instance.
"""

import argparse
import asyncio
import itertools
import json
import os
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
from served import LAYERS, make, processor_seconds, prompts
from serving_hostile import chat
from serving_pair import Served, pair
from serving_traffic import CHAT, INFER, Connections, Told, milliseconds, question

from modelsat.io.atomic import write_json
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import Encoder

TRAINED, WARM_UP = 200, 100
REST_SECONDS, READINESS_MS, LEAST_QUIET_SECONDS = 15, 250, 30.0
PROBES = {"endpoint": "/v2/health/ready", "gateway": "/healthz"}


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


async def fire(name: str, port: int, **limits: float) -> Counter[tuple[str, int]]:
    """Send hostile requests from a process of their own; return how often what was answered with which status."""
    options = [part for option, value in limits.items() for part in (f"--{option.replace('_', '-')}", str(value))]
    script = Path(__file__).with_name("serving_hostile.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, name, str(port), *options, stdout=asyncio.subprocess.PIPE
    )
    sent, _ = await process.communicate()
    parted = ((key.rsplit(": ", 1), n) for key, n in json.loads(sent).items())
    return Counter({(what, int(status)): n for (what, status), n in parted})


async def attacked(
    server: Served, name: str, texts: list[str], requests: int, seconds: float
) -> tuple[dict[str, Any], bool]:
    """Attack one server; return the figures, and whether all is as it should be."""
    path = INFER if name == "endpoint" else CHAT
    asked = (
        question([text]) if name == "endpoint" else json.dumps(chat(text)).encode() for text in itertools.cycle(texts)
    )
    watchers = (lambda stop: good(server, path, asked, stop), lambda stop: probed(server, PROBES[name], stop))
    await fire(name, server.port, requests=WARM_UP)
    quiet_seconds = max(LEAST_QUIET_SECONDS, seconds / 4)
    told: dict[str, list[Told]] = {}
    told["quiet"], _ = await while_running(asyncio.sleep(quiet_seconds), *watchers)
    memory, began, used = server.resident_mib, time.monotonic(), processor_seconds(server.process.pid)
    statuses: Counter[tuple[str, int]] = Counter()

    async def attack() -> None:
        statuses.update(await fire(name, server.port, requests=requests, seconds=seconds, grpc_port=server.grpc_port))

    told["then"], probes = await while_running(attack(), *watchers)
    took = time.monotonic() - began
    used = processor_seconds(server.process.pid) - used
    await asyncio.sleep(REST_SECONDS)
    grown = server.resident_mib - memory
    pace = {"requests": requests, "seconds": quiet_seconds, "a_second": sum(statuses.values()) / took}
    told["beside"], _ = await while_running(fire(name, 0, **pace), *watchers)
    bad = {f"{what}: {status}": n for (what, status), n in statuses.items() if status >= 500 and status != 503}
    taken = {when: [one.seconds for one in several if one.status == 200] for when, several in told.items()}
    p99 = {when: float(np.quantile(several, 0.99)) for when, several in taken.items()}
    unanswered = sum(
        n for (what, status), n in statuses.items() if not status and what.endswith(("plain", "slow body"))
    )
    figures = {
        "hostile requests": sum(statuses.values()),
        "a second": round(sum(statuses.values()) / took, 1),
        "5xx other than 503": sum(bad.values()),
        "of those with a whole body, unanswered": unanswered,
        "good requests": len(told["then"]),
        "of them not 200": sum(one.status != 200 for one in told["then"]),
        "good p50, quiet and then, ms": [milliseconds(taken[when]) for when in ("quiet", "then")],
        "good p99, quiet and then, ms": [round(1000 * p99[when], 2) for when in ("quiet", "then")],
        "good p99, then / quiet": round(p99["then"] / p99["quiet"], 2),
        "good p99, attackers aim at nobody / quiet": round(p99["beside"] / p99["quiet"], 2),
        "cores that the server used": round(used / took, 2),
        "readiness, slowest, ms": milliseconds(probes, 1.0),
        "readiness later than 250 ms": sum(1000 * one > READINESS_MS for one in probes),
        "readiness probes": len(probes),
        "memory grown after a rest, MiB": round(grown, 1),
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
