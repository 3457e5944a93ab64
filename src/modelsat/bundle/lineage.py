"""What the champion was trained on, read from its bundle without loading the router."""

import tempfile
from pathlib import Path
from typing import Any

from modelsat.bundle import bundle, champions
from modelsat.errors import InputError


def champion_summary(champion_store: str) -> dict[str, Any] | None:
    """Return [prompts, mean score] of the champion's data by candidate and benchmark; None without a champion."""
    champion = champions.current(champion_store)
    if champion is None:
        return None
    with tempfile.TemporaryDirectory(prefix="modelsat-champion-") as scratch:
        try:
            loaded = bundle.read(bundle.fetch(champion.bundle_uri, Path(scratch)), with_router=False)
        except InputError:
            # The evaluation says so; there is nothing to measure drift against.
            return None
    summary: dict[str, Any] = loaded.lineage.get("summary", {})
    return summary
