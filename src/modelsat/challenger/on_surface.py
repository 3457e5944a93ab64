"""The parts of a challenger that every router on an outcome surface has."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from modelsat.aptitude.instructions import Instructions, Part
from modelsat.bundle.bundle import Bundle
from modelsat.challenger.encoded import EncodedPrompts, Known
from modelsat.challenger.predictions import prediction_rows
from modelsat.data import score_matrix, splits
from modelsat.evaluation.table import CHALLENGER
from modelsat.policy.costs import tokens_in
from modelsat.routers.fusion import cost_head, members
from modelsat.routers.fusion.cost_head import CostHead
from modelsat.routers.fusion.surface import Surface
from modelsat.routers.fusion.surface_router import Anchors, SurfaceRouter


def anchors(instructions: Instructions, prompts: EncodedPrompts, fitted: Surface) -> Anchors:
    """Return the aptitude questions on a fitted surface."""
    train, vectors = prompts.parts[splits.TRAIN], prompts.vectors[splits.TRAIN]
    place = {prompt_id: i for i, prompt_id in enumerate(train.ids)}
    # For a question without training data, every candidate is assumed to score its overall mean.
    asked = instructions.aptitude_test["prompt_id"].to_pylist()
    into = [i for i, prompt_id in enumerate(asked) if prompt_id in place]
    taken = [place[asked[i]] for i in into]
    found = Anchors(
        np.zeros((len(asked), *vectors.shape[1:]), dtype=np.float32),
        np.tile(fitted.means, (len(asked), 1)),
    )
    found.vectors[into] = vectors[taken]
    found.zoo[into] = score_matrix.filled(train.targets[taken])
    return found


def costs(instructions: Instructions, prompts: EncodedPrompts, known: Known) -> CostHead | None:
    """Fit what answers cost to all training and validation prompts of which that is known; None where it is not."""
    if "paid" not in instructions.facts:
        return None
    paid = [instructions.paid(prompts.parts[split].ids) for split in (splits.TRAIN, splits.VALIDATION)]
    return cost_head.fit(known.vectors, tokens_in(known.texts), np.concatenate(paid))


def alone(router: SurfaceRouter, vectors: np.ndarray, tokens: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """Return what each member says that reads prompts, beside a surface on an encoder's states, by its row's name."""
    said = {one.name: one.success_probability for one in router.members_of(vectors, tokens)}
    return {f"{name} alone": said[name] for name in (members.TASKS, members.WORDS) if name in said}


def told(
    rows: dict[str, np.ndarray],
    made: Bundle,
    written: Bundle,
    router: SurfaceRouter,
    test: Part,
    vectors: np.ndarray,
) -> pa.Table:
    """Return the predictions of held-out prompts as a table of the contract `PREDICTIONS`.

    Args:
        rows: Success probabilities by the name of a router, (n, m); the challenger's is `CHALLENGER`.
        made: The bundle with all m candidates.
        written: As it was written, with its digest; its candidates are kept.
        router: Says how foreign prompts are and what answers cost.
        test: The n prompts.
        vectors: Of these, (n, layers, width).
    """
    served = [made.names.index(name) for name in written.names]
    foreign = {CHALLENGER: router.foreign(vectors)}
    cost = router.expected_cost(vectors, test.texts)
    costs = {} if cost is None else {CHALLENGER: cost[:, served]}
    return pa.concat_tables(
        [
            prediction_rows(name, values[:, served], test.ids, written.digest, foreign.get(name), costs.get(name))
            for name, values in rows.items()
        ]
    )
