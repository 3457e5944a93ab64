"""What a request costs the gateway, beside LiteLLM's proxy and beside the gateway of another checkout.

    python benchmarks/serving_cores.py --clients .bench/clients/bin/python [--before CHECKOUT] [--requests 200]

Requests a second of processor time say what a core can serve whatever else the machine does; times to the first byte
take turns between all ways, so that a busy machine slows all of them. Ours has everything on: feedback with prompts'
text, spans that are sent, and conversations in Redis. Each is a process before the same upstream, and streams. The
table goes to `benchmarks/results/serving_cores.json`.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import markdown
import numpy as np
import psutil
from fastapi import FastAPI, Response
from quality import RESULTS

from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.errors import ServiceError
from modelsat.io.atomic import write_json
from modelsat.routers.constant import Constant

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "serving"))
from endpoint_process import Endpoint
from local_servers import Upstream, served
from redis_server import RedisServer
from serving_gateway import CHAT, Server, gateway_process, litellm_process
from serving_traffic import Connections, in_turns, milliseconds

INTO = RESULTS.with_name("serving_cores.json")
NAMES = [f"candidate-{i}" for i in range(10)]
AT_ONCE, ROUNDS, PASSES = 8, 60, 3
OURS, BEFORE, LITELLM, DIRECT = "gateway, everything on", "gateway before", "LiteLLM's proxy", "direct"
NAMED, AUTO = "named", "auto"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=Path, required=True, help="interpreter of an environment with LiteLLM")
    parser.add_argument("--before", type=Path, help="another checkout with its environment in .venv")
    parser.add_argument("--requests", type=int, default=200, help="of each way and pass")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    texts = (f"How many trains leave platform {i} on a Sunday in May?" for i in itertools.count())
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(served(_forgetful()))
        collector = stack.enter_context(served(_collector()))
        redis = RedisServer(scratch)
        redis.start()
        stack.callback(redis.kill)
        endpoint = Endpoint(scratch / "endpoint.log", ("--bundle", str(_bundle(scratch / "bundle"))))
        stack.callback(endpoint.stop)
        endpoint.wait_until_live()
        servers: dict[str, Server] = {}
        for name in (OURS, *([BEFORE] if arguments.before else [])):
            folder = scratch / name.replace(" ", "-").replace(",", "")
            folder.mkdir()
            more = ["--feedback-log", str(folder / "feedback"), "--feedback-text"]
            more += ["--traces", "--trace-text", "--sessions", redis.url] if name == OURS else []
            python = sys.executable if name == OURS else str(arguments.before.resolve() / ".venv" / "bin" / "python")
            variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "MODELSAT_FEEDBACK_KEY": "k" * 32}
            servers[name] = stack.enter_context(
                gateway_process(folder, endpoint.url, upstream, NAMES, python, more, variables)
            )
        proxy = litellm_process(scratch, upstream, NAMES, arguments.clients.absolute(), servers[OURS].url)
        servers[LITELLM] = stack.enter_context(proxy)
        found = {
            "requests_a_core_second": {
                f"{name}, {how}": _a_core_second(server, how, texts, arguments.requests)
                for name, server in servers.items()
                for how in ((NAMED, AUTO) if name != LITELLM else (NAMED,))
            },
            "added_ms": _added(servers, upstream, texts),
            "processors": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
        }
    write_json(arguments.into, found)
    print(section(found))


def _bundle(folder: Path) -> Path:
    rows: list[dict[str, object]] = [{"candidate": name, "price_in": 1.0, "price_out": 2.0} for name in NAMES]
    empty = [schema.empty_table() for schema in (contracts.APTITUDE_TEST, contracts.CARDS)]
    chances = np.linspace(0.9, 0.5, len(NAMES))
    Bundle(Constant(NAMES, chances), contracts.from_rows(rows, contracts.CANDIDATES), *empty).write(folder)
    return folder


def _forgetful() -> FastAPI:
    upstream = Upstream()
    app = upstream.app()

    @app.middleware("http")
    async def forget(request, call_next):
        upstream.bodies.clear()
        upstream.headers.clear()
        return await call_next(request)

    return app


def _collector() -> FastAPI:
    app = FastAPI()

    async def take() -> Response:
        return Response(b"", media_type="application/x-protobuf")

    app.add_api_route("/v1/traces", take, methods=["POST"])
    return app


def _body(how: str, text: str) -> bytes:
    model = AUTO if how == AUTO else NAMES[0]
    return json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}).encode()


def _a_core_second(server: Server, how: str, texts: Iterator[str], requests: int) -> list[float]:
    """Return how many requests a server answers per second of its processor time: median, least and most of passes."""
    rates = []
    for i in range(PASSES + 1):
        before = _processor_seconds(server.pid)
        asyncio.run(_asked(server.url, [_body(how, next(texts)) for _ in range(requests)]))
        # The first pass warms up.
        if i:
            rates.append(requests / (_processor_seconds(server.pid) - before))
    return [round(value, 1) for value in (statistics.median(rates), min(rates), max(rates))]


async def _asked(url: str, bodies: list[bytes]) -> None:
    connections, waiting = Connections(url), iter(bodies)

    async def client() -> None:
        for body in waiting:
            told = await connections.ask(body, CHAT)
            if told.status != 200:
                raise ServiceError(f"{url} answered {told.status}")

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))


def _processor_seconds(pid: int) -> float:
    process = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def _added(servers: dict[str, Server], upstream: str, texts: Iterator[str]) -> dict[str, list[float]]:
    """Return what each way adds to the first byte of a direct call, ms: median and quartiles of paired differences."""
    ways = {DIRECT: (upstream, NAMED)}
    for name, server in servers.items():
        ways |= {f"{name}, {how}": (server.url, how) for how in ((NAMED, AUTO) if name != LITELLM else (NAMED,))}
    with asyncio.Runner() as runner:
        kept = {way: Connections(url) for way, (url, _) in ways.items()}

        def ask(way: str, how: str) -> float:
            told = runner.run(kept[way].ask(_body(how, next(texts)), CHAT, until_first_byte=True))
            if told.status != 200:
                raise ServiceError(f"{way} answered {told.status}")
            return told.seconds

        seconds = in_turns({way: partial(ask, way, how) for way, (_, how) in ways.items()}, ROUNDS)
    found = {DIRECT: [milliseconds(seconds[DIRECT], q) for q in (0.5, 0.25, 0.75)]}
    for way in ways:
        if way != DIRECT:
            found[way] = [milliseconds(seconds[way] - seconds[DIRECT], q) for q in (0.5, 0.25, 0.75)]
    return found


def section(found: dict) -> str:
    """Return the table in Markdown."""
    rates, added = found["requests_a_core_second"], found["added_ms"]
    rows = [
        [
            way,
            "{:.0f} ({:.0f} to {:.0f})".format(*rates[way]),
            f"{rates[way][0] / rates[f'{LITELLM}, {NAMED}'][0]:.1f}",
            "{:.1f} ({:.1f} to {:.1f})".format(*added[way]),
        ]
        for way in rates
    ]
    heads = ["streamed chat completions", "requests a core second", "times LiteLLM's", "added ms to the first byte"]
    return markdown.table(heads, rows)


if __name__ == "__main__":
    main()
