"""What a user is told of scores that several runs or files give: what was counted once, and what gave way to what."""

from datetime import datetime
from typing import Any

import numpy as np

from modelsat.data.remarks import Remark
from modelsat.data.short_scores import ORIGIN, ScoreBooks, ShortScores

DATED = "lm-evaluation-harness"
"""The harness whose results say when they were run."""


def counted(
    scores: ShortScores, rows: np.ndarray, kept: np.ndarray, beaten: np.ndarray
) -> dict[tuple[int, int, int], int]:
    """Count prompts by candidate, origin of what gave way (-1 for none) and origin of what stands."""
    settled = kept >= 0
    stands = rows[kept[settled]]
    gave_way = np.where(beaten[settled] >= 0, scores.origin[rows[beaten[settled]]], -1)
    keys = np.stack([scores.candidate[stands], gave_way, np.where(gave_way >= 0, scores.origin[stands], -1)], axis=1)
    found, counts = np.unique(keys, axis=0, return_counts=True)
    return {(a, b, c): n for (a, b, c), n in zip(found.tolist(), counts.tolist(), strict=True)}


def notes(counts: dict[tuple[int, int, int], int], books: ScoreBooks) -> list[str]:
    """Return a sentence per candidate on what was counted once, and on which run gave way to which.

    Args:
        counts: As of `counted`.
        books: What the numbers in it stand for.
    """
    names, origins = books.candidates.values, [dict(zip(ORIGIN, one, strict=True)) for one in books.origins.values]
    told: dict[tuple[str, str, str], int] = {}
    for (candidate, beaten, kept), n in counts.items():
        key = (names[candidate], *(_origins(origins[beaten], origins[kept]) if beaten >= 0 else ("", "")))
        told[key] = told.get(key, 0) + n
    said = []
    for (name, older, newer), n in sorted(told.items()):
        if older:
            said.append(
                Remark.SCORES_SUPERSEDED.of(
                    f"candidate {name!r} has scores of {older} and of {newer} that differ on {n} prompts; "
                    f"those of {newer} are used, remove the others to silence this"
                )
            )
        else:
            said.append(
                Remark.SCORE_REPEATED.of(
                    f"candidate {name!r} has the same score twice on {n} prompts; each is counted once"
                )
            )
    return said


def _origins(beaten: dict[str, Any], kept: dict[str, Any]) -> tuple[str, str]:
    """Name two runs by what tells them apart."""
    if beaten["num_fewshot"] != kept["num_fewshot"]:
        return _shots(beaten["num_fewshot"]), _shots(kept["num_fewshot"])
    if (named := (_named(beaten), _named(kept))) and named[0] != named[1]:
        return named
    if beaten["collected_at"] != kept["collected_at"] and kept["harness"] == DATED:
        return _at(beaten["collected_at"]), _at(kept["collected_at"])
    return str(beaten["source_uri"]), str(kept["source_uri"])


def _shots(shots: int | None) -> str:
    return "a run with an unknown number of examples" if shots is None else f"a run with {shots} examples"


def _named(run: dict[str, Any]) -> str:
    version = run["harness_version"]
    return f"{run['harness']} {version}" if version else str(run["source_uri"])


def _at(time: datetime) -> str:
    return f"a run at {time:%Y-%m-%d %H:%M:%S}"
