"""Scores an arena with a bundle; candidates that it does not know are admitted first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from modelsat.bundle import admission
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.default_choice import by_default
from modelsat.data.aliases import Roster
from modelsat.data.collection import Collection
from modelsat.evaluation.arena import Arena
from modelsat.policy import costs, eligibility
from modelsat.policy.picture_promise import IMAGE
from modelsat.policy.preferences import BEST, Preferences
from modelsat.policy.promise import resolved
from modelsat.routers.router import Prediction, Progress


@dataclass(frozen=True)
class ChoiceTerms:
    """What a router's choices in an arena depend on beside its probabilities; n prompts, m candidates of the arena.

    Attributes:
        allowed: Which candidates it may choose, boolean (n, m).
        mean_score: Decides exact ties, (m,) or (n, m).
        uncertainty_margin: How much of each probability its choices do not count on, (m,).
        elsewhere: Prompts that it answers with a candidate which the arena does not hold, boolean (n,): such a choice
            cannot be judged; None for no prompt.
        cost: What it expects answers to cost in USD, (n, m), NaN where unknown; None for what the arena expects.
        preferences: By which it chooses where a request asks for nothing, resolved (`policy.promise`).
        single: As of `modelsat.policy.choice.rank`.
        pictures: Of prompts with pictures, `preferences` and `single`; None for those of all prompts.
    """

    allowed: np.ndarray
    mean_score: np.ndarray
    uncertainty_margin: np.ndarray
    elsewhere: np.ndarray | None = None
    cost: np.ndarray | None = None
    preferences: Preferences = resolved(Preferences(), None)
    single: int | None = None
    pictures: tuple[Preferences, int | None] | None = None

    @property
    def at_its_best(self) -> "ChoiceTerms":
        """Return the terms of `auto:best`, which looks at no cost."""
        return replace(self, preferences=resolved(Preferences(policy=BEST), None), pictures=None)


class BundleScores(NamedTuple):
    """What a bundle makes of an arena.

    Attributes:
        probabilities: Success probabilities (n, m) in the arena's order, 0 for a candidate that is not known.
        terms: What else its choices in the arena depend on, candidates that were admitted included.
        served: As of `served`, without them.
    """

    probabilities: np.ndarray
    terms: ChoiceTerms
    served: list[str]


def score(
    bundle: Bundle,
    answers: Collection,
    arena: Arena,
    candidates: pa.Table,
    questions: int | None = None,
    progress: Progress | None = None,
) -> BundleScores:
    """Score an arena with a bundle, to which candidates that it does not know are admitted first.

    Args:
        bundle: The router.
        answers: Of the candidates that the bundle does not know.
        arena: What to score.
        candidates: Its candidates, table of the contract `CANDIDATES`: a name or an alias says who is who.
        questions: As of `admit`.
        progress: Called with (prompts done, prompts in all).
    """
    routed_to = Roster.of(bundle.candidates).match(answers.candidates)
    is_new = pa.array([name not in routed_to for name in answers.candidates["candidate"].to_pylist()], pa.bool_())
    newcomers = replace(answers, candidates=answers.candidates.filter(is_new))
    admitted = admission.admit(bundle, newcomers, questions)
    into, taken = _places(admitted, arena, candidates)
    out = np.zeros(arena.truth.shape, dtype=np.float32)
    answered = [""] * len(out)
    if len(into):
        reading = read(admitted, arena.texts, progress)
        probabilities, own = reading.success_probability, len(bundle.names)
        out[:, into] = probabilities[:, taken]
        cost = None if reading.cost_usd is None else reading.cost_usd[:, :own]
        answered = served(bundle, arena.texts, probabilities[:, :own], cost)
        return BundleScores(out, terms(admitted, arena, candidates, reading.cost_usd), answered)
    return BundleScores(out, terms(admitted, arena, candidates), answered)


def as_served(bundle: Bundle, arena: Arena, candidates: pa.Table) -> BundleScores:
    """Score an arena with a bundle that chooses among all its own candidates on every prompt, and no others.

    Args:
        bundle: The router.
        arena: What to score.
        candidates: As of `score`.
    """
    into, taken = _places(bundle, arena, candidates)
    out = np.zeros(arena.truth.shape, dtype=np.float32)
    reading = read(bundle, arena.texts)
    out[:, into] = reading.success_probability[:, taken]
    answers = served(bundle, arena.texts, reading.success_probability, reading.cost_usd)
    held = {bundle.names[i] for i in taken}
    elsewhere = np.asarray([name != "" and name not in held for name in answers], dtype=bool)
    own = replace(arena, served=np.isin(np.arange(len(arena.candidates)), into))
    return BundleScores(out, replace(terms(bundle, own, candidates, reading.cost_usd), elsewhere=elsewhere), answers)


def read(bundle: Bundle, texts: list[str], progress: Progress | None = None) -> Prediction:
    """Return probabilities of prompts, and what they cost where the router predicts that; nothing else is computed.

    Args:
        bundle: The router.
        texts: The prompts.
        progress: Called with (prompts done, prompts in all).
    """
    if bundle.router.predicts_cost:
        return bundle.reading(texts)
    nothing = np.zeros(len(texts))
    return Prediction(bundle.success_probability(texts, progress), nothing.astype(bool), nothing)


def served(
    bundle: Bundle, texts: Sequence[str], probabilities: np.ndarray, cost_usd: np.ndarray | None = None
) -> list[str]:
    """Return what a bundle answers prompts with where it is served; empty for one that none of its candidates reads.

    Args:
        bundle: The router.
        texts: The prompts.
        probabilities: Its success probabilities (prompts, candidates of the bundle).
        cost_usd: As of `Prediction`.
    """
    size = costs.tokens_in(texts)
    readable = eligibility.readable(bundle.pool.context_length, size)
    columns = by_default(bundle, probabilities, size, readable, cost_usd)
    return [bundle.names[i] if i >= 0 else "" for i in columns]


def terms(bundle: Bundle, arena: Arena, candidates: pa.Table, cost_usd: np.ndarray | None = None) -> ChoiceTerms:
    """Return what a bundle's choices in an arena depend on, as it is when the bundle is served.

    It may choose the arena's routable candidates that it knows and that read the whole prompt.

    Args:
        bundle: The router.
        arena: Where it chooses.
        candidates: As of `score`.
        cost_usd: As of `Prediction`, of the arena's prompts and the bundle's candidates.
    """
    into, taken = _places(bundle, arena, candidates)
    pool, (n, m) = bundle.pool, arena.pool.shape
    allowed, mean_score, margin = np.zeros((n, m), dtype=bool), np.zeros(m), np.zeros(m, dtype=np.float32)
    size = costs.tokens_in(arena.texts)
    readable = eligibility.readable(pool.context_length, size)
    expected = np.full((n, m), np.nan)
    expected[:, into] = pool.cost(size, cost_usd)[:, taken]
    allowed[:, into] = arena.routable[:, into] & readable[:, taken]
    mean_score[into] = pool.mean_score[taken]
    margin[into] = bundle.router.doubt[taken]
    place = {int(column): int(i) for i, column in zip(into, taken, strict=True)}

    def asked(asks: Preferences) -> tuple[Preferences, int | None]:
        single = bundle.single_for(asks)
        return resolved(asks, bundle.defaults.of(asks)), None if single is None else place.get(single)

    preferences, single = asked(Preferences())
    pictures = asked(Preferences(modalities=(IMAGE,))) if bundle.defaults.pictures else None
    return ChoiceTerms(
        allowed, mean_score, margin, cost=expected, preferences=preferences, single=single, pictures=pictures
    )


def _places(bundle: Bundle, arena: Arena, candidates: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of the arena whose candidates a bundle knows, and their columns in the bundle."""
    known = Roster.of(bundle.candidates).match(candidates)
    column = {name: i for i, name in enumerate(bundle.names)}
    places = [(i, column[known[name]]) for i, name in enumerate(arena.candidates) if name in known]
    into, taken = np.asarray(places, dtype=np.int64).reshape(-1, 2).T
    return into, taken
