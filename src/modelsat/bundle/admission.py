"""Admits candidates to a bundle without training: what they answered makes their profile."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.aptitude import cards, frozen_test
from modelsat.aptitude import published as published_scores
from modelsat.aptitude.frozen_test import AptitudeTest
from modelsat.bundle import seen_prompts
from modelsat.bundle.bundle import Bundle
from modelsat.data import routed_texts, score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.routers.profile import Profile

PUBLISHED = "published_levels"
"""In the lineage: mean and variance of the level that published scores made likely, by candidate."""
_NOTHING = np.empty((0, 0), dtype=np.float32)
MOST_OTHER_QUESTIONS = 2000
"""Beyond, further answers tell little and reading them takes longer than an evaluation."""


def admit(
    bundle: Bundle,
    collection: Collection,
    questions: int | None = None,
    zoo: Collection | None = None,
    published: Mapping[str, Mapping[str, float]] | None = None,
) -> Bundle:
    """Return the bundle with every candidate of the collection that it does not know.

    Answers are matched to the frozen test by prompt id, then by stem digest. Other labelled questions enter the
    profile too, unless they are held out for evaluation. A candidate that answered none of the test's questions gets
    the card that the zoo makes likely.

    Args:
        bundle: The router.
        collection: Holds the newcomers' answers, under canonical names (`modelsat.data.aliases`).
        questions: Only the first so many questions of the frozen test count, and no others; None takes all.
        zoo: Holds what candidates of the bundle scored on the same questions; by default the collection does.
        published: Published scores in [0, 1] by candidate and benchmark, beside those that the bundle's rows hold.
    """
    newcomers = [name for name in collection.candidates["candidate"].to_pylist() if name not in bundle.names]
    if not newcomers:
        return bundle
    test = AptitudeTest(bundle.aptitude_test, "")
    names = _names_in_test(test, collection)
    scores = _renamed(collection.scores, names)
    if questions is not None:
        first = pc.less(test.table["position"], questions)
        scores = scores.filter(pc.is_in(scores["prompt_id"], value_set=test.table.filter(first)["prompt_id"]))
    prior = cards.fit_prior(*_known(bundle, test))
    levels = _published_levels(bundle, newcomers, published or {})
    zoo_level = float(np.mean(list(_answered_means(bundle).values()) or [0.0]))
    lead = np.asarray([levels[name][0] - zoo_level if name in levels else 0.0 for name in newcomers])
    table, _ = cards.build(test, scores, newcomers, prior, lead)
    accuracies = cards.accuracies(table, newcomers, test.tasks)
    means = _expected_means(bundle, cards.accuracies(bundle.cards, bundle.names, test.tasks), accuracies)
    asked, texts, others = _others(collection, names, newcomers) if questions is None else ([], [], _NOTHING)
    observed = score_matrix.matrix((zoo or collection).scores, asked, bundle.names)
    known = {name: observed[:, i] for i, name in enumerate(bundle.names)} if asked else {}
    answers = score_matrix.matrix(scores, test.table["prompt_id"].to_pylist(), newcomers)
    rows = collection.candidates.filter(pc.is_in(collection.candidates["candidate"], value_set=pa.array(newcomers)))
    order = pc.index_in(pa.array(newcomers), value_set=rows["candidate"].combine_chunks())
    unanswered = np.isnan(answers).all(axis=0)
    means = np.asarray(
        [levels[name][0] if unanswered[i] and name in levels else means[i] for i, name in enumerate(newcomers)],
        dtype=np.float32,
    )
    mean_score = bundle.lineage.get("mean_score", {}) | dict(zip(newcomers, map(float, means), strict=True))
    return replace(
        bundle,
        router=bundle.router.admit(
            Profile(tuple(newcomers), accuracies, means, answers, texts, others, known, levels, test.in_fair_order)
        ),
        candidates=pa.concat_tables([bundle.candidates, rows.take(order)]),
        cards=pa.concat_tables([bundle.cards, table]),
        answers=pa.concat_tables([bundle.answers, frozen_test.answers(answers, newcomers)]),
        lineage=bundle.lineage
        | {"mean_score": mean_score}
        | ({PUBLISHED: bundle.lineage.get(PUBLISHED, {}) | levels} if levels else {}),
        seen_prompts=seen_prompts.with_more(bundle.seen_prompts, _stems(collection, asked)),
        digest="",
    )


def answers_to_test(test: AptitudeTest, collection: Collection, candidates: Sequence[str]) -> np.ndarray:
    """Return what candidates of a collection scored on a test, (questions, candidates), NaN where not asked.

    Questions are matched as in `admit`.
    """
    scores = _renamed(collection.scores, _names_in_test(test, collection))
    return score_matrix.matrix(scores, test.table["prompt_id"].to_pylist(), candidates)


def _published_levels(
    bundle: Bundle, newcomers: Sequence[str], published: Mapping[str, Mapping[str, float]]
) -> dict[str, tuple[float, float]]:
    known = {name: scores for name, scores in published_scores.of_rows(bundle.candidates.to_pylist()).items() if scores}
    known |= {name: dict(scores) for name, scores in published.items()}
    mean_score = _answered_means(bundle)
    zoo = [name for name in mean_score if name not in newcomers]
    levels = np.asarray([mean_score[name] for name in zoo], dtype=np.float64)
    theirs = [known.get(name, {}) for name in zoo]
    read = {name: published_scores.level(known.get(name, {}), theirs, levels) for name in newcomers}
    return {name: (prior.mean, prior.variance) for name, prior in read.items() if prior is not None}


def _answered_means(bundle: Bundle) -> dict[str, float]:
    """Return mean scores by candidate without those that published scores alone foretold, which are no evidence."""
    answered = set(bundle.answers["candidate"].to_pylist())
    foretold = bundle.lineage.get(PUBLISHED, {}).keys() - answered
    return {name: mean for name, mean in bundle.lineage.get("mean_score", {}).items() if name not in foretold}


def _names_in_test(test: AptitudeTest, collection: Collection) -> dict[str, str]:
    """Return the prompt id of the test by prompt id of the collection, for every question that is in both."""
    wanted = dict(zip(test.table["prompt_id"].to_pylist(), test.table["stem_digest"].to_pylist(), strict=True))
    by_stem = {stem: prompt_id for prompt_id, stem in wanted.items()}
    here = dict(
        zip(collection.prompts["prompt_id"].to_pylist(), collection.prompts["stem_digest"].to_pylist(), strict=True)
    )
    # The same id may name another question in another folder: ids count where the questions agree.
    names = {prompt_id: prompt_id for prompt_id, stem in wanted.items() if here.get(prompt_id) == stem}
    taken = set(names)
    for prompt_id, stem in here.items():
        target = by_stem.get(stem)
        if target is not None and target not in taken:
            names[prompt_id] = target
            taken.add(target)
    return names


def _renamed(scores: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """Return the scores on the named prompts, under their ids in the test."""
    kept = scores.filter(pc.is_in(scores["prompt_id"], value_set=pa.array(list(names), pa.string())))
    renamed = pa.array([names[prompt_id] for prompt_id in kept["prompt_id"].to_pylist()], pa.string())
    return kept.set_column(kept.column_names.index("prompt_id"), "prompt_id", renamed)


def _others(
    collection: Collection, names: Mapping[str, str], newcomers: Sequence[str]
) -> tuple[list[str], list[str], np.ndarray]:
    """Return ids, texts and scores (questions, c) of further questions that a newcomer answered."""
    prompts = collection.prompts
    free = splits.assign(prompts["stem_digest"].to_pylist()) != splits.TEST
    free &= ~np.isin(prompts["prompt_id"].to_pylist(), list(names))
    prompts = prompts.filter(pa.array(free))
    scores = score_matrix.matrix(collection.scores, prompts["prompt_id"].to_pylist(), newcomers)
    rows = np.flatnonzero(~np.isnan(scores).all(axis=1))
    if len(rows) > MOST_OTHER_QUESTIONS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_OTHER_QUESTIONS, replace=False))
    taken = prompts.take(pa.array(rows))
    return taken["prompt_id"].to_pylist(), routed_texts.of(taken), scores[rows]


def _stems(collection: Collection, ids: Sequence[str]) -> list[str]:
    inside = pc.is_in(collection.prompts["prompt_id"], value_set=pa.array(ids, pa.string()))
    return list(collection.prompts.filter(inside)["stem_digest"].to_pylist())


def _known(bundle: Bundle, test: AptitudeTest) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(bundle.names), len(test.tasks))
    accuracy, n = np.full(shape, np.nan), np.zeros(shape)
    row = {name: i for i, name in enumerate(bundle.names)}
    column = {task: t for t, task in enumerate(test.tasks)}
    for card in bundle.cards.to_pylist():
        at = row[card["candidate"]], column[card["task"]]
        n[at] = card["n"]
        accuracy[at] = np.nan if card["accuracy"] is None else card["accuracy"]
    return accuracy, n


def _expected_means(bundle: Bundle, known: np.ndarray, newcomers: np.ndarray) -> np.ndarray:
    """Read off the zoo how a mean over the card relates to a mean over all training prompts."""
    scores = bundle.lineage.get("mean_score", {})
    have = [i for i, name in enumerate(bundle.names) if name in scores]
    if not newcomers.shape[1]:
        # A bundle without an aptitude test expects of a newcomer what it expects of anybody.
        return np.full(len(newcomers), np.mean([*scores.values()]) if scores else 0.5, dtype=np.float32)
    level = newcomers.mean(axis=1)
    if len(have) < 2:
        return np.clip(level, 0.0, 1.0).astype(np.float32)
    x = known[have].mean(axis=1)
    y = np.asarray([scores[bundle.names[i]] for i in have])
    slope = float(np.cov(x, y)[0, 1] / max(np.var(x, ddof=1), 1e-9))
    return np.clip(y.mean() + slope * (level - x.mean()), 0.0, 1.0).astype(np.float32)
