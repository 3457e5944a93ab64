"""The default of a bundle, settled at the prices and among the candidates that it has now."""

from dataclasses import replace
from typing import Any

import numpy as np

from modelsat.bundle.bundle import Bundle
from modelsat.bundle.kept_evidence import KeptEvidence
from modelsat.policy import eligibility, picture_promise, promise
from modelsat.policy.picture_promise import IMAGE
from modelsat.policy.promise import Promise

USUAL, PICTURES = "promise", "picture_promise"
"""In the lineage: what the default promises, if anything, and what it promises for requests with pictures."""


def settled(bundle: Bundle) -> Bundle:
    """Return the bundle with what its default promises; the evidence that it holds decides.

    A candidate that came after the evidence was gathered is not judged by it: others are chosen as if it answered
    nothing, at cost weights that its price has a say in, as in every choice. A bundle that holds no evidence and
    promised something falls back on the best single candidate.

    Args:
        bundle: With the evidence as it is since the change that calls for this.
    """
    evidence = bundle.evidence
    told = _fallen_back(bundle) if evidence is None else _settled(bundle, evidence)
    lineage = {name: one for name, one in bundle.lineage.items() if name not in (USUAL, PICTURES)}
    return replace(bundle, lineage=lineage | {name: one.as_json() for name, one in told.items() if one is not None})


def _settled(bundle: Bundle, evidence: KeptEvidence) -> dict[str, Promise | None]:
    names, pool, size = bundle.names, bundle.pool, evidence.tokens_in.astype(np.float64)
    said, outcomes = evidence.of(names, evidence.probabilities, -np.inf), evidence.of(names, evidence.outcomes, np.nan)
    cost = pool.cost(size, evidence.of(names, evidence.cost_usd, np.nan).astype(np.float64))
    readable = eligibility.readable(pool.context_length, size)
    # Only one that the evidence knows can be what others are compared with.
    means = np.where(np.isin(names, evidence.names), pool.mean_score, -1.0)
    doubt, seen = bundle.router.doubt, evidence.pictured
    return {
        USUAL: promise.settle(said, outcomes, cost, means, names, doubt, readable),
        PICTURES: picture_promise.settle(
            said[seen], outcomes[seen], cost[seen], means, names, pool.modalities, doubt, readable[seen]
        ),
    }


def _fallen_back(bundle: Bundle) -> dict[str, Promise | None]:
    sees = [IMAGE in read for read in bundle.pool.modalities]
    everybody = [True] * len(bundle.names)
    return {
        USUAL: _single(bundle, bundle.defaults.usual, everybody),
        PICTURES: _single(bundle, bundle.defaults.pictures, sees),
    }


def _single(bundle: Bundle, before: Promise | None, able: list[bool]) -> Promise | None:
    """Return the default of the best candidate among those that are able: the one that was named, if it is left."""
    if before is None or not any(able):
        return None
    best = before.best_single
    if best not in bundle.names:
        best = bundle.names[int(np.argmax(np.where(able, bundle.pool.mean_score, -1.0)))]
    nothing: dict[str, Any] = {"cost_weight": None, "gain": 0.0, "low": 0.0, "cost_share": 1.0, "prompts": 0}
    return replace(before, best_single=best, priced=True, **nothing)
