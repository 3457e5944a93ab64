"""The challenger's bundle as it is served: without the candidates whose choices the results cannot judge."""

from dataclasses import replace
from typing import Protocol

import numpy as np

from modelsat.aptitude.instructions import Instructions
from modelsat.bundle import narrowing
from modelsat.bundle.bundle import Bundle
from modelsat.challenger.default import DefaultEvidence
from modelsat.errors import InputError
from modelsat.evaluation import served_pool
from modelsat.evaluation.served_pool import ServedPool

WITHHELD = "withheld"
"""In the lineage: why a candidate that training knew is not served, by name."""


class AssembledChallenger(Protocol):
    """What every mode of training assembles: a bundle of all candidates, and validation prompts scored by it."""

    @property
    def bundle(self) -> Bundle:
        """Return the unwritten bundle."""

    @property
    def validation(self) -> np.ndarray:
        """Return calibrated success probabilities of validation prompts (n, m), not fitted to them."""

    @property
    def outcomes(self) -> np.ndarray:
        """Return the scores there (n, m), NaN where not run."""

    @property
    def evidence(self) -> DefaultEvidence:
        """Return on what the default is settled."""


def narrow(assembled: AssembledChallenger, instructions: Instructions) -> tuple[Bundle, ServedPool]:
    """Return the bundle of the candidates that are served, and why the others are not.

    What is known of a withheld candidate's results stays in the lineage for the day it comes in.

    Raises:
        InputError: The instructions are of an earlier version, or no two candidates can be judged.
    """
    if "cores" not in instructions.facts:
        raise InputError("the instructions were built by an earlier version of modelsat; run `modelsat instruct` again")
    whole = assembled.bundle
    means = whole.lineage["mean_score"]
    pool = served_pool.choose(
        whole.names,
        instructions.facts["cores"],
        assembled.validation,
        assembled.outcomes,
        instructions.facts["ran"],
        np.asarray([means.get(name, 0.0) for name in whole.names]),
        whole.router.doubt,
    )
    if not pool.withheld:
        return whole, pool
    kept = {key: whole.lineage[key] for key in ("summary", "tokens_out", "paid") if key in whole.lineage}
    served = narrowing.without(whole, pool.withheld)
    return replace(served, lineage=served.lineage | kept | {WITHHELD: pool.withheld}), pool
