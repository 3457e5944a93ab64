"""The endpoint and the gateway: what serving adds to the router, and what happens when too much is asked.

    python benchmarks/served.py [--seconds 60] [--clients ENVIRONMENT/bin/python]

A fusion router over MiniLM with simulated candidates answers distinct prompts of 128 tokens, one thread, one process.
In process and over HTTP take turns, so that a busy machine slows both: the figures are ratios of medians, and of the
processor time that batches took, which says how much can be served whatever else the machine does. LiteLLM's proxy and
the `openai` client come in where `--clients` names the interpreter of an environment that holds
`benchmarks/serving-requirements.txt`. The table goes to `benchmarks/results/served.json`.
"""

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from quality import RESULTS

from modelsat.bundle import bundle, ranking
from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.data.sample import questions
from modelsat.io.atomic import write_json
from modelsat.routers.fusion import surface
from modelsat.routers.fusion.router import Anchors, Fusion
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import Encoder

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "serving"))
import serving_classifier
import serving_gateway
from endpoint_process import Endpoint, resident_bytes
from serving_load import half_load, overload
from serving_traffic import Connections, in_turns, milliseconds, question

INTO = RESULTS.with_name("served.json")
TOKENS, LAYERS, LANDMARKS = 128, (2, 4, 6), 1000
BATCH_ROUNDS, BATCH = 3, 128
DEADLINE_SECONDS = 1.0


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
    anchors = Anchors(vectors[:100], np.tile(fitted.means, (100, 1)))
    rows: list[dict[str, object]] = [
        {"candidate": name, "price_in": 1.0 + i, "price_out": 2.0} for i, name in enumerate(names)
    ]
    empty = [schema.empty_table() for schema in (contracts.APTITUDE_TEST, contracts.CARDS)]
    return Bundle(Fusion(names, encoder, fitted, anchors), contracts.from_rows(rows, contracts.CANDIDATES), *empty)


@contextmanager
def endpoint(folder: Path) -> Iterator[Endpoint]:
    """Serve a bundle."""
    started = Endpoint(folder.with_suffix(".log"), ("--bundle", str(folder), "--deadline", str(DEADLINE_SECONDS)))
    try:
        started.wait_until_live()
        yield started
    finally:
        started.stop()


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
            ranking.route(made, [next(texts) for _ in range(count)])

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


def beside_a_classifier(ours: Endpoint, theirs: Endpoint, texts: Iterator[str]) -> dict[str, float]:
    with asyncio.Runner() as runner:
        clients = {"ours": Connections(ours.url), "theirs": Connections(theirs.url)}

        def ask(name: str) -> None:
            told = runner.run(clients[name].ask(question([next(texts)])))
            if told.status != 200:
                raise SystemExit(f"{name} answered {told}")

        seconds = in_turns({name: partial(ask, name) for name in clients})
    return {
        "a classifier of BERT's size, ms": milliseconds(seconds["theirs"]),
        "a classifier of BERT's size / ours": round(
            float(np.median(seconds["theirs"]) / np.median(seconds["ours"])), 2
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of overload, and of half load")
    parser.add_argument("--clients", type=Path, help="interpreter of an environment with LiteLLM and openai")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoder = Encoder(default_backbone(), layers=LAYERS)
    texts = prompts(encoder)
    trained = list(itertools.islice(texts, LANDMARKS))
    vectors = encoder.encode(trained)
    found: dict[str, dict[str, Any]] = {}

    def keep(name: str, row: dict[str, Any]) -> None:
        found[name] = row
        print(name, *(f"  {what:<56} {value:>10}" for what, value in row.items()), sep="\n", flush=True)

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
            keep("half load", half_load(thirty.url, texts, capacity, arguments.seconds))
            serving_classifier.write(Path(scratch) / "classifier", Path(scratch) / "bert")
            with endpoint(Path(scratch) / "classifier") as classifier:
                keep("classifier", beside_a_classifier(thirty, classifier, texts))
            gateway = (thirty.url, texts, made.names, Path(scratch), arguments.clients)
            keep("gateway", serving_gateway.beside_direct(*gateway))
            if arguments.clients is not None:
                keep(
                    "openai client",
                    serving_gateway.with_openai(thirty.url, made.names, Path(scratch), arguments.clients),
                )
            memory = partial(resident_bytes, thirty.process.pid)
            keep("5 times capacity", overload(thirty.url, memory, texts, capacity, arguments.seconds))
    keep("machine", {"processors": os.cpu_count() or 0, "load average at the end": round(os.getloadavg()[0], 1)})
    write_json(arguments.into, found)


if __name__ == "__main__":
    main()
