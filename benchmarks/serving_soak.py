"""Memory of endpoint and gateway over many requests with prompts of mixed lengths.

    python benchmarks/serving_soak.py [--minutes 60] [--a-second RATE] [--into FILE]

Two clients, one of the endpoint and one of the gateway, ask one question after the other; lengths run from a word to
some thousand (log-uniform, every prompt another one). The gateway asks the endpoint, whose requests are those of both.
Resident memory is read every five seconds. The slope is that of a straight line through the second half, in MiB per
10,000 requests: the first half fills caches.
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
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "serving"))
from served import LAYERS, make, prompts
from serving_pair import Served, pair
from serving_traffic import CHAT, INFER, Connections, question

from modelsat.io.atomic import write_json
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import Encoder

TRAINED, SECONDS_BETWEEN = 200, 5.0
LONGEST_WORDS = 5000
DEADLINE_SECONDS = 30.0
"""Nothing is refused on a busy machine: only what is read says something of memory."""


async def soaked(
    server: Served, name: str, texts: list[str], seconds: float, a_second: float, sent: Counter[str]
) -> dict[str, Any]:
    """Ask one server, at most so often a second; count what is sent; return its curve and what it comes to."""
    rng = np.random.default_rng(0 if name == "endpoint" else 1)
    words = " ".join(texts).split()
    connections = Connections(f"http://127.0.0.1:{server.port}")
    began = time.monotonic()
    until, next_look, others = began + seconds, 0.0, 0
    curve: list[tuple[int, float]] = []
    while time.monotonic() < until:
        await asyncio.sleep(began + sent[name] / a_second - time.monotonic())
        length = int(np.exp(rng.uniform(0, np.log(LONGEST_WORDS))))
        text = " ".join(words[i] for i in rng.integers(0, len(words), length))
        body = (
            question([text])
            if name == "endpoint"
            else json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode()
        )
        told = await connections.ask(body, INFER if name == "endpoint" else CHAT)
        sent[name] += 1
        others += told.status != 200
        if time.monotonic() > next_look:
            reached = sent.total() if name == "endpoint" else sent[name]
            curve.append((reached, round(server.resident_mib, 1)))
            next_look = time.monotonic() + SECONDS_BETWEEN
    half = np.asarray(curve[len(curve) // 2 :], dtype=float)
    figures = {
        "requests": curve[-1][0],
        "not 200": others,
        "MiB at the start, at half and at the end": [curve[i][1] for i in (0, len(curve) // 2, -1)],
        "MiB per 10,000 requests, second half": round(float(np.polyfit(half[:, 0], half[:, 1], 1)[0]) * 10_000, 2),
        "tracebacks": server.tracebacks,
    }
    print(name, *(f"  {what:<44} {value}" for what, value in figures.items()), sep="\n", flush=True)
    return figures | {"curve: requests, MiB": curve}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--a-second", type=float, default=1e9, help="most requests a second of each client")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment that is measured")
    parser.add_argument(
        "--into", type=Path, help="file for the figures and the curve, such as benchmarks/results/soak.json"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoder = Encoder(default_backbone(), layers=LAYERS)
    trained = list(itertools.islice(prompts(encoder), TRAINED))
    made = make(encoder, trained, encoder.encode(trained), 30)
    with tempfile.TemporaryDirectory() as scratch:
        made.write(Path(scratch) / "bundle")
        with pair(Path(scratch) / "bundle", made.names, Path(scratch), arguments.python, DEADLINE_SECONDS) as servers:

            async def both() -> list[dict[str, Any]]:
                pace = 60 * arguments.minutes, arguments.a_second, Counter[str]()
                return await asyncio.gather(*(soaked(one, name, trained, *pace) for name, one in servers.items()))

            found = dict(zip(servers, asyncio.run(both()), strict=True))
    if arguments.into is not None:
        said = {"minutes": arguments.minutes, "a second": arguments.a_second}
        before = json.loads(arguments.into.read_text(encoding="utf-8")) if arguments.into.is_file() else {}
        # Earlier builds stand beside.
        said["before"] = before.get("before", [])
        write_json(arguments.into, found | said | {"load average at the end": round(os.getloadavg()[0], 1)})


if __name__ == "__main__":
    main()
