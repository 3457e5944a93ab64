"""Our counterparts of the packages' routers: at full strength, and with the packages' own settings.

LLMRouter learns one label per prompt, the best candidate, of equally good ones the first in its table; no neighbourhood
is shrunk and no epoch chosen. RouteLLM leaves out the prompts on which neither side of the pair won.
"""

import numpy as np
from torch import nn

from modelsat.errors import InputError
from modelsat.policy import choice as policy
from modelsat.rivals import embedllm, knn, mlp, ridge
from modelsat.rivals.neural import Schedule, trained
from modelsat.rivals.rival import Labelled, Scorer
from modelsat.routers.neighbours import means

SINGLE = "best single"
DISCOUNT = 0.1


def strong_and_weak(means: np.ndarray, costs: np.ndarray) -> tuple[int, int]:
    """Return the best candidate, and the best of those at a tenth of its cost or less.

    Args:
        means: Training means (candidates,).
        costs: Mean costs in USD (candidates,), NaN where a price is missing.

    Raises:
        InputError: No candidate is that much cheaper.
    """
    strong = int(means.argmax())
    cheap = costs <= DISCOUNT * costs[strong]
    if not cheap.any():
        raise InputError("no candidate costs a tenth of the best one or less; the pair needs one, add prices")
    return strong, int(np.where(cheap, means, -1.0).argmax())


def sent_to_strong(need: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Send the prompts that need it most to the strong candidate; equal needs are dealt out at random (seed 0).

    Args:
        need: How much each prompt needs the strong candidate (prompts,).
        share: Of the prompts that it gets.

    Returns:
        0 where the strong candidate is chosen and 1 elsewhere, (prompts,).
    """
    drawn = np.random.default_rng(0).permutation(len(need))
    most = np.lexsort((drawn, -need))[: round(share * len(need))]
    choice = np.ones(len(need), dtype=np.int64)
    choice[most] = 0
    return choice


def labels(train: Labelled, order: np.ndarray) -> Labelled:
    """Replace the outcomes by one label per prompt, as the packages do: 1 for the best candidate, else 0.

    Args:
        train: Prompts with complete outcomes.
        order: Columns (candidates,); of equally good candidates the first in it is the label.
    """
    best = order[train.outcomes[:, order].argmax(axis=1)]
    marked = np.zeros_like(train.outcomes)
    marked[np.arange(len(best)), best] = 1.0
    return Labelled(train.vectors, marked, train.tasks, train.cost)


def votes(labelled: Labelled) -> Scorer:
    """Count the labels among the 5 nearest prompts, without shrinkage: LLMRouter's kNN."""
    zero = np.zeros(labelled.outcomes.shape[1])
    return lambda vectors: means(vectors, labelled.vectors, labelled.outcomes, zero, count=5)


def network(width: int, candidates: int) -> nn.Module:
    """Return a network in the shape of LLMRouter's MLP."""
    return nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, candidates))


def routed(train: Labelled, validation: Labelled, test: Labelled) -> dict[str, np.ndarray]:
    """Return the columns that our rivals choose for the test prompts, by rival."""
    means = train.outcomes.mean(axis=0)
    order = np.argsort(-means, kind="stable")
    best_first, by_name = labels(train, order), labels(train, np.arange(len(order)))
    scorers = {
        "knn": knn.fit(train, validation),
        "mlp": mlp.fit(train, validation),
        "ridge": ridge.fit(train, validation),
        "embedllm": embedllm.fit(train, validation),
    }
    exact = {
        "knn, their settings": votes(best_first),
        "knn, their settings, rows by name": votes(by_name),
        "mlp, their settings": trained(network, best_first, Schedule(100, rate=1e-3, batch=32, decay=1e-4), epochs=100),
    }
    found = {name: policy.choose(score(test.vectors), mean_score=means) for name, score in scorers.items()}
    # Votes tie often, and theirs go to the first name.
    found |= {name: score(test.vectors).argmax(axis=1) for name, score in exact.items()}
    found[SINGLE] = np.full(len(test.outcomes), order[0])
    return found


def two_of(part: Labelled, pair: tuple[int, int]) -> Labelled:
    """Return the same prompts with two candidates."""
    return Labelled(part.vectors, part.outcomes[:, pair], part.tasks, part.cost[:, pair])


def needed(train: Labelled, validation: Labelled, test: Labelled) -> dict[str, np.ndarray]:
    """Return by rival how much better the strong candidate is expected to be on each test prompt."""
    decided = [part.take(np.flatnonzero(np.ptp(part.outcomes, axis=1) > 0)) for part in (train, validation)]
    scorers = {
        "knn": knn.fit(train, validation),
        "mlp": mlp.fit(train, validation),
        "embedllm": embedllm.fit(train, validation),
        "embedllm, their settings": embedllm.fit(*decided),
    }
    return {name: -np.diff(score(test.vectors), axis=1)[:, 0] for name, score in scorers.items()}
