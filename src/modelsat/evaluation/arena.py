"""The arena: held-out prompts with every candidate's outcome, in which routers are compared.

A set's pool is its core candidates (`modelsat.data.prompt_sets`), and only prompts on which the whole pool was run
count: a candidate cannot look better by skipping what is hard. Where results are taken to be missing at random
(`patchy`), a prompt's pool are the candidates that were run on it.

A prompt with pictures has the candidates in its pool that are known to read images, if any is: a gateway sends it to no
other.

Routers choose from the pool of each prompt, or, where the served candidates are named, from all of these on every
prompt, as they do in front of a user. Of several sources with different candidates, a choice may then fall on one that
was not run on this prompt: it cannot be judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelsat.data import paid, prompt_sets, routed_texts, score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation import patchy
from modelsat.policy import costs
from modelsat.policy.picture_promise import IMAGE


@dataclass(frozen=True)
class Arena:
    """Prompts on which routers are compared; n prompts, m candidates.

    Attributes:
        prompt_ids: Their ids, length n.
        texts: What a router reads, length n.
        candidates: Column order, length m.
        truth: Scores, float32 (n, m), NaN where not run.
        pool: Which candidates reference lines choose from, boolean (n, m); `truth` has no NaN there.
        sets: Which set a prompt belongs to, length n.
        labels: Benchmark and category of each prompt, length n; for reporting only.
        prior: Mean score on the set's training prompts, (n, m), NaN outside the pool.
        label_prior: The same over the training prompts of the same label, shrunk to `prior`, (n, m).
        cost: Expected cost in USD, (n, m), NaN where it is not known.
        served: Which candidates routers may choose on every prompt, boolean (m,); None where they choose from `pool`.
        missing_at_random: Whether pools are the candidates that were run on the prompt, as of `patchy`.
        paid: What answers cost as measured, in USD, (n, m), NaN where that is not known; None for nowhere.
        pictured: Which prompts come with pictures, boolean (n,); None for none.
        sees: Which candidates may be chosen for those, boolean (m,); None for all.
    """

    prompt_ids: list[str]
    texts: list[str]
    candidates: tuple[str, ...]
    truth: np.ndarray
    pool: np.ndarray
    sets: np.ndarray
    labels: np.ndarray
    prior: np.ndarray
    label_prior: np.ndarray
    cost: np.ndarray
    served: np.ndarray | None = None
    missing_at_random: bool = False
    paid: np.ndarray | None = None
    pictured: np.ndarray | None = None
    sees: np.ndarray | None = None

    @property
    def billed(self) -> np.ndarray:
        """Return what choices are billed: what was paid, and the expected cost where that is not known, (n, m)."""
        return self.cost if self.paid is None else np.where(np.isnan(self.paid), self.cost, self.paid)

    @property
    def routable(self) -> np.ndarray:
        """Return which candidates routers choose from, boolean (n, m); where served, `truth` may have NaN there."""
        if self.served is None:
            return self.pool
        every = np.tile(self.served, (len(self.pool), 1))
        if self.pictured is None or self.sees is None or not (self.served & self.sees).any():
            return every
        return every & (self.sees | ~self.pictured[:, None])

    @property
    def best_single(self) -> np.ndarray:
        """Return the candidate with the best training mean in each prompt's pool, (n,)."""
        return np.asarray(np.where(self.pool, self.prior, -1.0).argmax(axis=1))


_LABEL_PRIOR_PROMPTS = 5.0
_FOLDS = 5
_PATCHY = "; `modelsat evaluate --missing-at-random` measures on patchy results, under that assumption"


