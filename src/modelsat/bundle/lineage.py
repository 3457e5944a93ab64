"""What the champion was trained on, read from its bundle without loading the router."""

from typing import Any

from modelsat.bundle import champions, opening
from modelsat.errors import InputError


def champion_summary(champion_store: str) -> dict[str, Any] | None:
    """Return [prompts, mean score] of the champion's data by candidate and benchmark; None without a champion."""
    champion = champions.current(champion_store)
    if champion is None:
        return None
    try:
        with opening.opened_champion(champion, with_router=False) as loaded:
            summary: dict[str, Any] = loaded.lineage.get("summary", {})
            return summary
    except InputError:
        # The evaluation says so; there is nothing to measure drift against.
        return None
