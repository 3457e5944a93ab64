"""Padded against packed batches of the paper's mode: how many tokens are computed, and how long a step takes.

    python benchmarks/training_packed.py [--sets NAME ...] [--steps 4]

A micro-batch of two groups of eight prompts drawn from a set, with MiniLM's tokens, 512 of a prompt at most. The
language model is a random Llama (four layers, width 256), on one thread; both take the same micro-batches in turns,
forward and backward. The table goes to `benchmarks/results/training_packed.json`.
"""

import argparse
import time

import markdown
import numpy as np
import torch
from quality import DATA, RESULTS
from transformers import AutoModel, LlamaConfig

from modelsat.data.collection import collect
from modelsat.evaluation.arena import texts_of
from modelsat.io.atomic import write_json
from modelsat.routers.paper.network import PaperNetwork
from modelsat.routers.paper.packing import pack
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import load_tokenizer
from modelsat.text.prompt_window import token_ids

INTO = RESULTS.with_name("training_packed.json")
SETS = ("zeroeval", "specialists")
INSTRUCTIONS, MOST, ROW = 16, 512, 1024
COUNTED = 200

TEXT = """
**Packed batches** (`packing` of a recipe in the paper's mode) lay the instructions of a micro-batch end to end in rows
of at most {row:,} tokens, each seeing itself alone, where padding makes all as long as the longest. {instructions}
prompts each, at most {most:,} tokens of a prompt; a random Llama of {parameters:.0f} million parameters, forward and
backward on one CPU thread, both in turns ({steps} micro-batches). With torch's fused attention a row pays for its
square, so the gain in time is below that in tokens; flash attention computes each instruction by itself and needs a
GPU, where it was not measured.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--steps", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = load_tokenizer(default_backbone())
    sizes = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 4, "num_attention_heads": 4}
    model = AutoModel.from_config(LlamaConfig(vocab_size=len(tokenizer), **sizes))
    network = PaperNetwork(model, None, None).train()
    layers = sum(value.numel() for value in model.layers.parameters())
    facts = {"row": ROW, "instructions": INSTRUCTIONS, "most": MOST, "steps": arguments.steps}
    facts |= {"parameters": round(layers / 1e6), "sets": {}}
    for name in arguments.sets:
        collection = collect([str(DATA / name)])
        ids = token_ids(tokenizer, texts_of(collection, np.arange(collection.prompts.num_rows)), MOST)
        facts["sets"][name] = measured(network, ids, arguments.steps)
        print(name, facts["sets"][name], flush=True)
    write_json(INTO, facts)
    print(section(facts))


def measured(network: PaperNetwork, ids: list[list[int]], steps: int) -> dict:
    """Return shares of padding and medians of seconds and tokens per second of both."""
    rng = np.random.default_rng(0)
    drawn = [[ids[i] for i in rng.choice(len(ids), INSTRUCTIONS, replace=False)] for _ in range(max(steps, COUNTED))]
    real = np.asarray([sum(map(len, batch)) for batch in drawn])
    computed = {
        "padded": np.asarray([INSTRUCTIONS * max(map(len, batch)) for batch in drawn]),
        "packed": np.asarray([pack(batch, ROW, 0).ids.numel() for batch in drawn]),
    }
    seconds = {"padded": [], "packed": []}
    for batch in drawn[:steps]:
        for how, step in (("padded", padded), ("packed", packed)):
            began = time.perf_counter()
            step(network, batch).sum().backward()
            seconds[how].append(time.perf_counter() - began)
            network.zero_grad()
    found = {}
    for how in seconds:
        found[how] = {
            "padding": round(100 * float(1 - real.sum() / computed[how].sum()), 1),
            "tokens_per_second": round(float(np.median(real[:steps] / seconds[how]))),
        }
    gains = np.asarray(seconds["padded"]) / seconds["packed"]
    return found | {"times_faster": round(float(np.median(gains)), 2), "tokens": round(float(np.mean(real)))}


def padded(network: PaperNetwork, batch: list[list[int]]) -> torch.Tensor:
    longest = max(map(len, batch))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in batch])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
    return network(ids, mask)


def packed(network: PaperNetwork, batch: list[list[int]]) -> torch.Tensor:
    return network.answer_packed(pack(batch, ROW, 0))


def section(facts: dict) -> str:
    """Return the part about packed batches in Markdown, which continues what training costs."""
    rows = [
        [
            name,
            f"{one['tokens']:,}",
            f"{one['padded']['padding']:.0f} %",
            f"{one['packed']['padding']:.0f} %",
            f"{one['padded']['tokens_per_second']:,}",
            f"{one['packed']['tokens_per_second']:,}",
            f"{one['times_faster']:.1f}",
        ]
        for name, one in facts["sets"].items()
    ]
    heads = [
        "set",
        "tokens",
        "padding, padded",
        "padding, packed",
        "tokens/s, padded",
        "tokens/s, packed",
        "times faster",
    ]
    return f"{TEXT.format(**facts)}\n{markdown.table(heads, rows)}\n"


if __name__ == "__main__":
    main()
