"""The endpoint and the gateway: what serving adds to the router, and what happens when too much is asked.

    python benchmarks/served.py [--seconds 60]

A fusion router over MiniLM with simulated candidates answers distinct prompts of 128 tokens, one thread, one process.
In process and over HTTP take turns, so that a busy machine slows both: the figures are ratios of medians, and of the
processor time that batches took, which says how much can be served whatever else the machine does. The table goes to
`benchmarks/results/served.json`.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from quality import RESULTS
from serving_traffic import Connections, Told, open_loop, question

from modelsat import bundle, contracts, routing
from modelsat.atomic import write_json
from modelsat.backbone_files import default_backbone
from modelsat.bundle import Bundle
from modelsat.encoder import Encoder
from modelsat.fusion import surface
from modelsat.routers.fusion import Anchors, Fusion
from modelsat.sample import questions
from serving.gateway.app import create_app
from serving.gateway.upstreams import Upstream as Address

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "serving"))
from endpoint_process import Endpoint
from local_servers import Upstream, served

INTO = RESULTS.with_name("served.json")
TOKENS, LAYERS, LANDMARKS = 128, (2, 4, 6), 1000
ROUNDS, BATCH_ROUNDS, BATCH = 40, 3, 128
OVERLOAD, DEADLINE_SECONDS = 5.0, 1.0


def prompts(encoder: Encoder) -> Iterator[str]:
    """Yield distinct texts of 128 tokens: pieces of the sample's questions."""
    for seed in itertools.count():
        stream = [i for one in questions.draw(seed, 400) for i in encoder.tokenizer(one.prompt)["input_ids"][1:-1]]
        for start in range(0, len(stream) - TOKENS, TOKENS - 2):
            yield encoder.tokenizer.decode(stream[start : start + TOKENS - 2])


