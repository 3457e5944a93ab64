"""What routing costs: operations and seconds of every mode, in forwards of the language model over the prompt.

    python benchmarks/one_pass.py [--repeats 15]

Distinct prompts of 64, 128 and 256 tokens, one at a time on one thread, nothing cached between prompts. Operations of
the language model are counted by torch's profiler, those of the outcome surface, which is numpy, by its shapes. Weights
are those of MiniLM, cards and surface are random: what is measured does not depend on what was learned. The table goes
to `benchmarks/results/one_pass.json`.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import markdown
import numpy as np
import torch
from quality import RESULTS
from torch.utils.flop_counter import FlopCounterMode

from modelsat.io.atomic import write_json
from modelsat.routers.fusion import surface
from modelsat.routers.fusion.router import Anchors, Fusion
from modelsat.routers.model_sat.capability import CapabilityEncoder
from modelsat.routers.model_sat.network import Network, Shape
from modelsat.routers.model_sat.router import ModelSat
from modelsat.routers.reranked import Reranked
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import Encoder, load_language_model

INTO = RESULTS.with_name("one_pass.json")
LENGTHS, CANDIDATES = (64, 128, 256), (10, 100, 1000)
TASKS, TRAINED, WARM_UP = 50, 1500, 3
EACH = "one pass per candidate"
Route = Callable[[list[str]], object]

TEXT = """
## What routing costs

One prompt at a time on one thread, in units of one forward pass of MiniLM over the same prompt: operations, and time
in brackets. "Default" is fusion over all candidates and Model-SAT over the eight that fusion finds best, from one
reading. "Joint" is Model-SAT over all candidates. "One pass per candidate" is the paper's way, where the prompt is
read again for each, extrapolated from one of them. Each time is compared with a forward pass of the same prompt right
before; medians of {repeats} distinct prompts.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    backbone = default_backbone()
    encoder = Encoder(backbone, 256, (2, 4, 6))
    rows = []
    for length in LENGTHS:
        texts = prompts(encoder, length, arguments.repeats + WARM_UP)
        for candidates in CANDIDATES:
            fusion, joint = routers(encoder, backbone, candidates)
            one = ModelSat(["one"], joint.accuracies[:1], joint.encoder, joint.network, backbone, 256)
            modes = {"fusion": fusion, "default": Reranked(fusion, joint, 0.5), "joint": joint, EACH: one}
            found = in_forwards(
                encoder.encode, {mode: router.success_probability for mode, router in modes.items()}, texts
            )
            found["fusion"][0] += read(fusion) / flops(encoder.encode, texts[0])
            found["default"][0] += read(fusion) / flops(encoder.encode, texts[0])
            found[EACH] = [candidates * value for value in found[EACH]]
            rows.append({"tokens": length, "candidates": candidates, "modes": found})
            print(f"{length} tokens, {candidates} candidates: {found}", flush=True)
    facts = {"repeats": arguments.repeats, "rows": rows}
    write_json(arguments.into, facts)
    print(section(facts))


def prompts(encoder: Encoder, length: int, count: int) -> list[str]:
    """Draw texts that are `length` tokens long with both special ones."""
    rng = np.random.default_rng(length)
    words = [word for word in encoder.tokenizer.get_vocab() if word.isalpha() and word.isascii()]
    return [" ".join(rng.choice(sorted(words), length - 2)) for _ in range(count)]


def routers(encoder: Encoder, backbone: Path, candidates: int) -> tuple[Fusion, ModelSat]:
    """Make both parts of the default for so many candidates."""
    rng = np.random.default_rng(0)
    names = [f"candidate-{i}" for i in range(candidates)]
    vectors = rng.normal(size=(TRAINED, 3, 384))
    vectors = (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).astype(np.float32)
    kinds = rng.integers(0, 14, TRAINED)
    # The kind shows in the vectors and decides who is good, so that the surface has directions.
    vectors[:, :, :14] += 0.3 * np.eye(14, dtype=np.float32)[kinds][:, None]
    scores = (rng.random((TRAINED, candidates)) < rng.random((14, candidates))[kinds]).astype(float)
    found = surface.fit(vectors, scores, kinds.astype(str))
    fusion = Fusion(names, encoder, found, Anchors(vectors[:5], scores[:5].astype(np.float32)))
    meanings = rng.normal(size=(TASKS, 384)).astype(np.float32)
    capability = CapabilityEncoder(meanings, np.full(TASKS, 0.5, np.float32), 1.0)
    torch.manual_seed(0)
    network = Network(load_language_model(backbone), Shape(TASKS, capability.width))
    return fusion, ModelSat(names, rng.random((candidates, TASKS)), capability, network, backbone, 256)


def read(fusion: Fusion) -> int:
    """Return the operations that reading the surface takes for one prompt."""
    found = fusion.surface
    landmarks, width = found.landmarks.shape
    features, directions = found.weights.shape
    return 2 * (landmarks * width + landmarks * (features - landmarks) + features * directions + found.loadings.size)


def in_forwards(forward: Route, modes: dict[str, Route], texts: list[str]) -> dict[str, list[float]]:
    """Return operations and median seconds of every mode, in forwards of the same prompt right before it."""
    ratios: dict[str, list[float]] = {name: [] for name in modes}
    for text in texts:
        for name, mode in modes.items():
            alone = seconds(forward, text)
            ratios[name].append(seconds(mode, text) / alone)
    whole = flops(forward, texts[0])
    return {name: [flops(modes[name], texts[0]) / whole, float(np.median(ratios[name][WARM_UP:]))] for name in modes}


def flops(route: Route, text: str) -> int:
    with FlopCounterMode(display=False) as counted:
        route([text])
    return counted.get_total_flops()


def seconds(route: Route, text: str) -> float:
    began = time.perf_counter()
    route([text])
    return time.perf_counter() - began


def section(facts: dict) -> str:
    """Return the part of the results page."""
    modes = list(facts["rows"][0]["modes"])
    rows = [
        [f"{row['tokens']} tokens, {row['candidates']:,} candidates"]
        + [f"{row['modes'][mode][0]:.2f} ({row['modes'][mode][1]:.2f})" for mode in modes]
        for row in facts["rows"]
    ]
    return "\n".join([TEXT.format(repeats=facts["repeats"]), markdown.table(["forwards", *modes], rows), ""])


if __name__ == "__main__":
    main()
