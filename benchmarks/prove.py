"""Is a proof on a log right? Logs of real outcomes, one answer a request, of which the truth is known.

    python benchmarks/prove.py [--sets NAME ...] [--draws 20] [--vectors FOLDER]

Each draw makes a log: prompts in random order, each answered by one model, drawn with probabilities that depend on the
prompt, of which a twentieth is spread evenly. `prove` learns on the first half and judges on the second; since the set
has every model's outcome, what each policy would have come to is known. For the control, outcome and cost of the
requests are dealt anew, so that no model and no prompt differs. The figures go to `benchmarks/results/prove.json`.
"""

import argparse
import json
import time
from pathlib import Path

import markdown
import numpy as np
from quality import DATA, KEPT, RESULTS, line
from threadpoolctl import threadpool_limits

from modelsat.data.collection import collect
from modelsat.io.atomic import write_json
from modelsat.offpolicy import policies, proof
from modelsat.offpolicy.proof import Proof
from modelsat.offpolicy.requests import RequestLog
from modelsat.policy.promise import MARGIN
from modelsat.studies import cross_validation
from modelsat.text import embeddings

SETS = ("specialists", "zeroeval")
DRAWS, REQUESTS, MODELS, EXPLORED = 20, 2400, 8, 0.05
INTO = RESULTS.with_name("prove.json")

