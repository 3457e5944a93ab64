"""In which order questions are put: all at once as frozen, or block by block, each chosen by the answers before it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from modelsat.aptitude import balanced_order
from modelsat.aptitude.frozen_test import AptitudeTest
from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError
from modelsat.onboarding.asking import adaptive
from modelsat.onboarding.asking.adaptive import Choices
from modelsat.onboarding.asking.run import Question
from modelsat.policy import choice
from modelsat.routers.fusion import newcomer
from modelsat.routers.fusion.router import Fusion
from modelsat.routers.fusion.surface import Surface
from modelsat.routers.reranked import Reranked
from modelsat.routers.router import Router
from modelsat.routers.selection import Selection


def adaptive_blocks(
    bundle: Bundle, questions: Sequence[Question], answers: Mapping[str, Mapping[str, Any]]
) -> Iterator[list[Question]]:
    """Yield blocks of questions until further answers would hardly change a choice.

    Half of a block are the next ones in the frozen order, off which the level is read: questions that are chosen for
    what they tell are no fair sample, and a stranger's level would be wrong by many points. The other half tell most.

    Choices are looked at where the router's landmarks lie, a sample of the prompts that it was fitted to.

    Args:
        bundle: Loaded with its router.
        questions: That may be asked, of the bundle's test.
        answers: Records by prompt id, which grow while blocks are asked.

    Raises:
        InputError: The router has no outcome surface to place a newcomer on.
    """
    fusion = surface_router(bundle.router)
    row_of = {prompt_id: row for row, prompt_id in enumerate(bundle.aptitude_test["prompt_id"].to_pylist())}
    zoo = fusion.anchors.zoo[[row_of[one["prompt_id"]] for one in questions]]
    size = len(newcomer.believe(fusion.surface, np.empty(0), zoo[:0]).mean)
    design = adaptive.design(fusion.surface.observed(zoo), size)
    choices = _choices(fusion.surface, size, [fusion.candidates.index(name) for name in bundle.names])
    in_fair_order = AptitudeTest(bundle.aptitude_test, "").in_fair_order
    put: set[int] = set()
    while True:
        known = [i for i, one in enumerate(questions) if one["prompt_id"] in answers]
        scores = np.asarray([answers[questions[i]["prompt_id"]]["score"] for i in known])
        fair = balanced_order.beginning(np.isin(np.arange(len(questions)), known))[known] if in_fair_order else None
        now = newcomer.believe(fusion.surface, scores, zoo[known], fair)
        # A question without an answer is not put again in this run.
        left = [i for i in range(len(questions)) if i not in put.union(known)]
        if not left or (known and adaptive.unsettled(now, choices) < adaptive.SETTLED):
            return
        half = adaptive.BLOCK // 2
        block, rest = left[:half], left[half:]
        chosen = adaptive.next_block(now, choices, design[rest], [questions[i]["task"] for i in rest], half)
        block += [rest[i] for i in chosen]
        put.update(block)
        yield [questions[i] for i in block]


def surface_router(router: Router) -> Fusion:
    """Return the router, or its part, that reads an outcome surface.

    Raises:
        InputError: It has none.
    """
    inner = router.inner if isinstance(router, Selection) else router
    found = inner.fusion if isinstance(inner, Reranked) else inner
    if not isinstance(found, Fusion):
        raise InputError(f"a {router.kind} router has no outcome surface to choose questions by; ask without adaptive")
    return found


def _choices(surface: Surface, size: int, pool: list[int]) -> Choices:
    # Landmarks are kept as they are described: seen from the centre, at the length of one.
    layers = surface.landmarks.reshape(len(surface.landmarks), *surface.centre.shape) * np.sqrt(len(surface.centre))
    directions = surface.directions(layers + surface.centre)
    assured = choice.assured(surface.success_probability(directions), surface.doubt)
    return Choices(adaptive.design(directions, size), assured[:, pool].max(axis=1))
