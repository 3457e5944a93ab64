"""Results of which no prompt was trained on: all of them judge, but those that a bundle has learned from after all."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from modelsat import rivals
from modelsat.bundle import opening, seen_prompts
from modelsat.data.collection import Collection
from modelsat.data.remarks import Remark
from modelsat.errors import InputError


def judging(
    collection: Collection, routers: Mapping[str, str], placing: Collection | None
) -> tuple[Collection, list[str]]:
    """Return the results without prompts that a bundle learned from, and remarks on what is left out.

    All bundles are judged on the same prompts.

    Args:
        collection: The results.
        routers: What is compared, by name: places of bundles.
        placing: Answers by which candidates are placed that a bundle does not know; None for none.

    Raises:
        InputError: A rival is among the routers, or no prompt is left.
    """
    fitted = sorted({*routers.values()} & {*rivals.FITTED})
    if fitted:
        raise InputError(
            f"{fitted[0]!r} learns from the training prompts of these results, of which --all-held-out leaves none; "
            "compare bundles alone, or leave it out"
        )
    stems = collection.prompts["stem_digest"].to_pylist()
    known, remarks = np.zeros(len(stems), dtype=bool), []
    for name, uri in routers.items():
        with opening.opened(uri, with_router=False) as loaded:
            mine = seen_prompts.seen(loaded, stems)
            if not loaded.seen_prompts.num_rows:
                sources = ", ".join(loaded.lineage.get("sources", [])) or "unknown sources"
                remarks.append(
                    Remark.TRAINING_UNRECORDED.of(
                        f"{name} keeps no record of its training prompts, so only its aptitude questions are known "
                        f"again; it was trained on {sources}"
                    )
                )
        if mine.any():
            remarks.append(_left_out(f"{name} learned from {mine.sum():,} of the {len(stems):,} prompts"))
        known |= mine
    if placing is not None:
        placed = np.isin(stems, placing.prompts["stem_digest"].to_pylist())
        if placed.any():
            remarks.append(_left_out(f"answers to {placed.sum():,} of the {len(stems):,} prompts place newcomers"))
        known |= placed
    if known.all():
        raise InputError(
            f"all {len(stems):,} prompts were trained on or place a newcomer, so none can judge; leave out "
            "--all-held-out, and a fifth of the prompts does"
        )
    return replace(collection, prompts=collection.prompts.filter(pa.array(~known))), remarks


def _left_out(what: str) -> str:
    return Remark.PROMPTS_SEEN.of(f"{what}; these are left out")