def build(
    collection: Collection,
    split: str | None = splits.TEST,
    served: Sequence[str] | None = None,
    missing_at_random: bool = False,
) -> Arena:
    """Set up the arena of one split of a collection.

    Args:
        collection: The results.
        split: Which prompts; None takes all, and what reference lines learn about the prompts of one fold is from the
            others.
        served: Candidates that are served: routers may choose each of them on every prompt, and reference lines those
            of them that are in the prompt's pool. None lets all choose from the pool.
        missing_at_random: Measure patchy results under this assumption: each prompt's pool are the candidates that
            were run on it, of those run on `patchy.MIN_SHARE` of its set. Complete results are measured as ever.

    Raises:
        InputError: No prompt of the split was answered by two candidates or more.
    """
    prompts = collection.prompts
    names = tuple(collection.candidates["candidate"].to_pylist())
    blocks = collection.blocks("candidate", "prompt_id", "score")
    truth = score_matrix.spread(blocks, prompts["prompt_id"].to_pylist(), names)
    missing = np.isnan(truth)
    parts = splits.assign(prompts["stem_digest"].to_pylist())
    folds = splits.folds(prompts["stem_digest"].to_pylist(), _FOLDS) if split is None else None
    share = patchy.MIN_SHARE if missing_at_random else score_matrix.CORE_SHARE
    sets = prompt_sets.names(collection, truth, share)
    offered = np.ones(len(names), dtype=bool) if served is None else np.isin(names, list(served))
    labels = labels_of(collection)
    pictured, sees = _pictures(collection)
    # Of most prompts only their truth is needed, to learn from.
    asked = np.ones(len(truth), dtype=bool) if split is None else parts == split
    place = np.cumsum(asked) - 1
    pool = np.zeros((int(asked.sum()), len(names)), dtype=bool)
    prior, label_prior = np.full(pool.shape, np.nan), np.full(pool.shape, np.nan)
    usable = np.zeros(len(truth), dtype=bool)
    for name in np.unique(sets):
        rows = sets == name
        core = score_matrix.core_candidates(truth, share, rows)
        if missing_at_random:
            core &= offered
            counted = rows & ((~missing & core).sum(axis=1) >= 2)
        else:
            counted = rows & ~(missing & core).any(axis=1)
            core &= offered
        for judged, train in _judged_and_learned(counted, parts, folds):
            if core.sum() < 2 or not train.any():
                continue
            judged = judged & asked
            usable |= judged
            pool[np.ix_(place[judged], core)] = ~missing[np.ix_(judged, core)]
            if (core & sees).any():
                pool[np.ix_(place[judged & pictured], ~sees)] = False
            means = training_means(truth[np.ix_(train, core)])
            prior[np.ix_(place[judged], core)] = means
            known = truth if core.all() else truth[:, core]
            label_prior[np.ix_(place[judged], core)] = label_means(known, train, labels, means, judged)
    keep = np.flatnonzero(usable)
    if not len(keep):
        raise InputError(
            f"no {split or 'single'} prompt was answered by at least two candidates that were run on "
            f"{100 * share:.0f} % of its source; collect more results{'' if missing_at_random else _PATCHY}"
        )
    texts = texts_of(collection, keep)
    return Arena(
        prompt_ids=[prompts["prompt_id"][int(i)].as_py() for i in keep],
        texts=texts,
        candidates=names,
        truth=truth[keep],
        pool=pool[place[keep]],
        sets=sets[keep],
        labels=labels[keep],
        prior=prior[place[keep]],
        label_prior=label_prior[place[keep]],
        cost=costs_of(collection, keep),
        served=None if served is None else offered,
        missing_at_random=missing_at_random,
        paid=paid.paid(collection, [prompts["prompt_id"][int(i)].as_py() for i in keep]),
        pictured=pictured[keep] if pictured.any() else None,
        sees=sees if pictured.any() and sees.any() else None,
    )


def _judged_and_learned(
    complete: np.ndarray, parts: np.ndarray, folds: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of prompts that are judged and prompts from which reference lines learn about them, each (n,)."""
    if folds is None:
        return [(complete, complete & (parts == splits.TRAIN))]
    return [(complete & (folds == fold), complete & (folds != fold)) for fold in range(_FOLDS)]


def _pictures(collection: Collection) -> tuple[np.ndarray, np.ndarray]:
    """Return which prompts come with pictures, (n,), and which candidates are known to read images, (m,)."""
    pictured = collection.prompts["image"].is_valid().to_numpy(zero_copy_only=False)
    return pictured, np.asarray([IMAGE in (one or ()) for one in collection.candidates["modalities"].to_pylist()])


def labels_of(collection: Collection) -> np.ndarray:
    """Return benchmark and category of every prompt of a collection in one word."""
    columns = (collection.prompts[name].to_pylist() for name in ("benchmark", "task"))
    return np.asarray([f"{benchmark}/{task}" for benchmark, task in zip(*columns, strict=True)])


def training_means(outcomes: np.ndarray) -> np.ndarray:
    """Return each candidate's mean over training prompts (n, candidates), or its level where some are missing."""
    return score_matrix.levels(outcomes) if np.isnan(outcomes).any() else outcomes.mean(axis=0)


def label_means(
    truth: np.ndarray,
    train: np.ndarray,
    labels: np.ndarray,
    overall: np.ndarray | None = None,
    judged: np.ndarray | None = None,
) -> np.ndarray:
    """Return per prompt the mean scores on the training prompts of its label, shrunk to those on all of them.

    Args:
        truth: Scores (n, candidates), NaN where not run.
        train: Which prompts to average over, boolean (n,).
        labels: Label of each prompt (n,).
        overall: What is shrunk to, (candidates,); None for the means over all training prompts.
        judged: Of which prompts the means are returned, boolean (n,); None for all.
    """
    judged = np.ones(len(truth), dtype=bool) if judged is None else judged
    mean = training_means(truth[train]) if overall is None else overall
    out = np.empty((int(judged.sum()), truth.shape[1]))
    for label in np.unique(labels[judged]):
        same = labels == label
        seen = truth[train & same]
        total, n = np.nansum(seen, axis=0), (~np.isnan(seen)).sum(axis=0)
        out[same[judged]] = (total + _LABEL_PRIOR_PROMPTS * mean) / (n + _LABEL_PRIOR_PROMPTS)
    return out


def texts_of(collection: Collection, rows: np.ndarray) -> list[str]:
    """Return what a router reads of the prompts in the given rows."""
    return routed_texts.of(collection.prompts.take(rows))


def costs_of(collection: Collection, rows: np.ndarray) -> np.ndarray:
    """Return expected costs in USD of the prompts in the given rows at every candidate, NaN where nothing is known.

    What was paid for other prompts' answers (held-out ones aside) comes before list prices.
    """
    names = collection.candidates["candidate"].to_pylist()
    listed = paid.listed(collection, rows)
    return costs.at_level(listed, *costs.level_arrays(paid.levels(collection), names))
