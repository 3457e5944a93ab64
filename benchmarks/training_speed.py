"""How well training keeps a GPU busy: tokens per second and model FLOP utilisation of a Phi-3-mini-shaped model.

    python -m torch.distributed.run --nproc_per_node GPUS benchmarks/training_speed.py [--length 1024] [--groups 1]
    python benchmarks/training_speed.py --tiny

The paper's mode under DeepSpeed as its recipe for GPUs has it, with random weights, random tokens and all parameters
learning. Utilisation is the FLOPs that the model needs (six per weight and token, and attention; what activation
checkpointing computes again does not count) over what the device could do. `--tiny` runs the same on a processor with
a model of two thin layers, to see that it runs.
"""

import argparse
import json
import time

import numpy as np
import torch
from quality import RESULTS
from transformers import Phi3Config, Phi3Model

from modelsat.io.atomic import write_json
from modelsat.routers.paper.network import PaperNetwork
from training import loop, recipe
from training.engine import wrap
from training.loop import Batch, OptimiserStep
from training.paper.objective import GroupObjective
from training.paper.recipe import PaperRecipe
from training.ranks import Ranks, join
from training.recompute import recompute

INTO = RESULTS.with_name("training_speed.json")
PHI_3_MINI = {"vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32}
TINY = {"vocab_size": 64, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
# Dense bfloat16, by their data sheets.
PEAK_TERAFLOPS = {"A100": 312.0, "H100": 989.4, "H200": 989.4, "L40S": 362.1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=1024, help="tokens per instruction")
    parser.add_argument("--groups", type=int, default=1, help="groups per micro-batch, each of eight instructions")
    parser.add_argument("--accumulation", type=int, default=1)
    parser.add_argument("--zero-stage", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--peak", type=float, help="TFLOP/s of the device in bfloat16, where its name does not tell")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    changes = {"zero_stage": arguments.zero_stage, "accumulation": arguments.accumulation}
    settings = PaperRecipe(**recipe.load("paper").model_dump() | changes | {"groups": arguments.accumulation})
    ranks = join(settings)
    if ranks.device.type != "cuda" and not arguments.tiny:
        raise SystemExit("there is no GPU here; name --tiny to see that this runs")
    peak = None if arguments.tiny else arguments.peak or peak_teraflops(torch.cuda.get_device_name())
    config = Phi3Config(**(TINY if arguments.tiny else PHI_3_MINI), **HEADS, **SPECIAL)
    shape = (arguments.groups, settings.group, min(arguments.length, 64) if arguments.tiny else arguments.length)
    seconds = measure(config, shape, settings, ranks, arguments.steps)
    tokens = int(np.prod(shape)) * settings.accumulation
    flops = model_flops(config, shape[2]) * tokens
    facts = {"device": torch.cuda.get_device_name() if peak else "processor", "ranks": ranks.count}
    facts |= {"parameters": parameters(config), "length": shape[2], "instructions": shape[0] * shape[1]} | changes
    facts |= {"tokens per second and rank": tokens / seconds, "model TFLOP/s per rank": flops / seconds / 1e12}
    if peak:
        facts |= {"utilisation": flops / seconds / 1e12 / peak, "peak TFLOP/s": peak}
        facts |= {"peak_gib": torch.cuda.max_memory_allocated() / 2**30}
    if ranks.rank == 0:
        if peak:
            write_json(INTO, facts)
        print(json.dumps(facts, indent=1))


def measure(config: Phi3Config, shape: tuple[int, int, int], settings: PaperRecipe, ranks: Ranks, steps: int) -> float:
    """Return the seconds of a step: the median of all but the first three, whose buffers are new."""
    groups, k, length = shape
    torch.manual_seed(settings.seed)
    with torch.device(ranks.device):
        model = Phi3Model(config).to(torch.bfloat16)
        network = PaperNetwork(model, None, None).to(torch.bfloat16).train()
    if settings.gradient_checkpointing:
        recompute(network)
    engine = wrap(GroupObjective(network), [list(network.parameters())], settings)
    draw = torch.Generator().manual_seed(ranks.rank)

    def inputs(_: OptimiserStep) -> list[Batch]:
        ids = torch.randint(config.vocab_size, (settings.accumulation, groups * k, length), generator=draw)
        mask, present = torch.ones(groups * k, length, dtype=torch.long), torch.ones(groups, k, dtype=torch.bool)
        return [Batch((part, mask, present, None, None, None), 1.0, np.empty(0, int)) for part in ids]

    took = []
    for number in range(steps + 3):
        start = time.perf_counter()
        loop.take(engine, OptimiserStep(number, 2, np.arange(settings.groups), (1e-5,)), inputs, ranks)
        if ranks.device.type == "cuda":
            torch.cuda.synchronize()
        took.append(time.perf_counter() - start)
    return float(np.median(took[3:]))


def parameters(config: Phi3Config) -> int:
    """Return the weights that multiply every token: all but the embeddings and the norms."""
    width, inner = config.hidden_size, config.intermediate_size
    return config.num_hidden_layers * (4 * width * width + 3 * width * inner)


def model_flops(config: Phi3Config, length: int) -> float:
    """Return the FLOPs of one token, forward and backward: 6 per weight, 12 per layer, width and token it could see.

    Attention is counted over the whole length, as PaLM's report (appendix B) counts it, though half of it is masked.
    """
    return 6 * parameters(config) + 12 * config.num_hidden_layers * config.hidden_size * length


def peak_teraflops(device: str) -> float:
    """Return what a device can do in bfloat16.

    Raises:
        SystemExit: Its name says nothing.
    """
    for name, peak in PEAK_TERAFLOPS.items():
        if name in device:
            return peak
    raise SystemExit(f"the data sheet of {device!r} is not known here; name its TFLOP/s with --peak")


if __name__ == "__main__":
    main()
