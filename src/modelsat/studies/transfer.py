"""Transfer: a router that is fitted on one set and asked about another, over the candidates that both have.

Questions that the other set has too are no training prompts: what is measured is how far results carry, not memory.
"""

from dataclasses import dataclass

import numpy as np

from modelsat.data import score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation.arena import costs_of, labels_of, texts_of
from modelsat.rivals.rival import Labelled
from modelsat.studies.cross_validation import VALIDATION_SHARE

CORE_SHARE = 0.95
_VALIDATION_SALT = "modelsat-foreign-validation-1"
_OWN_FOLDS = 5


@dataclass(frozen=True)
class Crossing:
    """Which rows of two sets train, choose hyper-parameters and test.

    Attributes:
        candidates: Who was run on both sets, in the order of the names.
        train: Rows of the source.
        validation: Rows of the source.
        test: Rows of the target.
        fold: Fold of each test row, by question, whole numbers (test,).
        removed: How many prompts of the source were left out because the target has their question.
    """

    candidates: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    fold: np.ndarray
    removed: int


def cross(source: Collection, target: Collection, min_share: float = CORE_SHARE) -> Crossing:
    """Cut two sets for a router that goes from one to the other.

    Args:
        source: Whose results are known.
        target: Whose prompts are routed.
        min_share: On which share of both sets a candidate was run at the least; prompts count where all were run.

    Raises:
        InputError: Fewer than two candidates are left, or no prompt to train, validate or test.
    """
    shared = sorted(set(source.candidates["candidate"].to_pylist()) & set(target.candidates["candidate"].to_pylist()))
    known = [_outcomes(one, shared) for one in (source, target)]
    core = np.all([score_matrix.core_candidates(one, min_share) for one in known], axis=0)
    names = f"{', '.join(source.sources)} and {', '.join(target.sources)}"
    if core.sum() < 2:
        raise InputError(
            f"{names} share fewer than two candidates run on {100 * min_share:.0f} % of both; collect more results"
        )
    complete = [~np.isnan(one[:, core]).any(axis=1) for one in known]
    stems = [np.asarray(one.prompts["stem_digest"].to_pylist(), dtype=str) for one in (source, target)]
    twice = np.isin(stems[0], stems[1])
    validates = splits.buckets(stems[0], _VALIDATION_SALT) < VALIDATION_SHARE
    rows = complete[0] & ~twice
    train, validation, test = map(np.flatnonzero, (rows & ~validates, rows & validates, complete[1]))
    if not (len(train) and len(validation) and len(test)):
        raise InputError(f"{names} leave no prompts to train, validate or test on; collect more results")
    candidates = tuple(np.asarray(shared)[core].tolist())
    fold = splits.folds(stems[1][test], _OWN_FOLDS)
    return Crossing(candidates, train, validation, test, fold, int((complete[0] & twice).sum()))


def labelled(collection: Collection, candidates: tuple[str, ...], vectors: np.ndarray) -> Labelled:
    """Return all prompts of a set with the outcomes of some candidates.

    Args:
        collection: The set.
        candidates: Column order.
        vectors: Unit vectors of its prompts (n, width).
    """
    names = collection.candidates["candidate"].to_pylist()
    columns = [names.index(candidate) for candidate in candidates]
    cost = costs_of(collection, np.arange(collection.prompts.num_rows))[:, columns]
    texts = np.asarray(texts_of(collection, np.arange(collection.prompts.num_rows)), dtype=object)
    return Labelled(vectors, _outcomes(collection, candidates), labels_of(collection), cost, texts)


def own_best(truth: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the best single candidate of each prompt's set as its other folds know it, columns (n,).

    Args:
        truth: Outcomes (n, candidates), complete.
        fold: Fold of each prompt (n,).
    """
    best = np.empty(len(truth), dtype=np.int64)
    for one in np.unique(fold):
        best[fold == one] = truth[fold != one].mean(axis=0).argmax()
    return best


def _outcomes(collection: Collection, candidates: list[str] | tuple[str, ...]) -> np.ndarray:
    return score_matrix.matrix(collection.scores, collection.prompts["prompt_id"].to_pylist(), candidates)
