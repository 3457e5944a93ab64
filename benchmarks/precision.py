"""Cheaper arithmetic for the encoder: how much faster it is, and how many real prompts keep their choice.

    python benchmarks/precision.py [--prompts 1000]

bfloat16, int8 (dynamic, by torch) and torch.compile beside float32, on one thread. Choices are those of fusion, fitted
in float32 as it is today to the training prompts of one fold of `quality.py`, on held-out prompts of each set. Times
are taken in turns on distinct prompts of 128 tokens. The table goes to `benchmarks/results/precision.json`.
"""

import argparse
import copy
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import markdown
import numpy as np
import torch
from one_pass import prompts
from quality import DATA, KEPT, RESULTS
from serving_traffic import in_turns, milliseconds
from threadpoolctl import threadpool_limits
from torch import nn

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.io.atomic import write_json
from modelsat.policy import choice as policy
from modelsat.rivals.rival import Labelled
from modelsat.studies import cross_validation
from modelsat.text import embeddings
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import Encoder

INTO = RESULTS.with_name("precision.json")
SETS = ("mmlupro", "zeroeval")
TOKENS, ROUNDS, BATCH = 128, 20, 32
EXACT = "float32"


TEXT = """
## Cheaper arithmetic

The encoder (MiniLM) in less than float32, and compiled, on one thread: how many times as fast as float32 it reads one
prompt, and a batch of {batch} (128 tokens each, medians, taken in turns), and the share of up to {prompts:,} held-out
prompts of a set whose choice stays; fusion is fitted in float32. What keeps fewer than 99 % or is not faster is no
setting of the endpoint. This processor has {extensions}, and no matrix unit for bfloat16 unless amx is among them.

Fusion can be fitted to the int8 states instead. On 1,400 random prompts each of zeroeval and specialists (70 % train,
30 % measure; log-loss, accuracy, choices kept): float32 0.474, 90.8 % and 0.498, 65.4 %; int8 read by the float32 fit
0.478, 91.3 %, 85.6 % and 0.501, 65.1 %, 93.7 %; fitted to int8 0.474, 91.1 %, 85.6 % and 0.498, 65.9 %, 96.6 %. So
fitting takes back what log-loss loses. A float32 fit to 95 % of the rows keeps 80.6 and 93.7 % of the choices:
another fit moves them as much as other arithmetic.
"""


class Autocast(nn.Module):
    """A model whose matrix products are in bfloat16."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, **inputs: Any) -> Any:
        """Call the model."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.model(**inputs)


def int8(model: nn.Module, within: str = "") -> nn.Module:
    """Return a model of which the linear layers so named multiply in int8, activations scaled call by call."""
    names = {name for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and within in name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model, names, dtype=torch.qint8)


WAYS: dict[str, Callable[[nn.Module], nn.Module]] = {
    EXACT: lambda model: model,
    "bfloat16 autocast": Autocast,
    "bfloat16 throughout": lambda model: copy.deepcopy(model).to(torch.bfloat16),
    "int8": int8,
    "int8 where layers widen": partial(int8, within="intermediate"),
    "torch.compile": partial(torch.compile, dynamic=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1000, help="held-out prompts of each set")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoders = dict(ways(Encoder(default_backbone(), embeddings.MAX_TOKENS, embeddings.LAYERS)))
    found: dict[str, Any] = {"prompts": arguments.prompts, "extensions": extensions(), "speed": speed(encoders)}
    print(found["speed"], flush=True)
    found["kept"] = {name: kept(DATA / name, encoders, arguments.prompts) for name in SETS}
    write_json(arguments.into, found)
    print(section(found))


def extensions() -> list[str]:
    """Return what the processor has for numbers of less than 32 bits (Linux on x86)."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("flags", 1)[-1].split("\n", 1)[0].split()
    return [name for name in flags if name.startswith(("amx", "avx512_bf16", "avx512_vnni", "avx512_fp16"))]


def ways(encoder: Encoder) -> Iterator[tuple[str, Encoder]]:
    """Yield one encoder per way; one that this machine cannot run is left out with a line."""
    for name, change in WAYS.items():
        other = copy.copy(encoder)
        other.model = change(encoder.model)
        began = time.monotonic()
        try:
            other.encode(["What is 2 + 2?", "A longer prompt, so that no length is taken for the only one there is."])
        except Exception as error:
            print(f"{name} does not run here: {str(error).splitlines()[0]}")
            continue
        print(f"{name}: first call {time.monotonic() - began:.1f} s", flush=True)
        yield name, other


def speed(encoders: dict[str, Encoder]) -> dict[str, dict[str, float]]:
    """Return milliseconds of a prompt and of a batch, and how many times as fast as float32 each way is."""
    texts = iter(prompts(encoders[EXACT], TOKENS, len(encoders) * (2 * ROUNDS + 2) * (BATCH + 1)))

    def take(encoder: Encoder, count: int) -> None:
        encoder.encode([next(texts) for _ in range(count)])

    found: dict[str, dict[str, float]] = {name: {} for name in encoders}
    for what, count in (("one prompt", 1), (f"a batch of {BATCH}", BATCH)):
        seconds = in_turns({name: partial(take, encoder, count) for name, encoder in encoders.items()}, ROUNDS)
        exact = float(np.median(seconds[EXACT]))
        for name, values in seconds.items():
            found[name][f"{what}, ms"] = milliseconds(values)
            found[name][f"{what}, times as fast"] = round(exact / float(np.median(values)), 2)
    return found


def kept(source: Path, encoders: dict[str, Encoder], count: int) -> dict[str, dict[str, float]]:
    """Return the share of held-out prompts that keep their choice, and what the choices are worth, in percent."""
    folds = cross_validation.build(collect([str(source)]))
    arena = folds.arena
    everything = Labelled(embeddings.vectors(arena.texts, KEPT / "vectors"), arena.truth, arena.labels, arena.cost)
    with threadpool_limits(1):
        scorer = rivals.named(rivals.OURS)(everything.take(folds.train(0)), everything.take(folds.validation(0)))
    rows = np.random.default_rng(0).permutation(np.flatnonzero(folds.fold == 0))[:count]
    texts = [arena.texts[i] for i in rows]
    choices = {
        name: policy.choose(scorer(encoder.encode(texts)), mean_score=arena.prior[rows])
        for name, encoder in encoders.items()
    }
    return {
        name: {
            "prompts": len(rows),
            "kept": round(100 * float((choice == choices[EXACT]).mean()), 2),
            "accuracy": round(100 * float(arena.truth[rows, choice].mean()), 2),
        }
        for name, choice in choices.items()
    }


def section(found: dict) -> str:
    """Return the section of the results page."""
    kept = found["kept"]
    rows = [
        [name, *(f"{fast[f'{what}, times as fast']:.2f}" for what in ("one prompt", f"a batch of {BATCH}"))]
        + [f"{kept[source][name]['kept']:.1f} %, {kept[source][name]['accuracy']:.1f} %" for source in kept]
        for name, fast in found["speed"].items()
    ]
    heads = ["", "one prompt", f"batch of {BATCH}", *(f"{source}: choices kept, accuracy" for source in kept)]
    said = TEXT.format(batch=BATCH, prompts=found["prompts"], extensions=", ".join(found["extensions"]))
    return "\n".join([said, markdown.table(heads, rows), ""])


if __name__ == "__main__":
    main()
