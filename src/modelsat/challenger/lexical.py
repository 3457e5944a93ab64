"""The challenger of the light recipe: an outcome surface on words and its members, without a network to train."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelsat.aptitude.instructions import Instructions
from modelsat.bundle.bundle import Bundle, Calibration
from modelsat.challenger import member_table, on_surface, records
from modelsat.challenger.default import DefaultEvidence
from modelsat.challenger.encoded import EncodedPrompts
from modelsat.challenger.member_table import MEMBERS
from modelsat.data import splits
from modelsat.errors import InputError
from modelsat.evaluation.table import CHALLENGER
from modelsat.rivals import stack
from modelsat.routers.fusion import members
from modelsat.routers.lexical import Lexical
from modelsat.statistics import choose_calibration
from modelsat.text import words as learned_words
from modelsat.text.backbone import copy_backbone
from modelsat.text.prompt_window import token_ids
from modelsat.text.words import Words
from modelsat.text.words_reader import WordsReader, WordTokenizer

WORDS_STACK = "stack on words"


@dataclass(frozen=True)
class LexicalChallenger:
    """The bundle before it is written, its router, and the prompts behind it.

    Attributes:
        bundle: The bundle, of all candidates.
        router: Its router.
        validation: Success probabilities of validation prompts (n, m), not fitted to them.
        outcomes: Scores there (n, m), NaN where not run.
        prompts: All prompts with the vectors of their words.
        evidence: On what the default is settled.
        weight: Of Model-SAT, which there is none of.
    """

    bundle: Bundle
    router: Lexical
    validation: np.ndarray
    outcomes: np.ndarray
    prompts: EncodedPrompts
    evidence: DefaultEvidence
    weight: float = 0.0

    def told(self) -> str:
        """Say what was not necessary."""
        return "fitted to words in closed form, nothing was trained"


def prepare(train: Callable[[], dict[str, Any]], backbone: Path, work: Path) -> dict[str, Any]:  # noqa: ARG001
    """Put the tokenizer where `assemble` looks for it, and return the facts that training would leave."""
    copy_backbone(backbone, work / "backbone", weights=False)
    return {"announced": {}}


def assemble(
    instructions: Instructions, facts: dict[str, Any], work: Path, recipe: dict[str, Any]
) -> LexicalChallenger:
    """Fit the surface and its members in closed form, and calibrate them on validation prompts.

    Args:
        instructions: Prompts, outcomes and aptitude test.
        facts: As `prepare` returns them.
        work: Folder with the tokenizer in `backbone`.
        recipe: Its settings.

    Raises:
        InputError: No two training prompts share a word.
    """
    prompts, words = _read(instructions, WordTokenizer(work / "backbone"), recipe["max_tokens"])
    held_out, known = prompts.parts[splits.VALIDATION], prompts.known()
    said = members.cross_fitted(known.vectors, None, known.targets, known.kinds, known.stems)
    weights = _weights(said, known.targets)
    everywhere = members.mixed(said, weights)
    mixed = everywhere[len(everywhere) - len(held_out.ids) :]
    calibration = Calibration(*choose_calibration(mixed, held_out.targets))
    surface, beside = members.fit(known.vectors, None, known.targets, known.kinds, weights)
    reader = WordsReader(work / "backbone", prompts.max_tokens, words)
    anchors, costs = on_surface.anchors(instructions, prompts, surface), on_surface.costs(instructions, prompts, known)
    router = Lexical(instructions.names, reader, surface, anchors, costs, beside)
    names = (members.WORDS, members.TASKS, members.LEVELS)
    shown = member_table.of(names, said[[0, 1, 3]], weights[[0, 1, 3]], known.targets)
    bundle = Bundle(
        router=router,
        candidates=instructions.candidates,
        aptitude_test=instructions.aptitude_test,
        cards=instructions.cards,
        calibration=calibration,
        lineage=records.lineage(instructions, facts, recipe) | {MEMBERS: shown},
        attribution=records.attribution(instructions),
        seen_prompts=records.seen(instructions),
    )
    evidence = DefaultEvidence(
        known.texts, calibration(everywhere), known.targets, router.expected_cost(known.vectors, known.texts)
    )
    return LexicalChallenger(bundle, router, calibration(mixed), held_out.targets, prompts, evidence)


def predict(made: LexicalChallenger, written: Bundle) -> pa.Table:
    """Predict the held-out prompts with the challenger, each of its parts, and a simple router on the same words.

    Args:
        made: The challenger.
        written: Its bundle as it was written, with its digest.

    Returns:
        Table of the contract `PREDICTIONS`, of the candidates that the written bundle serves.
    """
    prompts, router = made.prompts, made.router
    test, vectors = prompts.parts[splits.TEST], prompts.vectors[splits.TEST]
    tokens = prompts.tokens(test.texts)
    simple = stack.fit(prompts.labelled(splits.TRAIN), prompts.labelled(splits.VALIDATION))
    rows = {
        CHALLENGER: written.calibration(router.from_vectors(vectors, tokens)),
        **on_surface.alone(router, vectors, tokens),
        WORDS_STACK: simple(prompts.labelled(splits.TEST).vectors).astype(np.float32),
    }
    return on_surface.told(rows, made.bundle, written, router, test, vectors)


def _read(instructions: Instructions, tokenizer: WordTokenizer, max_tokens: int) -> tuple[EncodedPrompts, Words]:
    """Return all prompts with the vectors of their words, and what was learned of words without the held-out ones."""
    parts = {}
    for split in (splits.TRAIN, splits.VALIDATION, splits.TEST):
        part = instructions.part(split)
        parts[split] = part.take(instructions.fitted(split, part))
    tokens = {split: token_ids(tokenizer, part.texts, max_tokens) for split, part in parts.items()}
    words = learned_words.learn(tokens[splits.TRAIN] + tokens[splits.VALIDATION])
    if words is None:
        raise InputError("no two training prompts share a word, so words tell nothing; use the recipe auto")
    vectors = {split: words(ids)[:, None] for split, ids in tokens.items()}
    ids, stems = (instructions.prompts[column].to_pylist() for column in ("prompt_id", "stem_digest"))
    return EncodedPrompts(parts, vectors, (1,), dict(zip(ids, stems, strict=True)), tokenizer, max_tokens), words


def _weights(said: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the weights of the members (4,); the surface reads words itself, so it takes those of words."""
    surface, tasks, words, levels = members.weigh(said, targets)
    return np.asarray([surface + words, tasks, 0.0, levels])