HEAD = """
## Proof on logs with known truth

`modelsat prove` on logs made from the sets below, for which the outcomes of all models, and so the truth, are known.
Each request has the answer of one model, drawn with probabilities that depend on the prompt, of which {explored:.0f}
% are spread evenly over all models. The proof learns on the first half and judges on the second. Logs of 2,400
requests contain each prompt once; longer ones repeat prompts, but never in both halves. The incumbent prefers better
models by a softmax of their accuracies at a temperature of 15 points; a strong incumbent at 3.

- "told": estimates that the log supports, of three policies per draw.
- "gain holds", "saving holds": estimates whose joint 95 % interval contains the true gain, or the true saving, over
  what was, on the later requests; "all hold": draws in which all do.
- "recommends": draws with a recommendation; "least true gain" is the worst of these, in points, "mean" their mean,
  and "saved" what they truly save on average, in USD per 1,000 requests. A policy that is better for more money is
  recommended, too.

In the control, outcomes and costs are shuffled over all models and prompts, so nothing can be won.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--strong", action="store_true", help="an incumbent that mostly asks the best model")
    parser.add_argument("--controls", type=int, default=10, help="draws of the control")
    parser.add_argument("--vectors", type=Path, default=KEPT / "vectors")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    facts = json.loads(arguments.into.read_text()) if arguments.into.is_file() else {"sets": {}}
    facts |= {"explored": EXPLORED, "margin": MARGIN}
    for name in arguments.sets:
        known = _Known.of(name, arguments.vectors)
        key = f"{name}, {arguments.requests:,} requests" + (", strong incumbent" if arguments.strong else "")
        rows = facts["sets"].setdefault(key, {"draws": {}, "controls": {}})
        began = time.monotonic()
        for kind, draws in (("draws", arguments.draws), ("controls", arguments.controls)):
            for draw in range(draws):
                if str(draw) not in rows[kind]:
                    rows[kind][str(draw)] = one_draw(
                        known, draw, kind == "controls", arguments.requests, arguments.strong
                    )
                    write_json(arguments.into, facts)
                    print(name, kind, draw, rows[kind][str(draw)], f"{time.monotonic() - began:.0f} s", flush=True)
    print(section(facts))


class _Known:
    """A set with every outcome: n prompts, m models that span its range of accuracy."""

    def __init__(self, names: list[str], texts: list[str], truth: np.ndarray, cost: np.ndarray, vectors: np.ndarray):
        self.names, self.texts, self.truth, self.cost, self.vectors = names, texts, truth, cost, vectors
        self.place = {text: i for i, text in enumerate(texts)}

    @classmethod
    def of(cls, name: str, cache: Path) -> "_Known":
        arena = cross_validation.build(collect([str(DATA / name)])).arena
        vectors = embeddings.vectors(arena.texts, cache, progress=line(f"{name}: encoding"))
        order = np.argsort(-arena.truth.mean(axis=0), kind="stable")
        taken = order[np.linspace(0, len(order) - 1, min(MODELS, len(order))).astype(int)]
        return cls(
            [arena.candidates[i] for i in taken],
            arena.texts,
            arena.truth[:, taken].astype(float),
            arena.billed[:, taken],
            vectors,
        )


def one_draw(known: _Known, draw: int, control: bool, requests: int, strong: bool = False) -> dict:
    """Return what is proved on one log, beside the truth."""
    rng = np.random.default_rng([draw, control])
    n, m = known.truth.shape
    # A competent incumbent: better models are likelier, and the prompt sways the choice.
    logits = known.truth.mean(axis=0) / (0.03 if strong else 0.15) + known.vectors[:, -1] @ rng.normal(
        size=(known.vectors.shape[2], m)
    )
    drawn = np.exp(logits - logits.max(axis=1, keepdims=True))
    chance = (1 - EXPLORED) * drawn / drawn.sum(axis=1, keepdims=True) + EXPLORED / m
    rows = rng.permutation(n)[:requests]
    if requests > n:
        halves = np.array_split(rows, 2)
        rows = np.concatenate([rng.choice(half, requests // 2) for half in halves])
    model = (chance[rows].cumsum(axis=1) > rng.random((len(rows), 1))).argmax(axis=1)
    truth, cost = known.truth[rows], known.cost[rows]
    if control:
        dealt = rng.integers(0, truth.size, truth.shape)
        truth, cost = truth.ravel()[dealt], cost.ravel()[dealt]
    at = np.arange(len(rows))
    unknown = np.full(len(rows), np.nan)
    log = RequestLog(
        at=at.astype(float),
        prompt=np.asarray([known.texts[i] for i in rows], dtype=object),
        model=np.asarray([known.names[i] for i in model], dtype=object),
        outcome=truth[at, model],
        cost_usd=cost[at, model],
        latency_seconds=unknown,
        propensity=chance[rows, model],
        tokens_in=unknown,
        tokens_out=unknown,
    )
    with threadpool_limits(1):
        found = proof.prove(log, lambda texts: known.vectors[[known.place[text] for text in texts]])
    return beside_truth(known, found, log, truth, cost, rows)


def beside_truth(
    known: _Known, found: Proof, log: RequestLog, truth: np.ndarray, cost: np.ndarray, rows: np.ndarray
) -> dict:
    """Return each policy's estimates, whether their intervals hold the truth, and the recommendation's true gain."""
    later = np.arange(len(rows) - found.later.requests, len(rows))
    columns = np.asarray([known.names.index(name) for name in found.models])
    told = []
    for policy, one in zip(found.policies, found.lines, strict=True):
        chosen = columns[policies.choices(policy, found.learned, known.vectors[rows[later]], log.prompt[later])]
        gain = float((truth[later, chosen] - log.outcome[later]).mean())
        saved = float((log.cost_usd[later] - cost[later, chosen]).mean())
        figures = {
            "policy": one.name,
            "told": one.gain is not None,
            "true_gain": gain,
            "true_saved_per_1k": 1000 * saved,
        }
        if one.gain is not None and one.saved is not None:
            figures |= {
                "gain": one.gain.value,
                "half": (one.gain.high - one.gain.low) / 2,
                "gain_holds": one.gain.low <= gain <= one.gain.high,
                "saving_holds": one.saved.low <= saved <= one.saved.high,
            }
        told.append(figures)
    true = {one["policy"]: one for one in told}
    gains = true[found.recommended]["true_gain"] if found.recommended else None
    return {"policies": told, "recommended": found.recommended, "recommended_true_gain": gains}


def section(facts: dict) -> str:
    """Return the part about proofs in Markdown."""
    rows = []
    for name, one in facts["sets"].items():
        for kind, shown in (("draws", name), ("controls", f"{name}, control")):
            found = list(one[kind].values())
            if found:
                rows.append(_row(shown, found))
    heads = ["log", "draws", "told", "gain holds", "saving holds", "all hold", "half width", "recommends"]
    heads += ["least true gain", "mean", "saved"]
    return f"{HEAD.format(explored=100 * facts['explored'])}\n{markdown.table(heads, rows)}\n"


def _row(name: str, found: list[dict]) -> list[str]:
    policies_of = [one for draw in found for one in draw["policies"]]
    told = [one for one in policies_of if "gain_holds" in one]
    gains = [draw["recommended_true_gain"] for draw in found if draw["recommended"]]
    saved = [
        one["true_saved_per_1k"] for draw in found for one in draw["policies"] if one["policy"] == draw["recommended"]
    ]
    return [
        name,
        str(len(found)),
        f"{len(told)} of {len(policies_of)}",
        f"{sum(one['gain_holds'] for one in told)} of {len(told)}",
        f"{sum(one['saving_holds'] for one in told)} of {len(told)}",
        str(
            sum(
                all(one.get("gain_holds", True) and one.get("saving_holds", True) for one in d["policies"])
                for d in found
            )
        ),
        f"{100 * np.median([one['half'] for one in told]):.1f}" if told else "",
        f"{len(gains)}",
        f"{100 * min(gains):+.1f}" if gains else "",
        f"{100 * float(np.mean(gains)):+.1f}" if gains else "",
        f"{float(np.mean(saved)):+.2f}" if saved else "",
    ]


if __name__ == "__main__":
    main()
