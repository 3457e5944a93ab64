"""Street clothes: how a choice holds when a real prompt comes with system prompt, history, follow-up or small talk.

    python benchmarks/street_clothes.py [--sets FOLDER ...] [--rivals NAME ...] [--prompts 600]

Routers are fitted to bare training prompts of one fold of `quality.py`. Held-out prompts are dressed by
`costumes.py`; each rule says what the router reads of the conversation. The table goes to
`benchmarks/results/street_clothes.json`.
"""

import argparse
from pathlib import Path

import markdown
import numpy as np
from costumes import COSTUMES, RULES, sample
from markdown import mean_points
from quality import DATA, KEPT, RESULTS, line
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.io.atomic import write_json
from modelsat.policy import choice as policy
from modelsat.rivals.rival import Labelled
from modelsat.studies import cross_validation
from modelsat.text import embeddings
from modelsat.text.conversation import ENOUGH_CHARACTERS, routed_text

INTO = RESULTS.with_name("street_clothes.json")
SETS, RIVALS = ("mmlupro", "zeroeval"), ("fusion", "knn")
ENOUGH = (0, 40, 80, 120, 240)
SWITCH_GAINS = (0.0, 0.02, 0.05, 0.1, 0.2, 1.0)

TEXT = """
## Prompts in conversations

{prompts} held-out prompts per set, each in the forms in which applications send them; routers are fitted to bare
prompts. A flip is a different choice than for the bare prompt; the gain is over the best single candidate, in points.
The gateway reads the user's last messages until they have {enough} characters. When this was measured, it also cut
small talk by a list of words, and routers read all of a prompt instead of its core.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[str(DATA / name) for name in SETS])
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS))
    parser.add_argument("--prompts", type=int, default=600)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    found = {"prompts": arguments.prompts, "enough_characters": ENOUGH_CHARACTERS, "sets": {}}
    for source in arguments.sets:
        name = Path(source).name
        found["sets"][name] = {}
        wardrobe = Wardrobe(source, arguments.prompts)
        for rival in arguments.rivals:
            found["sets"][name][rival] = wardrobe.measured(rival)
            write_json(arguments.into, found)
    print(section(found))


class Wardrobe:
    """One set: what is trained on, and the held-out prompts that are dressed."""

    def __init__(self, source: str, prompts: int) -> None:
        self.collection = collect([source])
        folds = cross_validation.build(self.collection)
        arena, name = folds.arena, Path(source).name
        vectors = embeddings.vectors(arena.texts, KEPT / "vectors", progress=line(f"{name}: encoding"))
        everything = Labelled(vectors, arena.truth, arena.labels, arena.cost)
        self.train, self.validation = everything.take(folds.train(0)), everything.take(folds.validation(0))
        held_out = np.random.default_rng(0).permutation(np.flatnonzero(folds.fold == 0))[:prompts]
        bare = dict(
            zip(*(self.collection.prompts[column].to_pylist() for column in ("prompt_id", "prompt")), strict=True)
        )
        self.truth, self.prior = arena.truth[held_out], arena.prior[held_out]
        self.single = arena.best_single[held_out]
        self.texts = [arena.texts[i] for i in held_out]
        stems = [bare[arena.prompt_ids[i]] for i in held_out]
        self.asked = sample(self.texts, stems, [arena.texts[i] for i in folds.train(0)])
        self.vectors: dict[str, np.ndarray] = dict(zip(self.texts, vectors[held_out], strict=True))

    def encoded(self, texts: list[str]) -> np.ndarray:
        """Return the vectors of texts, each of which is encoded once."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self.vectors]
        if fresh:
            self.vectors |= zip(fresh, embeddings.vectors(fresh, KEPT / "vectors"), strict=True)
        return np.stack([self.vectors[text] for text in texts])

    def correct(self, choice: np.ndarray) -> np.ndarray:
        """Return the scores of choices, (prompts,)."""
        return self.truth[np.arange(len(choice)), choice].astype(np.float64)

    def measured(self, rival: str) -> dict:
        """Return flips and gains of every rule in every costume, and what staying costs."""
        with threadpool_limits(1):
            scorer = rivals.named(rival)(self.train, self.validation)

        def scores(texts: list[str]) -> np.ndarray:
            return scorer(self.encoded(texts))

        def choice(texts: list[str]) -> np.ndarray:
            return policy.choose(scores(texts), mean_score=self.prior)

        bare, single = choice(self.texts), self.correct(self.single)

        def told(chosen: np.ndarray) -> dict:
            return {
                "flips": round(100 * float((chosen != bare).mean()), 2),
                "gain": mean_points(self.correct(chosen) - single),
                "lost": mean_points(self.correct(bare) - self.correct(chosen)),
            }

        costumes = {
            costume: {rule: told(choice([read(dress(one)) for one in self.asked])) for rule, read in RULES.items()}
            for costume, dress in COSTUMES.items()
        }
        short = {
            str(enough): {
                costume: told(choice([routed_text(COSTUMES[costume](one), enough) for one in self.asked]))
                for costume in ("six turns of history", "follow-up")
            }
            for enough in ENOUGH
        }
        return {
            "bare": told(bare),
            "costumes": costumes,
            "enough_characters": short,
            "new_topic": self.staying(scores(self.texts), np.roll(bare, 1), told),
            "follow_up": self.staying(
                scores([routed_text(COSTUMES["follow-up"](one)) for one in self.asked]), bare, told
            ),
        }

    def staying(self, scores: np.ndarray, previous: np.ndarray, told) -> dict:
        """Return what comes of staying with a previous choice unless a candidate promises more than a gain above it."""
        best = policy.choose(scores, mean_score=self.prior)
        rows = np.arange(len(best))
        gain = scores[rows, best] - scores[rows, previous]
        stays = {str(least): np.where(gain > least, best, previous) for least in SWITCH_GAINS}
        return {
            least: told(chosen) | {"switches": round(100 * float((chosen != previous).mean()), 2)}
            for least, chosen in stays.items()
        }


def section(found: dict) -> str:
    """Return the section of the results page."""
    parts = [TEXT.format(prompts=found["prompts"], enough=found["enough_characters"])]
    for name, by_rival in found["sets"].items():
        for rival, table in by_rival.items():
            rows = [
                [costume, *(f"{by_rule[rule]['flips']:.0f} %, {by_rule[rule]['gain'][0]:+.1f}" for rule in RULES)]
                for costume, by_rule in table["costumes"].items()
            ]
            parts.append(f"{name}, {rival}: bare {markdown.gain(table['bare']['gain'])}\n")
            parts.append(markdown.table(["flips, gain", *RULES], rows) + "\n")
            if rival != rivals.OURS:
                continue
            rows = [
                [
                    f"{float(least):.2f}",
                    *(
                        f"{table[kind][least][key]:.0f} %" if key != "gain" else f"{table[kind][least][key][0]:+.1f}"
                        for kind in ("new_topic", "follow_up")
                        for key in ("switches", "gain")
                    ),
                ]
                for least in table["new_topic"]
            ]
            heads = ["a switch needs more than", "switches, new topic", "gain", "switches, follow-up", "gain"]
            parts.append(markdown.table(heads, rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
