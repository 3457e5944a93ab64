"""An annotator's tags as numbers in place of vectors: capabilities by index, phrases by domain.

Near phrases are one domain and rare domains are none, as in InferenceDynamics (Shi et al., ACL 2026, canonicalisation
of phrases): a phrase that does not recur cannot be measured.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from modelsat.io.chat_endpoint import ChatEndpoint
from modelsat.io.progress import StepProgress
from modelsat.rivals.annotators import CAPABILITIES, RANKS, TAGS, annotate
from modelsat.text import embeddings

Embed = Callable[[Sequence[str]], np.ndarray]
"""Phrases to unit vectors (phrases, width)."""

COSINE = 0.7
"""Phrases nearer than this are merged; the published script defaults to 0.6, the paper says 0.7."""

RARE = 10
OTHER = 0
"""The domain of phrases that have none."""


def features(
    texts: Sequence[str],
    train: np.ndarray,
    needed: np.ndarray,
    annotator: ChatEndpoint,
    cache: Path,
    progress: Callable[[str], None] = lambda _: None,
) -> np.ndarray:
    """Have prompts annotated and return their tags as `numbers` does.

    Args:
        texts: Rendered prompts.
        train: Which of them to find domains in, boolean (prompts,).
        needed: Which others to annotate, boolean (prompts,); the rest has no tags.
        annotator: The annotating model.
        cache: Folder that keeps annotations and vectors.
        progress: Called with a line now and then, and with the number of answers that could not be read.

    Raises:
        ServiceError: The annotator fails.
    """
    rows = np.flatnonzero(train | needed).tolist()
    tags = annotate(
        [texts[row] for row in rows], annotator, cache / "annotations", StepProgress("annotating prompts", progress)
    )
    progress(f"no readable tags for {tags['knowledge'].null_count:,} of {len(rows):,} prompts")
    out = np.full((len(texts), len(TAGS), RANKS), -1)
    out[rows] = numbers(tags, train[rows], lambda phrases: embeddings.vectors(phrases, cache)[:, -1])
    return out


def numbers(tags: pa.Table, train: np.ndarray, embed: Embed) -> np.ndarray:
    """Return tags as whole numbers (prompts, kinds, ranks), each once per prompt, -1 after the last.

    Args:
        tags: Table of the schema `TAGS`.
        train: Which prompts to find domains in, boolean (prompts,).
        embed: The encoder of phrases.
    """
    knowledge = tags["knowledge"].to_pylist()
    counts = Counter(phrase for row in np.flatnonzero(train) for phrase in knowledge[row] or ())
    phrases = {phrase for listed in knowledge for phrase in listed or ()}
    numbering = {
        "capabilities": {name: i for i, name in enumerate(CAPABILITIES)},
        "knowledge": domains(counts, phrases - set(counts), embed),
    }
    out = np.full((tags.num_rows, len(TAGS), RANKS), -1)
    for kind, name in enumerate(TAGS.names):
        for row, listed in enumerate(tags[name].to_pylist()):
            ranked = list(dict.fromkeys(numbering[name][tag] for tag in listed or ()))
            out[row, kind, : len(ranked)] = ranked
    return out


def domains(counts: Mapping[str, int], unseen: set[str], embed: Embed) -> dict[str, int]:
    """Return the domain of every phrase, whole numbers from 1 without gaps, or `OTHER`.

    Training phrases are merged greedily, the most frequent first; a domain that occurs less often than `RARE` is none.
    An unseen phrase is of the nearest domain by the phrase that began it, if that is near enough.

    Args:
        counts: How often each phrase occurs in training prompts.
        unseen: Phrases of other prompts.
        embed: The encoder of phrases.
    """
    training_phrases = sorted(counts, key=lambda phrase: (-counts[phrase], phrase))
    if not training_phrases:
        return dict.fromkeys(unseen, OTHER)
    phrases = [*training_phrases, *sorted(unseen)]
    vectors = embed(phrases)
    known, asked = vectors[: len(training_phrases)], vectors[len(training_phrases) :]
    occurs = np.asarray([counts[phrase] for phrase in training_phrases])
    domain, free = np.full(len(training_phrases), OTHER), np.ones(len(training_phrases), dtype=bool)
    begun_by: list[int] = []
    for i in range(len(training_phrases)):
        if not free[i]:
            continue
        near = free & (known @ known[i] > COSINE)
        free[near] = False
        if occurs[near].sum() >= RARE:
            begun_by.append(i)
            domain[near] = len(begun_by)
    # The first column stands for `OTHER`, which wins where no domain is nearer than the threshold.
    cosines = np.column_stack([np.full(len(asked), COSINE), asked @ known[begun_by].T])
    return dict(zip(phrases, [*domain.tolist(), *cosines.argmax(axis=1).tolist()], strict=True))
