"""The recommended policy as a bundle, which the endpoint serves as it was judged."""

from typing import Any

import numpy as np
import pyarrow as pa

from modelsat import __version__
from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.errors import InputError
from modelsat.offpolicy.policies import KNN, SINGLE, Learned, Policy
from modelsat.offpolicy.proof import Proof
from modelsat.policy.promise import CONFIDENCE, Promise
from modelsat.routers.constant import Constant
from modelsat.routers.router import Router
from modelsat.text import embeddings
from modelsat.text.backbone import default_backbone

_ATTRIBUTION = "# Data behind this router\n\n- requests of the log that `modelsat prove` read\n"


def bundle(proof: Proof, catalogue: pa.Table | None = None) -> Bundle:
    """Return the recommended policy as a bundle.

    Costs are those of the log, as the policy was judged with; list prices of the catalogue are left out of it.

    Args:
        proof: That recommends a policy.
        catalogue: Table of the contract `CANDIDATES` with what else is known of the models.

    Raises:
        InputError: Nothing is recommended.
    """
    if proof.recommended is None:
        raise InputError("the log recommends nothing, so there is no router to write")
    policy = next(one for one in proof.policies if one.name == proof.recommended)
    learned, names = proof.learned, proof.models
    return Bundle(
        router=_router(policy, learned, names),
        candidates=_candidates(names, catalogue),
        aptitude_test=contracts.APTITUDE_TEST.empty_table(),
        cards=contracts.CARDS.empty_table(),
        lineage=_lineage(proof, policy),
        attribution=_ATTRIBUTION,
    )


def _router(policy: Policy, learned: Learned, names: tuple[str, ...]) -> Router:
    if policy.name == SINGLE:
        return Constant(names, learned.mean_score)
    # These come with torch, which a best single model does without.
    from modelsat.routers.fusion.router import Fusion
    from modelsat.routers.fusion.surface_router import Anchors
    from modelsat.routers.knn import Knn
    from modelsat.text.encoder import Encoder

    if policy.name == KNN:
        encoder = Encoder(default_backbone(), embeddings.MAX_TOKENS)
        vectors = learned.known.vectors[:, -1]
        return Knn(names, encoder, vectors, learned.outcomes, learned.neighbours, learned.mean_score)
    if learned.surface is None:
        raise InputError("this was learned to settle a policy, not to serve one; learn from all earlier requests")
    encoder = Encoder(default_backbone(), embeddings.MAX_TOKENS, embeddings.LAYERS)
    nothing = Anchors(
        np.zeros((0, *learned.known.vectors.shape[1:]), dtype=np.float32), np.zeros((0, len(names)), dtype=np.float32)
    )
    return Fusion(names, encoder, learned.surface, nothing, learned.head)


def _candidates(names: tuple[str, ...], catalogue: pa.Table | None) -> pa.Table:
    told = {row["candidate"]: row for row in ([] if catalogue is None else catalogue.to_pylist())}
    rows = [{**told.get(name, {}), "candidate": name, "price_in": None, "price_out": None} for name in names]
    return contracts.from_rows(rows, contracts.CANDIDATES)


def _lineage(proof: Proof, policy: Policy) -> dict[str, Any]:
    names, learned = proof.models, proof.learned
    paid = {
        name: {"usd": float(cost), "over_list": None}
        for name, cost in zip(names, learned.mean_cost, strict=True)
        if not np.isnan(cost)
    }
    return {
        "modelsat_version": __version__,
        "trained_on": list(names),
        "mean_score": dict(zip(names, map(float, learned.mean_score), strict=True)),
        "paid": paid,
        "sources": ["modelsat prove"],
        "promise": _promise(proof, policy).as_json(),
    }


def _promise(proof: Proof, policy: Policy) -> Promise:
    """Return the default: the policy's cost weight, against the best single model as the log estimates both."""
    single, own = proof.line(SINGLE), proof.line(policy.name)
    name = proof.models[next(one.column for one in proof.policies if one.name == SINGLE)]
    gain, share, low = 0.0, 1.0, 0.0
    if policy.name != SINGLE and own.value is not None and single.value is not None:
        gain = own.value.value - single.value.value
        low = min(gain, own.value.low - single.value.value)
        if own.cost is not None and single.cost is not None and single.cost.value > 0:
            share = own.cost.value / single.cost.value
    weight = None if policy.name == SINGLE else policy.cost_weight
    return Promise(name, weight, max(proof.margin, -low), CONFIDENCE, gain, low, share, proof.judged)
