"""Admits candidates to a bundle without training: their answers to its frozen aptitude test become cards."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat import cards
from modelsat.aptitude import AptitudeTest
from modelsat.arena import Arena
from modelsat.bundle import Bundle
from modelsat.collection import Collection


def admit(bundle: Bundle, collection: Collection) -> Bundle:
    """Return the bundle with every candidate of the collection that it does not know yet.

    Answers are matched to the frozen test by prompt id, then by stem digest. A candidate that answered none of its
    questions gets the card that the zoo makes likely.
    """
    newcomers = [name for name in collection.candidates["candidate"].to_pylist() if name not in bundle.names]
    if not newcomers:
        return bundle
    test = AptitudeTest(bundle.aptitude_test, "")
    answers = _matched(test, collection)
    known_accuracy, known_n = _known(bundle, test)
    prior = cards.fit_prior(known_accuracy, known_n)
    table, _ = cards.build(test, answers, newcomers, prior)
    accuracies = cards.accuracies(table, newcomers, test.tasks)
    means = _expected_means(bundle, cards.accuracies(bundle.cards, bundle.names, test.tasks), accuracies)
    rows = collection.candidates.filter(pc.is_in(collection.candidates["candidate"], value_set=pa.array(newcomers)))
    order = pc.index_in(pa.array(newcomers), value_set=rows["candidate"].combine_chunks())
    mean_score = bundle.lineage.get("mean_score", {}) | dict(zip(newcomers, map(float, means), strict=True))
    return replace(
        bundle,
        router=bundle.router.admit(newcomers, accuracies, means),
        candidates=pa.concat_tables([bundle.candidates, rows.take(order)]),
        cards=pa.concat_tables([bundle.cards, table]),
        lineage=bundle.lineage | {"mean_score": mean_score},
        digest="",
    )


def score(bundle: Bundle, collection: Collection, arena: Arena) -> np.ndarray:
    """Score an arena with a bundle, to which the candidates of a collection are admitted first.

    Returns:
        Success probabilities (prompts, candidates) in the arena's order; 0 for a candidate that is in neither.
    """
    admitted = admit(bundle, collection)
    place = {name: i for i, name in enumerate(arena.candidates)}
    columns = np.asarray([place.get(name, -1) for name in admitted.names])
    known = columns >= 0
    out = np.zeros(arena.truth.shape, dtype=np.float32)
    out[:, columns[known]] = admitted.success_probability(arena.texts)[:, known]
    return out


def _matched(test: AptitudeTest, collection: Collection) -> pa.Table:
    """Return the collection's scores on the test's questions, under the prompt ids of the test."""
    wanted = dict(zip(test.table["prompt_id"].to_pylist(), test.table["stem_digest"].to_pylist(), strict=True))
    by_stem = {stem: prompt_id for prompt_id, stem in wanted.items()}
    here = dict(
        zip(collection.prompts["prompt_id"].to_pylist(), collection.prompts["stem_digest"].to_pylist(), strict=True)
    )
    # The same id may name another question in another folder: ids count where the questions agree.
    names = {prompt_id: prompt_id for prompt_id, stem in wanted.items() if here.get(prompt_id) == stem}
    for prompt_id, stem in here.items():
        target = by_stem.get(stem)
        if target is not None and target not in names.values():
            names.setdefault(prompt_id, target)
    scores = collection.scores.filter(
        pc.is_in(collection.scores["prompt_id"], value_set=pa.array(list(names), pa.string()))
    )
    renamed = pa.array([names[prompt_id] for prompt_id in scores["prompt_id"].to_pylist()], pa.string())
    return scores.set_column(scores.column_names.index("prompt_id"), "prompt_id", renamed)


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
