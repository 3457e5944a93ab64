"""Agents' clothes: how a choice holds when a real prompt comes as an agent's client sends it.

    python benchmarks/agent_shapes.py [--sets FOLDER ...] [--prompts 300]

Routers are fitted to bare training prompts of one fold of `quality.py`. Held-out prompts are put into conversations as
Claude Code, Codex, Cursor, OpenHands, LangGraph and Cline build them (`agent_costumes.py`); a flip is another choice
than for the bare prompt. The table goes to `benchmarks/results/agent_shapes.json`.
"""

import argparse
from pathlib import Path

import markdown
import numpy as np
from agent_costumes import COSTUMES
from quality import DATA, RESULTS
from street_clothes import Wardrobe
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.io.atomic import write_json
from modelsat.policy import choice as policy
from modelsat.text.conversation import routed_text
from modelsat.text.harness import Harness
from modelsat.text.harness_shapes import HarnessShapes

INTO = RESULTS.with_name("agent_shapes.json")
SETS = ("mmlupro", "zeroeval")
AS_IT_IS = Harness(HarnessShapes())
"""Reads what a user's message holds, as the gateway did before."""
RULES = {
    "as it is": lambda messages: routed_text(messages, harness=AS_IT_IS),
    "gateway": routed_text,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    found: dict = {"prompts": arguments.prompts, "sets": {}}
    for source in arguments.sets:
        found["sets"][Path(source).name] = measured(Wardrobe(source, arguments.prompts))
        write_json(arguments.into, found)
    print(section(found))


def measured(wardrobe: Wardrobe) -> dict:
    """Return what becomes of the choices in each shape, by each rule."""
    with threadpool_limits(1):
        scorer = rivals.named(rivals.OURS)(wardrobe.train, wardrobe.validation)

    def choice(texts: list[str]) -> np.ndarray:
        return policy.choose(scorer(wardrobe.encoded(texts)), mean_score=wardrobe.prior)

    bare, single = choice(wardrobe.texts), wardrobe.correct(wardrobe.single)

    def told(texts: list[str]) -> dict:
        chosen = choice(texts)
        return {
            "flips": round(100 * float((chosen != bare).mean()), 2),
            "gain": markdown.mean_points(wardrobe.correct(chosen) - single),
            "lost": markdown.mean_points(wardrobe.correct(bare) - wardrobe.correct(chosen)),
            "exact": round(100 * float(np.mean([a == b for a, b in zip(texts, wardrobe.texts, strict=True)])), 2),
        }

    return {"bare": told(wardrobe.texts)} | {
        costume: {rule: told([read(dress(one)) for one in wardrobe.asked]) for rule, read in RULES.items()}
        for costume, dress in COSTUMES.items()
    }


def section(found: dict) -> str:
    """Return the section of the results page."""
    parts = [
        f"\n## Agents' shapes\n\n{found['prompts']} held-out prompts a set; flips of choices, and the gain kept.\n"
    ]
    for name, table in found["sets"].items():
        rows = [
            [costume, *(f"{row[rule]['flips']:.1f} %, {row[rule]['gain'][0]:+.1f}" for rule in RULES)]
            for costume, row in table.items()
            if costume != "bare"
        ]
        parts.append(f"{name}: bare {markdown.gain(table['bare']['gain'])}\n")
        parts.append(markdown.table(["flips, gain", *RULES], rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
