"""Capability instructions: the (candidate, prompt) pairs that train the router, with their outcomes.

Fine-tuning reads only the folder that this module writes. It contains the text of every prompt, because held-out
prompts are encoded during training too, but outcomes of training and validation prompts only.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelsat.aptitude import cards, frozen_test
from modelsat.aptitude.frozen_test import AptitudeTest
from modelsat.aptitude.pairs import Pairs, counted
from modelsat.aptitude.pairs import build as build_pairs
from modelsat.data import contracts, paid, prompt_sets, routed_texts, score_matrix, splits, validation
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.io import storage
from modelsat.io.atomic import atomic_folder, write_json
from modelsat.text import rendering

_PAIRS = "instructions.parquet"
_TABLES = {
    "prompts": contracts.PROMPTS,
    "candidates": contracts.CANDIDATES,
    "aptitude_test": contracts.APTITUDE_TEST,
    "cards": contracts.CARDS,
}


@dataclass(frozen=True)
class Part:
    """The prompts of one split.

    Attributes:
        ids: Prompt ids, length n.
        texts: Rendered prompts, length n.
        targets: Scores, float32 (n, candidates), NaN where not run; all NaN for held-out prompts.
        categories: Category of each prompt in its source, (n,); used as a training target, never as an input.
    """

    ids: list[str]
    texts: list[str]
    targets: np.ndarray
    categories: np.ndarray

    def take(self, rows: np.ndarray) -> "Part":
        """Return some of the prompts."""
        ids, texts = [self.ids[i] for i in rows], [self.texts[i] for i in rows]
        return Part(ids, texts, self.targets[rows], self.categories[rows])


@dataclass(frozen=True)
class Instructions:
    """The input of fine-tuning.

    Attributes:
        pairs: Pairs with targets, splits train and validation only.
        prompts: Text of all prompts.
        candidates: The candidates.
        aptitude_test: The frozen questions.
        cards: The candidates' cards.
        facts: Digest of the data, story of the test, per-candidate means, licences; which candidates were run on what
            (`cores` as of `prompt_sets.cores`, and `ran`, a share of all prompts by candidate); `paid` as of
            `modelsat.data.paid.levels`, where anything was paid.
    """

    pairs: Pairs
    prompts: pa.Table
    candidates: pa.Table
    aptitude_test: pa.Table
    cards: pa.Table
    facts: dict[str, Any]

    @property
    def instructions(self) -> pa.Table:
        """Return all pairs at once, as a table of the contract `INSTRUCTIONS` with dictionary columns."""
        return self.pairs.table()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the candidates in column order."""
        return tuple(self.candidates["candidate"].to_pylist())

    @property
    def test(self) -> AptitudeTest:
        """Return the aptitude test."""
        return AptitudeTest(self.aptitude_test, self.facts["story"])

    @property
    def pictured(self) -> frozenset[str]:
        """Return the texts of the prompts that come with pictures."""
        return frozenset(routed_texts.of(self.prompts.filter(self.prompts["image"].is_valid())))

    def counts(self) -> dict[str, int]:
        """Return how many instructions, positives, candidates, tasks and aptitude questions there are."""
        return {
            "training_instructions": self.pairs.by_split[splits.TRAIN],
            "validation_instructions": self.pairs.by_split[splits.VALIDATION],
            "positive_instructions": self.pairs.positive,
            "candidates": len(self.names),
            "aptitude_tasks": len(self.test.tasks),
            "aptitude_questions": self.aptitude_test.num_rows,
        }

    def targets(self, prompt_ids: Sequence[str]) -> np.ndarray:
        """Return the targets of prompts, (prompts, candidates), NaN where not run or held out."""
        return self._spread(prompt_ids, "target")

    def paid(self, prompt_ids: Sequence[str]) -> np.ndarray:
        """Return what answers to prompts cost in USD, (prompts, candidates), NaN where not known or held out."""
        return self._spread(prompt_ids, "paid_usd").astype(np.float64)

    def _spread(self, prompt_ids: Sequence[str], field: str) -> np.ndarray:
        return score_matrix.spread(self.pairs.blocks("candidate", "prompt_id", field), prompt_ids, self.names, field)

    def part(self, split: str) -> "Part":
        """Return the prompts of one split; training and validation prompts without any answer are left out."""
        inside = pa.array(splits.assign(self.prompts["stem_digest"].to_pylist()) == split)
        prompts = self.prompts.filter(inside)
        ids = prompts["prompt_id"].to_pylist()
        targets = self.targets(ids)
        answered = ~np.isnan(targets).all(axis=1) if split != splits.TEST else np.ones(len(ids), dtype=bool)
        texts = routed_texts.of(prompts)
        keep = np.flatnonzero(answered)
        pairs = zip(prompts["benchmark"].to_pylist(), prompts["task"].to_pylist(), strict=True)
        categories = np.asarray([frozen_test.category_of(benchmark, task) for benchmark, task in pairs], dtype=object)
        return Part([ids[i] for i in keep], [texts[i] for i in keep], targets[keep], categories[keep])

    def fitted(self, split: str, part: "Part") -> np.ndarray:
        """Return which prompts of a part closed forms are fitted to (`splits.fitted`), the aptitude test's first."""
        if split not in splits.MOST_FITTED:
            return np.arange(len(part.ids))
        asked = set(self.aptitude_test["prompt_id"].to_pylist())
        return splits.fitted(split, len(part.ids), [i for i, name in enumerate(part.ids) if name in asked])

    def write(self, folder: Path) -> None:
        """Write all tables, completely or not at all."""
        with atomic_folder(folder) as beside:
            for name, schema in _TABLES.items():
                contracts.write(getattr(self, name), beside / f"{name}.parquet", schema)
            self.pairs.write(beside / _PAIRS)
            write_json(beside / "facts.json", self.facts)

    @classmethod
    def read(cls, folder: Path) -> "Instructions":
        """Read what `write` wrote."""
        tables = {name: contracts.read(folder / f"{name}.parquet", schema) for name, schema in _TABLES.items()}
        return cls(Pairs(folder / _PAIRS), **tables, facts=json.loads(storage.read(str(folder / "facts.json"))))


