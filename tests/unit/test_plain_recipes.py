"""With equal rows no rival is quietly weaker than its plain recipe, written here with scikit-learn alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from modelsat import rivals
from modelsat.data.collection import collect
from modelsat.rivals import lexical
from modelsat.rivals.rival import Labelled
from modelsat.studies import cross_validation

TOLERANCE = 0.002
CANDIDATES, KINDS, WIDTH = 6, 8, 48
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

Recipe = Callable[[Labelled, np.ndarray], np.ndarray]


def knn_200(known: Labelled, asked: np.ndarray) -> np.ndarray:
    nearest = NearestNeighbors(n_neighbors=min(200, len(known.vectors)), metric="cosine").fit(known.vectors)
    return known.outcomes[nearest.kneighbors(asked, return_distance=False)].mean(axis=1)


def task_classifier(known: Labelled, asked: np.ndarray) -> np.ndarray:
    model = LogisticRegression(max_iter=500).fit(known.vectors, known.tasks)
    level = known.outcomes.mean(axis=0)
    means = []
    for task in model.classes_:
        mine = known.outcomes[known.tasks == task]
        means.append((mine.sum(axis=0) + 5 * level) / (len(mine) + 5))
    return model.predict_proba(asked) @ np.asarray(means)


def stack(known: Labelled, asked: np.ndarray) -> np.ndarray:
    return (knn_200(known, asked) + task_classifier(known, asked)) / 2


def ridge(known: Labelled, asked: np.ndarray) -> np.ndarray:
    return Ridge(alpha=30.0).fit(known.vectors, known.outcomes).predict(asked)


RECIPES: dict[str, Recipe] = {"knn": knn_200, "task-classifier": task_classifier, "stack": stack, "ridge": ridge}


def synthetic(n: int, seed: int) -> Labelled:
    """Draw prompts of eight kinds; chances differ by kind and candidate, and drift along one direction."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    centres = fixed.normal(size=(KINDS, WIDTH))
    skill = 0.55 + 0.15 * fixed.normal(size=(KINDS, CANDIDATES))
    slope = 0.08 * fixed.normal(size=CANDIDATES)
    kind = rng.integers(0, KINDS, n)
    vectors = centres[kind] + 1.2 * rng.normal(size=(n, WIDTH))
    chance = np.clip(skill[kind] + vectors[:, :1] * slope, 0.02, 0.98)
    outcomes = (rng.random(chance.shape) < chance).astype(np.float32)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Labelled(unit, outcomes, kind.astype(str), np.ones_like(chance))


def accuracy(scores: np.ndarray, truth: np.ndarray) -> float:
    return float(truth[np.arange(len(truth)), scores.argmax(axis=1)].mean())


@pytest.mark.parametrize("name", RECIPES)
def test_rival_keeps_up_with_its_plain_recipe(name: str) -> None:
    train, validation, test = synthetic(1400, 1), synthetic(200, 2), synthetic(20_000, 3)

    with threadpool_limits(1):
        ours = rivals.named(name)(train, validation)(test.vectors)
        plain = RECIPES[name](train.joined(validation), test.vectors)

    assert accuracy(ours, test.outcomes) >= accuracy(plain, test.outcomes) - TOLERANCE


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("source", ["specialists", "zeroeval"])
def test_rivals_keep_up_with_their_plain_recipes_on_real_results(source: str) -> None:
    """Vectors are of words and characters: all prompts of a set are read in seconds, which needs no encoder."""
    if not (DATA / source).is_dir():
        pytest.skip(f"{DATA / source} is absent")
    folds = cross_validation.build(collect([str(DATA / source)]))
    prompts = cross_validation.labelled(folds, np.empty((len(folds.fold), 0)))
    correct = {name: np.empty((2, len(folds.fold))) for name in RECIPES}
    with threadpool_limits(1):
        vectors = lexical.described(lexical.texts_of(prompts))(lexical.texts_of(prompts))
        prompts = replace(prompts, vectors=vectors)
        for fold in range(folds.count):
            train, validation = prompts.take(folds.train(fold)), prompts.take(folds.validation(fold))
            inside = np.flatnonzero(folds.fold == fold)
            test = prompts.take(inside)
            for name, recipe in RECIPES.items():
                ours = rivals.named(name)(train, validation)(test.vectors)
                for i, scores in enumerate((ours, recipe(train.joined(validation), test.vectors))):
                    chosen = scores.argmax(axis=1)
                    correct[name][i, inside] = test.outcomes[np.arange(len(chosen)), chosen]

    behind = {name: float((plain - ours).mean()) for name, (ours, plain) in correct.items()}

    assert max(behind.values()) <= TOLERANCE, behind
