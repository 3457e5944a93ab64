"""The aptitude test: which questions measure a candidate, chosen once, frozen and versioned.

A task is a (benchmark, category) pair. Where there are more than `TASKS`, the largest stay; where there are fewer, the
largest are halved by what their questions are about. The questions are a fair sample of the training prompts of these
tasks, and so is every beginning of the test (`balanced_order`). Model-SAT (section 4.1) takes what about half of the
candidates solve. That separates known candidates best and is unfair to strangers: it holds nothing that only a
candidate beyond all known ones would solve, and flatters those it was chosen with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat import feedback
from modelsat.aptitude import balanced_order
from modelsat.data import contracts, routed_texts, score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.text.rendering import digest

TASKS = 50
QUESTIONS = 1000
LARGEST_SHARE = 0.25
SMALLEST_TASK = 40
KEYWORDS = 5
_FAIR = "apt-fair-"
_GOLD = ("answer", "scorer")
"""Begins the version of a test in balanced order; those before began with `apt-` alone."""


@dataclass(frozen=True)
class AptitudeTest:
    """The frozen test: `table` follows the contract `APTITUDE_TEST`; `story` says how its tasks came about."""

    table: pa.Table
    story: str

    @property
    def version(self) -> str:
        """Return the version, a digest of the questions and their tasks."""
        return str(self.table["version"][0])

    @property
    def in_fair_order(self) -> bool:
        """Say whether every beginning is a fair sample; tests of earlier versions begin with what separates the zoo."""
        return self.table.num_rows > 0 and self.version.startswith(_FAIR)

    @property
    def tasks(self) -> list[str]:
        """Return the task names in the order of the test."""
        return list(dict.fromkeys(self.table["task"].to_pylist()))

    @property
    def categories(self) -> list[str]:
        """Return the category that each task is, or is a part of, in the order of `tasks`."""
        return list(dict(zip(self.table["task"].to_pylist(), self.table["category"].to_pylist(), strict=True)).values())

    @property
    def keywords(self) -> list[list[str]]:
        """Return five keywords per task, in the order of `tasks`."""
        rows = zip(self.table["task"].to_pylist(), self.table["keywords"].to_pylist(), strict=True)
        return list(dict(rows).values())


def answers(outcomes_there: np.ndarray, candidates: Sequence[str]) -> pa.Table:
    """Return what candidates scored on the questions, as a table of the contract `APTITUDE_ANSWERS`.

    Args:
        outcomes_there: Scores (questions, candidates) in the frozen order, NaN where not asked.
        candidates: Column order.
    """
    places, columns = np.nonzero(~np.isnan(outcomes_there))
    names = np.asarray(candidates, dtype=object)
    answered = {"candidate": names[columns], "position": places, "score": outcomes_there[places, columns]}
    return contracts.conform(pa.table(answered), contracts.APTITUDE_ANSWERS)


def outcomes(answers: pa.Table, candidates: Sequence[str], questions: int) -> np.ndarray:
    """Invert `answers`: scores (questions, candidates) in the frozen order, NaN where not known.

    Args:
        answers: Table of the contract `APTITUDE_ANSWERS`.
        candidates: Column order; answers of others are left out.
        questions: How many the test has.
    """
    scores = np.full((questions, len(candidates)), np.nan)
    column = {name: i for i, name in enumerate(candidates)}
    for row in answers.to_pylist():
        if row["candidate"] in column:
            scores[row["position"], column[row["candidate"]]] = row["score"]
    return scores


def category_of(benchmark: str, task: str) -> str:
    """Return the task name of a (benchmark, category) pair."""
    return benchmark if benchmark == task else f"{benchmark}/{task}"


def choose(collection: Collection, tasks: int = TASKS, questions: int = QUESTIONS) -> AptitudeTest:
    """Choose the aptitude test of a collection.

    Args:
        collection: Validated scores and prompts.
        tasks: Number of tasks aimed at, at least 1.
        questions: Number of questions aimed at; never more than a quarter of the training questions.

    Raises:
        InputError: There are too few training prompts to choose from.
    """
    train = pa.array(splits.assign(collection.prompts["stem_digest"].to_pylist()) == splits.TRAIN)
    # The test is published with the bundle and sent to new candidates, so it never contains prompts of users.
    asked = pc.not_equal(collection.prompts["benchmark"], feedback.BENCHMARK)
    prompts = collection.prompts.filter(pc.and_(train, asked))
    prompts = _one_per_stem(prompts)
    budget = min(questions, int(prompts.num_rows * LARGEST_SHARE))
    if budget < 1:
        raise InputError(
            f"only {prompts.num_rows} training prompts were collected, too few for an aptitude test; collect at least 8"
        )
    texts = routed_texts.of(prompts)
    topics = _topics(texts)
    groups, story = _form_tasks(prompts, topics, min(tasks, budget))
    return _freeze(prompts, texts, groups, _outcomes(collection, prompts), topics, budget, story)


def _one_per_stem(prompts: pa.Table) -> pa.Table:
    """Return one prompt per stem, sorted by stem, so that the test does not depend on the order of files."""
    stems = np.asarray(prompts["stem_digest"].to_pylist(), dtype=str)
    order = np.lexsort((np.asarray(prompts["prompt_id"].to_pylist(), dtype=str), stems))
    _, first = np.unique(stems[order], return_index=True)
    return prompts.take(pa.array(order[first]))


def _outcomes(collection: Collection, prompts: pa.Table) -> np.ndarray:
    """Return the scores (prompts, candidates), NaN where not run; candidates by name, whatever the order of files."""
    names = sorted(collection.candidates["candidate"].to_pylist())
    blocks = collection.blocks("candidate", "prompt_id", "score")
    return score_matrix.spread(blocks, prompts["prompt_id"].to_pylist(), names)


@dataclass(frozen=True)
class _Topics:
    """TF-IDF weights of the prompts: `weights` (prompts, terms) sparse, `space` (prompts, dimensions) dense."""

    weights: object
    space: np.ndarray
    terms: np.ndarray


def _topics(texts: Sequence[str]) -> _Topics:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        stop_words="english",
        token_pattern=r"[^\W\d_][\w-]{2,}",
        max_features=20_000,
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:
        # No text contains a word, as in bare arithmetic, so every token counts.
        vectorizer = TfidfVectorizer(token_pattern=r"\S+", max_features=20_000, dtype=np.float32)
        weights = vectorizer.fit_transform(texts)
    dimensions = min(32, weights.shape[1] - 1, weights.shape[0] - 1)
    all_alike = (
        abs(weights - weights[:1].toarray()).max() < 1e-9 if weights.shape[0] * weights.shape[1] < 10**6 else False
    )
    if dimensions < 1 or all_alike:
        space = np.zeros((len(texts), 1), dtype=np.float32)
    else:
        space = TruncatedSVD(dimensions, n_iter=2, random_state=0).fit_transform(weights)
    return _Topics(weights, space, vectorizer.get_feature_names_out())


_Group = tuple[str, np.ndarray]


def _form_tasks(prompts: pa.Table, topics: _Topics, tasks: int) -> tuple[list[_Group], str]:
    pairs = zip(prompts["benchmark"].to_pylist(), prompts["task"].to_pylist(), strict=True)
    labels = np.asarray([category_of(benchmark, task) for benchmark, task in pairs], dtype=str)
    groups: list[_Group] = [(str(name), np.flatnonzero(labels == name)) for name in np.unique(labels)]
    categories = len(groups)
    if categories > tasks:
        largest_first = np.argsort([-len(rows) for _, rows in groups], kind="stable")
        return [groups[i] for i in sorted(largest_first[:tasks])], f"the {tasks} largest of {categories} categories"
    while len(groups) < tasks:
        largest = max(range(len(groups)), key=lambda i: len(groups[i][1]))
        if len(groups[largest][1]) < 2 * SMALLEST_TASK:
            break
        groups[largest : largest + 1] = _halve(groups[largest], topics.space)
    story = f"{categories} categories"
    if len(groups) > categories:
        story += f", the large ones split by topic into {len(groups)} tasks"
    return groups, story


def _halve(group: _Group, space: np.ndarray) -> list[_Group]:
    """Cut a task in two halves of equal size along the direction in which its questions differ most."""
    name, rows = group
    points = space[rows] - space[rows].mean(axis=0)
    _, _, directions = np.linalg.svd(points, full_matrices=False)
    order = np.argsort(points @ directions[0], kind="stable")
    middle = len(rows) // 2
    return [(name, np.sort(rows[order[:middle]])), (name, np.sort(rows[order[middle:]]))]


def _freeze(
    prompts: pa.Table,
    texts: list[str],
    groups: list[_Group],
    outcomes: np.ndarray,
    topics: _Topics,
    budget: int,
    story: str,
) -> AptitudeTest:
    gold = {name: prompts[name].to_pylist() for name in ("benchmark", "choices", "answer", "scorer")}
    # The test holds no pictures, so a question that comes with one cannot be asked.
    without = pc.is_null(prompts["image"]).to_pylist()
    gold |= {name: [one if bare else None for one, bare in zip(gold[name], without, strict=True)] for name in _GOLD}
    ids, stems = prompts["prompt_id"].to_pylist(), prompts["stem_digest"].to_pylist()
    overall = np.asarray(topics.weights.mean(axis=0)).ravel()  # type: ignore[attr-defined]
    named = _named(groups)
    keywords = [_keywords(task, topics, members, overall) for task, (_, members) in zip(named, groups, strict=True)]
    rows = np.concatenate([members for _, members in groups])
    group = np.repeat(np.arange(len(groups)), [len(members) for _, members in groups])
    chosen = balanced_order.order(balanced_order.traits(outcomes[rows], group), min(budget, len(rows)))
    asked: list[dict[str, Any]] = [
        {
            "task": named[g],
            "category": groups[g][0],
            "keywords": keywords[g],
            "position": position,
            "prompt_id": ids[i],
            "stem_digest": stems[i],
            "text": texts[i],
            **{column: values[i] for column, values in gold.items()},
        }
        for position, (g, i) in enumerate(zip(group[chosen], rows[chosen], strict=True))
    ]
    version = f"{_FAIR}{digest(repr([(row['task'], row['stem_digest']) for row in asked]))[:12]}"
    table = contracts.from_rows([{"version": version, **row} for row in asked], contracts.APTITUDE_TEST)
    return AptitudeTest(table, f"{story}; {len(asked)} questions")


def _named(groups: list[_Group]) -> list[str]:
    """Return a name for each task: that of its category, numbered where the category was split."""
    categories = [name for name, _ in groups]
    return [
        name if categories.count(name) == 1 else f"{name} #{categories[: place + 1].count(name)}"
        for place, name in enumerate(categories)
    ]


def _keywords(task: str, topics: _Topics, members: np.ndarray, overall: np.ndarray) -> list[str]:
    inside = np.asarray(topics.weights[members].mean(axis=0)).ravel()  # type: ignore[index]
    best = np.argsort(overall - inside, kind="stable")[:KEYWORDS]
    words = [str(topics.terms[i]) for i in best if inside[i] > 0]
    return [*words, *[task] * (KEYWORDS - len(words))][:KEYWORDS]