def make(encoder: Encoder, texts: list[str], vectors: np.ndarray, candidates: int) -> Bundle:
    """Return an unwritten bundle of so many simulated candidates."""
    rng = np.random.default_rng(candidates)
    names = [f"candidate-{i:04d}" for i in range(candidates)]
    chance = 1 / (
        1 + np.exp(-(vectors[:, -1] @ rng.normal(0, 3, (vectors.shape[2], 8)) @ rng.normal(0, 1, (8, candidates))))
    )
    scores = (rng.random(chance.shape) < chance).astype(np.float32)
    fitted = surface.fit(vectors, scores, np.asarray(["one", "two"] * (len(texts) // 2)))
    anchors = Anchors(vectors[:100], np.zeros((100, fitted.weights.shape[1]), dtype=np.float32))
    rows: list[dict[str, object]] = [
        {"candidate": name, "price_in": 1.0 + i, "price_out": 2.0} for i, name in enumerate(names)
    ]
    empty = [schema.empty_table() for schema in (contracts.APTITUDE_TEST, contracts.CARDS)]
    return Bundle(Fusion(names, encoder, fitted, anchors), contracts.from_rows(rows, contracts.CANDIDATES), *empty)


def in_turns(calls: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, np.ndarray]:
    """Return seconds of each call, round by round, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if i:
                seconds[name].append(time.perf_counter() - began)
    return {name: np.asarray(values) for name, values in seconds.items()}


@contextmanager
def endpoint(folder: Path) -> Iterator[Endpoint]:
    """Serve a bundle."""
    started = Endpoint(folder.with_suffix(".log"), ("--bundle", str(folder), "--deadline", str(DEADLINE_SECONDS)))
    try:
        started.wait_until_live()
        yield started
    finally:
        started.stop()


def milliseconds(seconds: np.ndarray | list[float], q: float = 0.5) -> float:
    return round(1000 * float(np.quantile(seconds, q)), 2)


def few_against_many(few: str, many: str, texts: Iterator[str]) -> dict[str, float]:
    with asyncio.Runner() as runner:
        clients = {
            "10": (Connections(few), {}),
            "1,000": (Connections(many), {}),
            "top 8": (Connections(many), {"top_k": 8}),
        }

        def ask(name: str) -> None:
            connections, parameters = clients[name]
            runner.run(connections.ask(question([next(texts)], **parameters)))

        seconds = in_turns({name: partial(ask, name) for name in clients})
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    return {
        "10 candidates, ms": milliseconds(seconds["10"]),
        "1,000 / 10 candidates": round(medians["1,000"] / medians["10"], 2),
        "1,000 of which 8 are shown / 10 candidates": round(medians["top 8"] / medians["10"], 2),
    }


def processor_seconds(pid: int) -> float:
    """Return what a process has used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def served_against_in_process(server: Endpoint, made: Bundle, texts: Iterator[str]) -> dict[str, float]:
    with asyncio.Runner() as runner:
        connections = Connections(server.url)

        def over_http(count: int) -> None:
            told = runner.run(connections.ask(question([next(texts) for _ in range(count)])))
            if told.status != 200:
                raise SystemExit(f"{count} prompts over HTTP came to {told}")

        def in_process(count: int) -> None:
            routing.route(made, [next(texts) for _ in range(count)])

        def one_pass_per_candidate() -> None:
            made.router.encoder.encode([next(texts)] * len(made.names))

        one = in_turns({"http": lambda: over_http(1), "process": lambda: in_process(1)})
        began = processor_seconds(server.process.pid)
        for _ in range(BATCH_ROUNDS):
            over_http(BATCH)
        there, between = processor_seconds(server.process.pid) - began, time.process_time()
        for _ in range(BATCH_ROUNDS):
            in_process(BATCH)
        here = time.process_time() - between
        paper = in_turns({"paper": one_pass_per_candidate}, 5)["paper"]
    medians = {name: float(np.median(values)) for name, values in one.items()}
    return {
        "in process, ms": milliseconds(one["process"]),
        "over HTTP, ms": milliseconds(one["http"]),
        "over HTTP / in process": round(medians["http"] / medians["process"], 2),
        f"batches of {BATCH} a processor second, HTTP / in process": round(here / there, 2),
        "one pass per candidate / in process": round(float(np.median(paper)) / medians["process"], 1),
    }


def under_load(url: str, texts: Iterator[str], capacity: float, seconds: float) -> dict[str, float]:
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


def overloaded(url: str, texts: Iterator[str], capacity: float, seconds: float) -> dict[str, float]:
    # Texts are made beforehand: their tokenizer would slow the client down.
    ready = list(itertools.islice(texts, 2000))
    bodies = map(question, ([text] for text in itertools.cycle(ready)))

    async def both() -> tuple[list[Told], list[Told]]:
        probes: list[Told] = []

        async def probe() -> None:
            connections = Connections(url)
            while True:
                probes.append(await connections.ask(None, "/v2/health/ready"))
                await asyncio.sleep(0.1)

        probing = asyncio.create_task(probe())
        told = await open_loop(Connections(url), bodies, OVERLOAD * capacity, seconds)
        probing.cancel()
        return told, probes

    told, probes = asyncio.run(both())
    accepted = [one.seconds for one in told if one.status == 200]
    refused = [one for one in told if one.status == 503]
    return {
        "requests": len(told),
        "200": len(accepted),
        "503": len(refused),
        "neither": len(told) - len(accepted) - len(refused),
        "503 without retry-after": sum(not one.retry_after for one in refused),
        "accepted / capacity": round(len(accepted) / seconds / capacity, 2),
        "p99 of accepted, ms": milliseconds(accepted, 0.99),
        "p99 of refused, ms": milliseconds([one.seconds for one in refused], 0.99),
        "slowest readiness, ms": milliseconds([one.seconds for one in probes], 1.0),
        "readiness not 200": sum(one.status != 200 for one in probes),
    }


def gateway_beside_direct(url: str, texts: Iterator[str], names: tuple[str, ...]) -> dict[str, float]:
    path = "/v1/chat/completions"

    def body(model: str) -> bytes:
        return question_of_chat(model, next(texts))

    with ExitStack() as stack:
        upstream = stack.enter_context(served(Upstream().app()))
        addresses = {name: Address(f"{upstream}/v1", name) for name in names}
        gateway = stack.enter_context(served(create_app(addresses, url)))
        runner = stack.enter_context(asyncio.Runner())
        direct, through = Connections(upstream), Connections(gateway)
        seconds = in_turns(
            {
                "direct": lambda: runner.run(direct.ask(body(names[0]), path, until_first_byte=True)),
                "named": lambda: runner.run(through.ask(body(names[0]), path, until_first_byte=True)),
                "auto": lambda: runner.run(through.ask(body("auto"), path, until_first_byte=True)),
            }
        )
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    return {
        "direct, ms to first byte": milliseconds(seconds["direct"]),
        "added for a named candidate, ms": round(1000 * (median["named"] - median["direct"]), 2),
        "added for auto, ms": round(1000 * (median["auto"] - median["direct"]), 2),
    }


def question_of_chat(model: str, text: str) -> bytes:
    return json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of overload, and of half load")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoder = Encoder(default_backbone(), layers=LAYERS)
    texts = prompts(encoder)
    trained = list(itertools.islice(texts, LANDMARKS))
    vectors = encoder.encode(trained)
    found: dict[str, dict[str, float]] = {}

    def keep(name: str, row: dict[str, float]) -> None:
        found[name] = row
        print(name, *(f"  {what:<56} {value:>10,}" for what, value in row.items()), sep="\n", flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        folders = {m: Path(scratch) / f"of-{m}" for m in (10, 30, 1000)}
        for m, folder in folders.items():
            make(encoder, trained, vectors, m).write(folder)
        with endpoint(folders[10]) as few, endpoint(folders[1000]) as many:
            keep("candidates", few_against_many(few.url, many.url, texts))
        with endpoint(folders[30]) as thirty:
            made = bundle.read(folders[30])
            keep("30 candidates", served_against_in_process(thirty, made, texts))
            capacity = 1000 / found["30 candidates"]["over HTTP, ms"]
            keep("half load", under_load(thirty.url, texts, capacity, arguments.seconds))
            keep("gateway", gateway_beside_direct(thirty.url, texts, made.names))
            keep("5 times capacity", overloaded(thirty.url, texts, capacity, arguments.seconds))
    keep("machine", {"processors": os.cpu_count() or 0, "load average at the end": round(os.getloadavg()[0], 1)})
    write_json(arguments.into, found)


if __name__ == "__main__":
    main()
