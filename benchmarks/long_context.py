"""Questions behind a long context: how many are routed as the bare question is.

    python benchmarks/long_context.py [--prompts 300]

Real held-out prompts are put behind 2,000 tokens of other prompts of their set, in three ways of joining them. Fusion
is fitted to the other folds. Compared are the whole text cut to a window in its middle, and what `prompt_window` reads.
The table goes to `benchmarks/results/long_context.json`.
"""

import argparse
import re
from pathlib import Path

import markdown
import numpy as np
from quality import DATA, KEPT, RESULTS, SETS
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.io.atomic import write_json
from modelsat.policy import choice
from modelsat.rivals.rival import Labelled
from modelsat.studies import cross_validation
from modelsat.text import embeddings, prompt_window
from modelsat.text.backbone import default_backbone
from modelsat.text.encoder import Encoder

INTO = RESULTS.with_name("long_context.json")
CONTEXT = 2000
LABEL = "Question: "
JOINED = {"blank line": "\n\n", "blank line and label": "\n\n" + LABEL, "no blank line": "\n"}
CUT, READ = "cut in the middle", "as read"

TEXT = """
## Questions behind a long context

{prompts} held-out prompts per set, each behind {context:,} tokens of other prompts of the set. The table has the share
of choices that equal those for the bare question, in %, and the difference in accuracy from the bare question, in
points; fusion, one fold held out. "Cut in the middle" keeps the first and last half window of the text. "As read" is
what the router does with a text of more than {document} windows.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    encoder = Encoder(default_backbone(), embeddings.MAX_TOKENS, embeddings.LAYERS)
    sets = {}
    with threadpool_limits(1):
        for name in SETS:
            folds = cross_validation.build(collect([str(DATA / name)]))
            vectors = embeddings.vectors(folds.arena.texts, KEPT / "vectors")
            everything = Labelled(vectors, folds.arena.truth, folds.arena.labels, folds.arena.cost)
            router = rivals.named(rivals.OURS)(everything.take(folds.train(0)), everything.take(folds.validation(0)))
            level = everything.take(folds.train(0)).outcomes.mean(axis=0)
            rng = np.random.default_rng(0)
            asked = rng.permutation(np.flatnonzero(folds.fold == 0))[: arguments.prompts]
            others = [folds.arena.texts[i] for i in rng.permutation(folds.train(0))]
            truth, bare = folds.arena.truth[asked], choice.choose(router(vectors[asked]), mean_score=level)
            sets[name] = {}
            for joined, between in JOINED.items():
                context = contexts(encoder, others, between.replace(LABEL, ""), len(asked))
                texts = [before + between + folds.arena.texts[i] for before, i in zip(context, asked, strict=True)]
                for reading, read in ((CUT, whole(encoder, texts)), (READ, encoder.encode(texts))):
                    chosen = choice.choose(router(read), mean_score=level)
                    rows = np.arange(len(asked))
                    lost = markdown.mean_points(truth[rows, chosen].astype(float) - truth[rows, bare])
                    same = round(100 * float((chosen == bare).mean()), 1)
                    sets[name].setdefault(joined, {})[reading] = {"same": same, "gain": lost}
                    print(f"{name}, {joined}, {reading}: {same} % the same, {lost}", flush=True)
    facts = {"prompts": arguments.prompts, "sets": sets}
    write_json(arguments.into, facts)
    print(section(facts))


def contexts(encoder: Encoder, texts: list[str], between: str, count: int) -> list[str]:
    """Return texts of about 2,000 tokens, made of one prompt after the other."""
    found, now, size = [], [], 0
    for text in [*texts, *texts]:
        now.append(text)
        size += len(encoder.tokenizer(text, verbose=False)["input_ids"])
        if size >= CONTEXT:
            found.append(re.sub(r"\n\s*\n", between, between.join(now)))
            now, size = [], 0
    return [found[i % len(found)] for i in range(count)]


def whole(encoder: Encoder, texts: list[str]) -> np.ndarray:
    """Encode texts cut in the middle, however long they are."""
    ids = encoder.tokenizer(texts, verbose=False)["input_ids"]
    special = encoder.tokenizer.all_special_ids
    cut = [[i for i in prompt_window.window(row, encoder.max_tokens) if i not in special] for row in ids]
    return encoder.encode(encoder.tokenizer.batch_decode(cut))


def section(facts: dict) -> str:
    """Return the part of the results page."""
    rows = [
        [f"{name}, {joined}", *(f"{one['same']:.0f} %, {markdown.gain(one['gain'])}" for one in found.values())]
        for name, by in facts["sets"].items()
        for joined, found in by.items()
    ]
    text = TEXT.format(prompts=facts["prompts"], context=CONTEXT, document=prompt_window.DOCUMENT)
    return "\n".join([text, markdown.table(["set, joined by", CUT, READ], rows), ""])


if __name__ == "__main__":
    main()
