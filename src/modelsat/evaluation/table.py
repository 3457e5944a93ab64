"""How well routers choose, beside the lines that keep one honest.

Every table holds random, best single (chosen on training prompts), best per category (knows the true label, so no
router can use it) and oracle, with intervals from a paired bootstrap over prompts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from modelsat.errors import InputError
from modelsat.evaluation.arena import Arena
from modelsat.evaluation.scoring import ChoiceTerms
from modelsat.policy import choice, costs
from modelsat.policy.preferences import UTILITY, Preferences
from modelsat.statistics import Interval, area_under_curve, bootstrap_means, expected_calibration_error, interval

CHALLENGER, MODEL_SAT, FUSION = "modelsat router", "Model-SAT alone", "fusion alone"
BEST_END = "modelsat router, auto:best"
"""The router where its default gives up accuracy for cost: its end of the dial, which looks at no cost."""
UNREAD_PICTURES = "modelsat router, auto:best, pictures unread"
"""The same where the text in pictures is left out: what reading them adds is the difference."""
STACK = "stack of kNN and task classifier"
BEST_SINGLE, RANDOM, PER_CATEGORY, ORACLE = "best single", "random", "best per category (true label)", "oracle"


@dataclass(frozen=True)
class Line:
    """One row of the table; accuracies and gains in [0, 1], cost in USD per 1,000 prompts, None where unpriced."""

    name: str
    is_reference: bool
    accuracy: Interval
    gain: Interval
    cost_usd_per_1k: float | None


@dataclass(frozen=True)
class Evaluation:
    """The table, and what a page or a gate needs beside it.

    Attributes:
        lines: Routers first, references after.
        prompts: How many prompts were compared.
        pool: How many candidates could be chosen at most.
        sets: Prompts per set.
        choices: Chosen column per prompt, by router.
        terms: What choices depend on beside the probabilities, by bundle; other routers choose as of `chosen`.
        correct: Score of the choice per prompt, by line, in [0, 1]; NaN where the chosen candidate was not run.
        unjudged: Share of the choices on candidates that were not run on the prompt, by router, in [0, 1].
        cost: What the choice costs per prompt in USD, by line, also where it cannot be judged: as measured, else as
            expected; an unknown cost counts as the pool's largest.
        auc: Success prediction over all (prompt, candidate) pairs, by router.
        ece: Expected calibration error, by router.
    """

    lines: tuple[Line, ...]
    prompts: int
    pool: int
    sets: dict[str, int]
    choices: dict[str, np.ndarray]
    terms: dict[str, ChoiceTerms]
    correct: dict[str, np.ndarray]
    unjudged: dict[str, float]
    cost: dict[str, np.ndarray]
    auc: dict[str, float]
    ece: dict[str, float]

    def line(self, name: str) -> Line:
        """Return the row of that name."""
        return next(line for line in self.lines if line.name == name)

    def metrics(self, router: str) -> dict[str, float]:
        """Return the scalars of one router under the names that KFP and MLflow show."""
        mine, best, oracle = self.line(router), self.line(BEST_SINGLE), self.line(ORACLE)
        room = oracle.accuracy.value - best.accuracy.value
        values = {
            "routing_accuracy": mine.accuracy.value,
            "routing_accuracy_ci_low": mine.accuracy.low,
            "routing_accuracy_ci_high": mine.accuracy.high,
            "best_single_accuracy": best.accuracy.value,
            "random_accuracy": self.line(RANDOM).accuracy.value,
            "per_category_best_accuracy": self.line(PER_CATEGORY).accuracy.value,
            "oracle_accuracy": oracle.accuracy.value,
            "gain_over_best_single": mine.gain.value,
            "gain_over_best_single_ci_low": mine.gain.low,
            "gain_over_best_single_ci_high": mine.gain.high,
            "oracle_gap_closed": mine.gain.value / room if room > 0 else 0.0,
            "success_auc": self.auc[router],
            "success_ece": self.ece[router],
            "prompts": float(self.prompts),
            "unjudged_choices": self.unjudged[router],
        }
        if mine.cost_usd_per_1k is not None:
            values["cost_usd_per_1k_queries"] = mine.cost_usd_per_1k
        return values


def evaluate(
    arena: Arena,
    predictions: Mapping[str, np.ndarray],
    seed: int = 0,
    terms: Mapping[str, ChoiceTerms] | None = None,
) -> Evaluation:
    """Compare routers in an arena.

    Args:
        arena: Prompts and outcomes.
        predictions: Success probabilities (prompts, candidates) by router, in the arena's order.
        seed: Of the bootstrap.
        terms: What else the choices of bundles depend on; other routers choose as of `chosen`.
    """
    rows = np.arange(len(arena.truth))
    known = dict(terms or {})
    choices = {name: chosen(arena, told, known.get(name)) for name, told in predictions.items()}
    scored = {name: scores(arena, columns, known.get(name)) for name, columns in choices.items()}
    unjudged = {name: float(np.isnan(one).mean()) for name, one in scored.items()}
    for name, share in unjudged.items():
        if share == 1:
            raise InputError(
                f"{name} chooses candidates that were run on none of its {len(rows)} prompts, so it cannot be judged; "
                "collect results of its candidates on the same prompts"
            )
    references = {
        BEST_SINGLE: arena.best_single,
        PER_CATEGORY: np.where(arena.pool, arena.label_prior, -1.0).argmax(axis=1),
    }
    inside = np.where(arena.pool, arena.truth, 0.0)
    correct = scored | {name: arena.truth[rows, column].astype(np.float64) for name, column in references.items()}
    correct[RANDOM] = inside.sum(axis=1) / arena.pool.sum(axis=1)
    correct[ORACLE] = np.where(arena.pool, arena.truth, -1.0).max(axis=1).astype(np.float64)
    billed = _costs(arena, choices | references)
    judged = np.where(arena.routable, arena.truth, np.nan)
    lines = _lines(correct, billed, [name in predictions for name in correct], seed)
    return Evaluation(
        lines=lines,
        prompts=len(rows),
        pool=int(arena.pool.sum(axis=1).max()),
        sets={str(name): int((arena.sets == name).sum()) for name in np.unique(arena.sets)},
        choices=choices,
        terms=known,
        correct=correct,
        unjudged=unjudged,
        cost=billed,
        auc={name: area_under_curve(p, judged) for name, p in predictions.items()},
        ece={name: expected_calibration_error(p, judged) for name, p in predictions.items()},
    )


def chosen(
    arena: Arena, probabilities: np.ndarray, terms: ChoiceTerms | None = None, cost_weight: float | None = None
) -> np.ndarray:
    """Return the column that a router chooses for each prompt, (prompts,), as it does when it is served.

    Args:
        arena: Where it chooses.
        probabilities: Success probabilities (prompts, candidates).
        terms: What else its choices depend on; by default it may choose what is routable, and the better training mean
            decides ties. Where the terms leave no candidate, the best single candidate answers, as in front of a user.
        cost_weight: As of `modelsat.policy.choice.rank`; None chooses as where a request asks for nothing.
    """
    allowed, means, cost, margin, single = arena.routable, arena.prior, arena.cost, None, None
    asked = Preferences(policy=UTILITY, cost_weight=cost_weight or 0.0)
    if terms is not None:
        allowed, means, margin = terms.allowed, terms.mean_score, terms.uncertainty_margin
        cost = arena.cost if terms.cost is None else terms.cost
        asked, single = (terms.preferences if cost_weight is None else asked), terms.single
    columns = _chosen(probabilities, allowed, means, cost, margin, asked, single)
    if terms is not None and terms.pictures is not None and cost_weight is None and arena.pictured is not None:
        seeing = _chosen(probabilities, allowed, means, cost, margin, *terms.pictures)
        columns = np.where(arena.pictured, seeing, columns)
    return np.where(columns < 0, arena.best_single, columns)


def _chosen(
    probabilities: np.ndarray,
    allowed: np.ndarray,
    means: np.ndarray,
    cost: np.ndarray,
    margin: np.ndarray | None,
    asked: Preferences,
    single: int | None,
) -> np.ndarray:
    weight = asked.cost_weight or 0.0
    return choice.choose(probabilities, allowed, means, cost, weight, margin, policy=asked.policy, single=single)


def scores(arena: Arena, columns: np.ndarray, terms: ChoiceTerms | None) -> np.ndarray:
    """Return the score of each choice, NaN where it cannot be judged, (prompts,)."""
    found = arena.truth[np.arange(len(columns)), columns].astype(np.float64)
    return found if terms is None or terms.elsewhere is None else np.where(terms.elsewhere, np.nan, found)


def filled_costs(arena: Arena) -> np.ndarray:
    """Return what choices are billed in USD (prompts, candidates); what is unknown counts as the most expensive one."""
    return costs.filled(arena.billed, arena.pool | arena.routable)


def _costs(arena: Arena, picked: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    if np.isnan(np.where(arena.pool, arena.billed, np.nan)).all():
        return {}
    filled = filled_costs(arena)
    rows = np.arange(len(filled))
    by_line = {name: filled[rows, column] for name, column in picked.items()}
    by_line[RANDOM] = np.where(arena.pool, filled, 0.0).sum(axis=1) / arena.pool.sum(axis=1)
    return by_line


def _lines(
    correct: Mapping[str, np.ndarray], costs: Mapping[str, np.ndarray], is_router: list[bool], seed: int
) -> tuple[Line, ...]:
    names = list(correct)
    table = np.column_stack([correct[name] for name in names])
    # A gain is over the prompts on which the router can be judged.
    gains = table - table[:, [names.index(BEST_SINGLE)]]
    resampled, gained = np.split(bootstrap_means(np.hstack([table, gains]), seed=seed), 2, axis=1)
    lines = []
    for i, name in enumerate(names):
        lines.append(
            Line(
                name,
                not is_router[i],
                interval(np.nanmean(table[:, i]), resampled[:, i]),
                interval(np.nanmean(gains[:, i]), gained[:, i]),
                float(costs[name].mean() * 1000) if name in costs else None,
            )
        )
    return tuple(lines)