def build(
    collection: Collection, tasks: int = frozen_test.TASKS, questions: int = frozen_test.QUESTIONS
) -> Instructions:
    """Choose the aptitude test, build the cards and pair every candidate with every prompt it answered.

    Args:
        collection: Validated scores.
        tasks: Tasks of the aptitude test aimed at.
        questions: Its questions aimed at.

    Raises:
        InputError: There is no training or no validation prompt.
    """
    test = frozen_test.choose(collection, tasks, questions)
    names = collection.candidates["candidate"].to_pylist()
    asked = test.table["prompt_id"].to_pylist()
    table, prior = cards.build(
        test, score_matrix.only(collection.blocks("candidate", "prompt_id", "score"), asked), names
    )
    # Only what was measured is told, so that other instructions are those of earlier versions.
    measured = paid.is_known(collection)
    costs = paid.paid(collection, collection.prompts["prompt_id"].to_pylist()) if measured else None
    pairs = build_pairs(collection, costs)
    counts = pairs.by_split
    if not counts[splits.TRAIN] or not counts[splits.VALIDATION]:
        raise InputError(
            f"{collection.prompts.num_rows} prompts leave {counts[splits.TRAIN]} training and "
            f"{counts[splits.VALIDATION]} validation pairs, too few to train a router; collect more prompts"
        )
    facts = {
        "data_digest": collection.digest(),
        "sources": list(collection.sources),
        "story": test.story,
        "prior_questions": prior.questions,
        "tokens_out": paid.mean_tokens_out(collection),
        "summary": validation.summary(collection),
        "cores": prompt_sets.cores(collection),
        "ran": _ran(collection),
        "licences": list(collection.licences),
        **({"paid": paid.levels(collection)} if measured else {}),
    }
    return Instructions(pairs, collection.prompts, collection.candidates, test.table, table, facts)


def _ran(collection: Collection) -> dict[str, float]:
    """Return on which share of all prompts each candidate was run, in [0, 1]."""
    prompts = max(collection.prompts.num_rows, 1)
    counts: Counter[str] = Counter()
    for block in collection.blocks("candidate"):
        counts.update(counted(block["candidate"]))
    return {name: min(counts[name] / prompts, 1.0) for name in collection.candidates["candidate"].to_pylist()}


def preview(instructions: Instructions, examples: int = 3) -> str:
    """Return Markdown with sizes, class balance and a few rendered instructions."""
    pairs = instructions.pairs
    split = pairs.by_split
    positive = pairs.positive / len(pairs)
    texts = dict(zip(instructions.prompts["prompt_id"].to_pylist(), routed_texts.of(instructions.prompts), strict=True))
    lengths = np.asarray([len(text) for text in texts.values()])
    shrunken = cards.accuracies(instructions.cards, instructions.names, instructions.test.tasks)
    lines = [
        f"**{len(pairs):,} capability instructions** of {len(instructions.names)} candidates: "
        f"{split[splits.TRAIN]:,} train, {split[splits.VALIDATION]:,} validation; {positive:.0%} positive.",
        "",
        f"Aptitude test `{instructions.test.version}`: {instructions.test.story}.",
        "",
        f"Prompt length in characters: median {np.median(lengths):.0f}, 95 % below {np.quantile(lengths, 0.95):.0f}, "
        f"longest {lengths.max():,}.",
    ]
    rng = np.random.default_rng(0)
    for row in pairs.rows(rng.choice(len(pairs), min(examples, len(pairs)), replace=False).tolist()):
        card = cards.text(instructions.test, shrunken[instructions.names.index(row["candidate"])])
        answer = "Yes" if row["target"] > 0.5 else "No"
        prompt = texts[row["prompt_id"]]
        shown = prompt if len(prompt) <= 700 else prompt[:700] + " […]"
        lines += [
            "",
            f"### {row['candidate']} on {row['prompt_id']}: {answer}",
            "",
            "```text",
            card[:400] + (" […]" if len(card) > 400 else ""),
            "",
            shown.replace("```", "'''"),
            "",
            f"{rendering.INQUIRY}: {answer}",
            "```",
        ]
    return "\n".join(lines) + "\n"
