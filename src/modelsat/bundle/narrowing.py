"""A bundle that serves fewer candidates than its router knows, without training."""

from collections.abc import Collection as Names
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.bundle import settling
from modelsat.bundle.bundle import Bundle
from modelsat.routers.selection import Selection

_PER_CANDIDATE = ("mean_score", "summary", "tokens_out", "paid", "surprises", "answers_at")


def without(bundle: Bundle, names: Names[str]) -> Bundle:
    """Return the bundle without some of its candidates and all it says of them, its default settled anew.

    Args:
        bundle: The router.
        names: The candidates that leave it; at least one other has to stay.
    """
    gone = set(names)
    kept = [i for i, name in enumerate(bundle.names) if name not in gone]
    leaving = pa.array(sorted(gone), pa.string())
    facts = {key: {k: v for k, v in bundle.lineage.get(key, {}).items() if k not in gone} for key in _PER_CANDIDATE}
    trained = {"trained_on": [one for one in bundle.lineage.get("trained_on", []) if one not in gone]}
    narrowed = replace(
        bundle,
        router=Selection.of(bundle.router, kept),
        candidates=bundle.candidates.take(pa.array(np.asarray(kept, dtype=np.int64))),
        cards=bundle.cards.filter(pc.invert(pc.is_in(bundle.cards["candidate"], value_set=leaving))),
        answers=bundle.answers.filter(pc.invert(pc.is_in(bundle.answers["candidate"], value_set=leaving))),
        lineage=bundle.lineage | {key: value for key, value in {**facts, **trained}.items() if key in bundle.lineage},
        evidence=None if bundle.evidence is None else bundle.evidence.without(gone),
    )
    # Among all of them it was another choice; those that are left may lose more and cost more.
    return settling.settled(narrowed)
