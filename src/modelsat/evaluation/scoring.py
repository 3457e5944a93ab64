"""Scores an arena with a bundle; candidates that it does not know are admitted first."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from modelsat.bundle import admission
from modelsat.bundle.bundle import Bundle
from modelsat.data.collection import Collection
from modelsat.data.roster import Roster
from modelsat.evaluation.arena import Arena
from modelsat.routers.router import Progress


def score(
    bundle: Bundle,
    answers: Collection,
    arena: Arena,
    candidates: pa.Table,
    questions: int | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Score an arena with a bundle, to which candidates that it does not know are admitted first.

    Args:
        bundle: The router.
        answers: Of the candidates that the bundle does not know.
        arena: What to score.
        candidates: Its candidates, table of the contract `CANDIDATES`: a name or an alias says who is who.
        questions: As of `admit`.
        progress: Called with (prompts done, prompts in all).

    Returns:
        Success probabilities (prompts, candidates) in the arena's order, 0 for a candidate that is in neither; and the
        doubt about each candidate, (candidates,).
    """
    routed_to = Roster.of(bundle.candidates).match(answers.candidates)
    is_new = pa.array([name not in routed_to for name in answers.candidates["candidate"].to_pylist()], pa.bool_())
    newcomers = replace(answers, candidates=answers.candidates.filter(is_new))
    admitted = admission.admit(bundle, newcomers, questions)
    known = Roster.of(admitted.candidates).match(candidates)
    column = {name: i for i, name in enumerate(admitted.names)}
    places = [(i, column[known[name]]) for i, name in enumerate(arena.candidates) if name in known]
    out, doubt = np.zeros(arena.truth.shape, dtype=np.float32), np.zeros(len(arena.candidates), dtype=np.float32)
    if places:
        into, taken = map(list, zip(*places, strict=True))
        out[:, into] = admitted.success_probability(arena.texts, progress)[:, taken]
        doubt[into] = admitted.router.doubt[taken]
    return out, doubt
