"""What one (prompt, candidate) pair costs in training: the default recipe beside the paper's, both under DeepSpeed.

    python benchmarks/training_pairs.py [--scores FOLDER] [--candidates 17] [--rounds 3] [--threads 1]

In every round both learn from as many pairs: the default recipe encodes 16 prompts, once as in its only epoch, and
takes one step of its second stage with all candidates; the paper's takes steps of groups within one candidate with all
parameters. Rounds alternate, so that other work on the machine slows both. FLOPs are those of torch's counter, forward
and backward, in a first, short round that is not timed; loading is left out.
"""

import argparse
import contextlib
import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import markdown
import numpy as np
import pyarrow.compute as pc
import torch
from quality import DATA, RESULTS
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from modelsat.aptitude import instructions as capability_instructions
from modelsat.aptitude.instructions import Instructions
from modelsat.data import splits
from modelsat.data.collection import collect
from modelsat.io.atomic import write_json
from modelsat.routers.paper.network import is_causal, start
from modelsat.routers.paper.router import load_layout
from modelsat.text.backbone import copy_backbone, default_backbone
from modelsat.text.encoder import load_tokenizer
from modelsat.text.prompt_window import token_ids
from training import adapters, finetune, loop, recipe, states
from training.engine import wrap
from training.loop import OptimiserStep
from training.paper import curriculum
from training.paper.finetune import parameter_groups
from training.paper.objective import GroupObjective
from training.ranks import Ranks, join

INTO = RESULTS.with_name("training_pairs.json")
OURS, PAPER = "cpu", "paper-cpu"

TEXT = """
One (prompt, candidate) pair with {candidates} candidates, on one thread, both recipes learning from as many pairs in
turns. The default recipe reads a prompt once for all candidates and keeps the output of its lower layers; the paper's
recipe reads it again for each.
"""


def forward(query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object) -> int:
    return sdpa_flop_count(query, key, value)


def backward(
    gradient: torch.Size, query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object
) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


# Torch counts attention on GPUs alone.
ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: forward,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
}


