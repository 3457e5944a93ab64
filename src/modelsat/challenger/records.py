"""What a challenger's bundle records beside its router: where it comes from, which prompts it saw, whose data it is."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat import __version__, feedback
from modelsat.aptitude.instructions import Instructions
from modelsat.bundle import seen_prompts
from modelsat.data import splits


def lineage(instructions: Instructions, facts: dict[str, Any], recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the lineage that a bundle records."""
    train = instructions.part(splits.TRAIN)
    targets = train.targets
    # Feedback is no random sample of prompts per candidate, so it does not count towards mean scores.
    drawn = np.asarray([not name.startswith(feedback.BENCHMARK) for name in train.categories], dtype=bool)
    asked = ~np.isnan(targets) & drawn[:, None]
    mean = np.where(asked, targets, 0.0).sum(axis=0) / np.maximum(asked.sum(axis=0), 1)
    return {
        "modelsat_version": __version__,
        "data_digest": instructions.facts["data_digest"],
        "sources": instructions.facts["sources"],
        "summary": instructions.facts["summary"],
        "aptitude_test": instructions.facts["story"],
        "tokens_out": instructions.facts["tokens_out"],
        **({"paid": instructions.facts["paid"]} if "paid" in instructions.facts else {}),
        "trained_on": list(instructions.names),
        "mean_score": dict(zip(instructions.names, map(float, mean), strict=True)),
        "recipe": recipe,
        "training": facts["announced"],
    }


def seen(instructions: Instructions) -> pa.Table:
    """Return the record of the prompts behind a router; what users asked leaves no trace in it."""
    parts = splits.assign(instructions.prompts["stem_digest"].to_pylist())
    from_users = pc.starts_with(instructions.prompts["benchmark"], feedback.BENCHMARK)
    learned = pc.and_(pa.array(parts != splits.TEST), pc.invert(from_users))
    return seen_prompts.table(instructions.prompts.filter(learned)["stem_digest"].to_pylist())


def attribution(instructions: Instructions) -> str:
    """Return the licence lines of the data behind a router, Markdown."""
    return "# Data behind this router\n\n" + "".join(f"- {line}\n" for line in instructions.facts["licences"])
