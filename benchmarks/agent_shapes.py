"""Agents' clothes: how a choice holds when a real prompt comes as an agent's client sends it.

    python benchmarks/agent_shapes.py [--sets FOLDER ...] [--prompts 900] [--before 60]

Routers are fitted to bare training prompts of one fold of `quality.py`. Held-out prompts are put into conversations as
Claude Code, Codex, Cursor, OpenHands, LangGraph and Cline build them (`agent_costumes.py`); a flip is another choice
than for the bare prompt. What messages hold as they are is read of the first few prompts alone, since it is long. The
table goes to `benchmarks/results/agent_shapes.json`, shape by shape: a run that was stopped goes on where it stood.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
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
from modelsat.routers.fusion import surface
from modelsat.routers.fusion.foreign import scale
from modelsat.text.conversation import routed_text, routed_texts, stands_alone
from modelsat.text.harness import Harness
from modelsat.text.harness_shapes import HarnessShapes

INTO = RESULTS.with_name("agent_shapes.json")
SETS = ("zeroeval", "specialists")
AS_IT_IS = Harness(HarnessShapes())
"""Reads what a user's message holds, as the gateway did before."""
TEXT = """
## Agents' shapes

Held-out prompts in the messages of agents' clients, written after those that Claude Code and Codex were seen to send
and after public sources for the others: the share of conversations whose routed text is the bare prompt to the letter,
flips of choices against the bare prompt, the gain over the best single candidate, and what is lost against the bare
prompt, in points. Flips before: with messages read as they are, of the first {before} prompts.
"""
BEFORE, GATEWAY, BARE = "as it is", "gateway", "bare"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--prompts", type=int, default=900, help="at most, of the held-out ones of each set")
    parser.add_argument("--before", type=int, default=60, help="prompts of which everything is read, too")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    asked = {"prompts": arguments.prompts, "before": arguments.before}
    kept = json.loads(arguments.into.read_text()) if arguments.into.is_file() else {}
    found: dict = kept if {name: kept.get(name) for name in asked} == asked else asked | {"sets": {}}
    for source in arguments.sets:
        rows = found["sets"].setdefault(Path(source).name, {})
        if rows.keys() >= COSTUMES.keys():
            continue
        for costume, row in measured(Wardrobe(source, arguments.prompts), arguments.before, rows):
            rows[costume] = row
            write_json(arguments.into, found)
            print(Path(source).name, costume, row, flush=True)
    print(section(found))


def measured(wardrobe: Wardrobe, before: int, known: Mapping[str, dict]) -> Iterator[tuple[str, dict]]:
    """Yield what becomes of the choices in each shape, by each rule, and of the bare prompts."""
    with threadpool_limits(1):
        scorer = rivals.named(rivals.OURS)(wardrobe.train, wardrobe.validation)
        taught = wardrobe.train.joined(wardrobe.validation)
        foreign = scale(surface.fit(taught.vectors, taught.outcomes, taught.tasks))

    def gateway(messages: list[dict]) -> str:
        text, alone = routed_texts(messages)
        return alone if alone and stands_alone(foreign(wardrobe.encoded([alone]))[0]) else text

    def chosen(texts: list[str]) -> np.ndarray:
        return policy.choose(scorer(wardrobe.encoded(texts)), mean_score=wardrobe.prior[: len(texts)])

    bare, single = chosen(wardrobe.texts), wardrobe.correct(wardrobe.single)

    def told(texts: list[str]) -> dict:
        choices, n = chosen(texts), len(texts)
        right = wardrobe.correct(choices)
        flips = markdown.mean_points((choices != bare[:n]).astype(np.float64))
        return {
            "prompts": n,
            "flips": flips,
            "gain": markdown.mean_points(right - single[:n]),
            "lost": markdown.mean_points(wardrobe.correct(bare[:n]) - right),
            "exact": round(100 * float(np.mean([a == b for a, b in zip(texts, wardrobe.texts, strict=False)])), 2),
        }

    yield BARE, told(wardrobe.texts)
    for costume, dress in COSTUMES.items():
        if costume not in known:
            yield (
                costume,
                {
                    BEFORE: told([routed_text(dress(one), harness=AS_IT_IS) for one in wardrobe.asked[:before]]),
                    GATEWAY: told([gateway(dress(one)) for one in wardrobe.asked]),
                },
            )


def section(found: dict) -> str:
    """Return the section of the results page."""
    parts = [TEXT.format(before=found["before"])]
    for name, table in found["sets"].items():
        bare = table[BARE]
        rows = [
            [
                costume,
                f"{row[GATEWAY]['exact']:.0f} %",
                f"{row[BEFORE]['flips'][0]:.0f} %",
                "{:.1f} % [{:.1f}, {:.1f}]".format(*row[GATEWAY]["flips"]),
                markdown.gain(row[GATEWAY]["gain"]),
                "{:.1f} [{:.1f}, {:.1f}]".format(*row[GATEWAY]["lost"]),
            ]
            for costume, row in table.items()
            if costume != BARE
        ]
        parts.append(f"{name}, {bare['prompts']} prompts: bare {markdown.gain(bare['gain'])}\n")
        parts.append(markdown.table(["shape", "exact", "flips before", "flips", "gain", "lost"], rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
