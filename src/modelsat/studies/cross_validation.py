"""Cross-validation by question: every prompt is scored by a router that never saw its question.

Folds are a salted hash of the stem digest, so all copies of a question fall into one fold. In each fold one eighth of
the other prompts chooses hyper-parameters, and every router is then fitted to all other prompts. Reference lines are
chosen on the same prompts.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.data import paid, score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation.arena import Arena, costs_of, label_means, labels_of, texts_of
from modelsat.rivals.rival import Labelled, PromptFit

VALIDATION_SHARE = 0.125
_VALIDATION_SALT = "modelsat-fold-validation-1"


@dataclass(frozen=True)
class Folds:
    """A set whose core candidates were run on all of n prompts.

    Attributes:
        arena: All n prompts; its priors are those of each prompt's own training prompts.
        fold: Fold of each prompt, whole numbers (n,).
        validates: Which prompts choose hyper-parameters where they are not held out, boolean (n,).
        count: Number of folds.
    """

    arena: Arena
    fold: np.ndarray
    validates: np.ndarray
    count: int

    def train(self, fold: int) -> np.ndarray:
        """Return the rows that each setting is fitted to, while `fold` is held out, to choose one."""
        return np.flatnonzero((self.fold != fold) & ~self.validates)

    def validation(self, fold: int) -> np.ndarray:
        """Return the rows that choose hyper-parameters while `fold` is held out."""
        return np.flatnonzero((self.fold != fold) & self.validates)


def build(collection: Collection, count: int = 5, unseen: bool = False) -> Folds:
    """Cut a collection of one set into folds.

    Args:
        collection: Its core candidates, run on at least 95 % of the prompts, are the pool; prompts on which one of them
            was not run are left out.
        count: Number of folds.
        unseen: Whether whole benchmarks are held out instead of questions (whole categories where there is one
            benchmark only): what a router does with prompts of a kind that it never saw.

    Raises:
        InputError: Fewer than two candidates were run on 95 % of the prompts.
    """
    prompts = collection.prompts
    names = collection.candidates["candidate"].to_pylist()
    truth = score_matrix.matrix(collection.scores, prompts["prompt_id"].to_pylist(), names)
    core = score_matrix.core_candidates(truth)
    if core.sum() < 2:
        raise InputError(f"of {', '.join(collection.sources)} no two candidates were run on 95 % of the prompts")
    rows = np.flatnonzero(~np.isnan(truth[:, core]).any(axis=1))
    truth = truth[np.ix_(rows, np.flatnonzero(core))]
    stems = prompts["stem_digest"].take(rows).to_pylist()
    labels = labels_of(collection)[rows]
    fold = _folds_of_kinds(labels, count) if unseen else splits.folds(stems, count)
    validates = splits.buckets(stems, _VALIDATION_SALT) < VALIDATION_SHARE
    prior, label_prior = np.empty(truth.shape), np.empty(truth.shape)
    for held_out in range(count):
        train = fold != held_out
        prior[fold == held_out] = truth[train].mean(axis=0)
        label_prior[fold == held_out] = label_means(truth, train, labels)[fold == held_out]
    arena = Arena(
        prompt_ids=prompts["prompt_id"].take(rows).to_pylist(),
        texts=texts_of(collection, rows),
        candidates=tuple(np.asarray(names)[core].tolist()),
        truth=truth,
        pool=np.ones_like(truth, dtype=bool),
        sets=np.full(len(rows), ", ".join(collection.sources)),
        labels=labels,
        prior=prior,
        label_prior=label_prior,
        cost=costs_of(collection, rows)[:, core],
        paid=paid.paid(collection, prompts["prompt_id"].take(rows).to_pylist())[:, core],
    )
    return Folds(arena, fold, validates, count)


def _folds_of_kinds(labels: np.ndarray, count: int) -> np.ndarray:
    """Deal whole benchmarks, or categories where there is one benchmark, to folds of about the same size."""
    benchmarks = np.asarray([label.split("/", 1)[0] for label in labels])
    kinds = benchmarks if len(np.unique(benchmarks)) > 1 else labels
    names, sizes = np.unique(kinds, return_counts=True)
    filled, fold_of = np.zeros(count), {}
    for i in np.argsort(-sizes, kind="stable"):
        fold_of[names[i]] = int(filled.argmin())
        filled[fold_of[names[i]]] += sizes[i]
    return np.asarray([fold_of[kind] for kind in kinds])


def labelled(folds: Folds, vectors: np.ndarray) -> Labelled:
    """Return all prompts of a set with their outcomes and texts.

    Args:
        folds: The set.
        vectors: Unit vectors of its prompts (n, width), or one per layer.
    """
    arena = folds.arena
    return Labelled(vectors, arena.truth, arena.labels, arena.cost, np.asarray(arena.texts, dtype=object))


def held_out_scores(folds: Folds, vectors: np.ndarray, fit: PromptFit) -> np.ndarray:
    """Score every prompt with a rival that was fitted without its fold.

    Args:
        folds: The set.
        vectors: Unit vectors of its prompts (n, width).
        fit: The rival.

    Returns:
        Utilities (n, candidates).
    """
    everything = labelled(folds, vectors)
    scores = np.empty(folds.arena.truth.shape)
    for fold in range(folds.count):
        scorer = fit(everything.take(folds.train(fold)), everything.take(folds.validation(fold)))
        held_out = everything.take(np.flatnonzero(folds.fold == fold))
        scores[folds.fold == fold] = scorer(held_out.vectors, held_out.texts)
    return scores