@dataclass
class Meter:
    """What the pairs of some rounds took: wall and processor seconds; the first round warms up and counts FLOPs."""

    pairs: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    flops_per_pair: float = 0.0

    @contextlib.contextmanager
    def on(self, pairs: int) -> Iterator[None]:
        """Measure what is done inside, which learns from so many pairs."""
        if not self.flops_per_pair:
            with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
                yield
            self.flops_per_pair = counter.get_total_flops() / pairs
            return
        wall, processor = time.monotonic(), time.process_time()
        yield
        self.pairs += pairs
        self.seconds += time.monotonic() - wall
        self.processor_seconds += time.process_time() - processor

    def per_pair(self) -> dict[str, float]:
        """Return the averages."""
        return {
            "seconds": self.seconds / self.pairs,
            "processor seconds": self.processor_seconds / self.pairs,
            "FLOPs": self.flops_per_pair,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", type=Path, default=DATA / "mmlupro")
    parser.add_argument("--candidates", type=int, default=17)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    collected = collect([str(arguments.scores)])
    candidates = collected.candidates.slice(0, arguments.candidates)
    asked = pc.is_in(collected.scores["candidate"], value_set=candidates["candidate"])
    few = replace(collected, candidates=candidates, scores=collected.scores.filter(asked))
    instructions = capability_instructions.build(few)
    names = instructions.names
    with tempfile.TemporaryDirectory() as folder:
        ranks = join(recipe.load(OURS).model_copy(update={"threads": arguments.threads}))
        meters = {OURS: Meter(), PAPER: Meter()}
        rounds = {
            OURS: default_rounds(instructions, Path(folder) / "default", ranks, meters[OURS]),
            PAPER: paper_rounds(instructions, Path(folder) / "paper", ranks, 16 * len(names), meters[PAPER]),
        }
        load = os.getloadavg()[0]
        for turn in range(arguments.rounds + 1):
            for name, one in rounds.items():
                next(one)
                print(f"round {turn}, {name}: {meters[name].seconds:.1f} s for {meters[name].pairs} pairs", flush=True)
    facts = {"scores": arguments.scores.name, "candidates": len(names), "threads": arguments.threads}
    facts |= {"pairs": meters[OURS].pairs, "load": [load, os.getloadavg()[0]]}
    costs = {name: meter.per_pair() for name, meter in meters.items()}
    facts |= {f"{name}, per pair": cost for name, cost in costs.items()}
    facts["times cheaper"] = {key: costs[PAPER][key] / costs[OURS][key] for key in costs[OURS]}
    write_json(arguments.into, facts)
    print(json.dumps(facts, indent=1))


def section(facts: dict) -> str:
    """Return the part of the results page."""
    rows = []
    for name, measure, factor in (("milliseconds", "seconds", 1e3), ("GFLOPs", "FLOPs", 1e-9)):
        costs = [f"{factor * facts[f'{one}, per pair'][measure]:.2f}" for one in (OURS, PAPER)]
        rows.append([name, *costs, f"{facts['times cheaper'][measure]:.0f}"])
    heads = ["per pair", "default", "the paper's", "times cheaper"]
    return "\n".join([TEXT.format_map(facts), markdown.table(heads, rows), ""])


def default_rounds(instructions: Instructions, work: Path, ranks: Ranks, meter: Meter) -> Iterator[None]:
    """Encode a batch of prompts and learn from it with all candidates, again and again with new prompts."""
    settings, backbone = recipe.load(OURS), default_backbone()
    train = instructions.part(splits.TRAIN)
    network, capability, _ = finetune.build(instructions, backbone, settings)
    ids = token_ids(load_tokenizer(backbone), train.texts, settings.max_tokens)
    # Encoding needs the untouched language model, learning an adapted one.
    untouched, *_ = finetune.build(instructions, backbone, settings)
    adapters.inject(network, settings.lora_rank, settings.seed)
    test = instructions.test
    objective = finetune.Objective(network, settings, capability, torch.zeros(len(test.tasks), 1))
    engine = wrap(objective, finetune.groups(objective), settings)
    labels = torch.full((settings.batch,), -1)
    order = np.random.default_rng(0).permutation(len(ids))
    for number, first in enumerate(range(0, len(order) - settings.batch, settings.batch)):
        rows = order[first : first + settings.batch]
        targets = torch.from_numpy(train.targets[rows])
        rates = (settings.head_learning_rate, settings.learning_rate)
        with meter.on(targets.numel()):
            part = states.encode(untouched, [ids[i] for i in rows], len(rows), work / str(number), str(number))
            batches = finetune.inputs(part, targets, labels, settings, ranks)
            loop.take(engine, OptimiserStep(number, 2, np.arange(len(rows)), rates), batches, ranks)
        yield


def paper_rounds(instructions: Instructions, work: Path, ranks: Ranks, pairs: int, meter: Meter) -> Iterator[None]:
    """Take steps of the paper's second stage, as many at a time as make up the pairs."""
    settings, backbone = recipe.load(PAPER), default_backbone()
    for part in ("language_model", "encoder"):
        copy_backbone(backbone, work / part, weights=False)
    layout = load_layout(work, settings.reading)
    network = start(backbone, backbone, layout.tokenizer).train()
    engine = wrap(GroupObjective(network), parameter_groups(network, 2, is_causal(backbone)), settings)
    batches = curriculum.inputs(curriculum.prepare(instructions, layout), layout, settings, ranks)
    steps = iter(step for step in curriculum.plan(settings) if step.stage == 2)
    each = settings.groups * settings.group
    for count in itertools.chain([1], itertools.repeat(max(1, round(pairs / each)))):
        with meter.on(count * each):
            for _ in range(count):
                loop.take(engine, next(steps), batches, ranks)
        yield


if __name__ == "__main__":
    main()
