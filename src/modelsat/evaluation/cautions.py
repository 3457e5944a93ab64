"""What to know before one believes the figures of a comparison."""

from collections.abc import Sequence

import numpy as np

from modelsat.data import prompt_sets, score_matrix
from modelsat.data.collection import Collection
from modelsat.data.remarks import Remark
from modelsat.evaluation import patchy
from modelsat.evaluation.arena import Arena

_NAMED = 5


def of(collection: Collection, arena: Arena) -> list[str]:
    """Return remarks on the candidates that are judged nowhere, and on results that are not missing at random.

    Args:
        collection: The results.
        arena: What was made of them.
    """
    absent = [arena.candidates[i] for i in np.flatnonzero(~arena.pool.any(axis=0))]
    remarks = []
    if absent:
        share = patchy.MIN_SHARE if arena.missing_at_random else score_matrix.CORE_SHARE
        remarks.append(
            Remark.CANDIDATE_NOT_JUDGED.of(
                f"{len(absent)} of {len(arena.candidates)} candidates were run on less than {100 * share:.0f} % of "
                f"every set and cannot be chosen anywhere: {_listed(absent)}"
            )
        )
    return remarks + (_not_at_random(collection, arena) if arena.missing_at_random else [])


def unanswered(router: str, candidates: Sequence[str]) -> str:
    """Return the remark on candidates that a router cannot choose, since it knows nothing of them."""
    return Remark.CANDIDATE_UNANSWERED.of(
        f"{router} cannot choose {', '.join(candidates)}: the results contain no answers from it"
    )


def _not_at_random(collection: Collection, arena: Arena) -> list[str]:
    blocks = collection.blocks("candidate", "prompt_id", "score")
    truth = score_matrix.spread(blocks, collection.prompts["prompt_id"].to_pylist(), arena.candidates)
    sets = prompt_sets.names(collection, truth, patchy.MIN_SHARE)
    remarks = []
    for name in np.unique(arena.sets):
        outcomes = truth[sets == name]
        for found in patchy.contradictions(outcomes)[:_NAMED]:
            ran = float((~np.isnan(outcomes[:, found.column])).mean())
            kind, more = ("easier", "more") if found.easier > 0 else ("harder", "less")
            remarks.append(
                Remark.NOT_AT_RANDOM.of(
                    f"candidate {arena.candidates[found.column]!r} was run on {100 * ran:.0f} % of {str(name)!r}, on "
                    f"the {kind} prompts: others score {100 * abs(found.easier):.1f} points {more} there than on the "
                    "rest, so the gaps are not random; run it on the rest, or leave it out"
                )
            )
    return remarks


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
