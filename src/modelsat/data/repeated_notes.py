"""What a user is told of scores that several runs or files give: what was counted once, and what gave way to what."""

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from modelsat.data.remarks import Remark
from modelsat.data.short_scores import ORIGIN, ScoreBooks, ShortScores

DATED = "lm-evaluation-harness"
"""The harness whose results say when they were run."""


class Repetition(NamedTuple):
    """What was counted once, or gave way, of one candidate.

    Attributes:
        prompts: On how many prompts.
        stands: Origin and row of the first score that stands.
        other: Origin and row of the score beside it.
    """

    prompts: int
    stands: tuple[int, int]
    other: tuple[int, int]


Repetitions = dict[tuple[int, int, int], Repetition]
"""By candidate, origin of what gave way (-1 for none) and origin of what stands instead."""


def counted(
    scores: ShortScores, rows: np.ndarray, starts: np.ndarray, kept: np.ndarray, beaten: np.ndarray
) -> Repetitions:
    """Count prompts on which one of several scores stands.

    Args:
        scores: Some of a collection's rows.
        rows: Those that have a rival, group by group.
        starts: Where in them each group begins.
        kept: For each group the place in `rows` of what stands, -1 where nothing does.
        beaten: Likewise of one that differs and gave way.
    """
    settled = kept >= 0
    kept, beaten, starts = kept[settled], beaten[settled], starts[settled]
    stands = rows[kept]
    other = rows[np.where(beaten >= 0, beaten, np.where(kept == starts, starts + 1, starts))]
    gave_way = np.where(beaten >= 0, scores.origin[other], -1)
    origins = int(scores.origin.max(initial=0)) + 2
    keys = scores.candidate[stands].astype(np.int64) * origins + gave_way + 1
    keys = keys * origins + np.where(gave_way >= 0, scores.origin[stands], -1) + 1
    found, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return {
        (key // origins**2, key // origins % origins - 1, key % origins - 1): Repetition(
            count, _place(scores, stands[one]), _place(scores, other[one])
        )
        for key, one, count in zip(found.tolist(), first.tolist(), counts.tolist(), strict=True)
    }


def _place(scores: ShortScores, row: int) -> tuple[int, int]:
    return int(scores.origin[row]), int(scores.row[row])


def notes(counts: Repetitions, books: ScoreBooks) -> list[str]:
    """Return a sentence per candidate on what was counted once, and on which run gave way to which.

    Args:
        counts: As of `counted`.
        books: What the numbers in it stand for.
    """
    names, origins = books.candidates.values, [dict(zip(ORIGIN, one, strict=True)) for one in books.origins.values]
    told: dict[tuple[str, str, str], list[Repetition]] = {}
    for (candidate, beaten, kept), one in counts.items():
        key = (names[candidate], *(_origins(origins[beaten], origins[kept]) if beaten >= 0 else ("", "")))
        told.setdefault(key, []).append(one)
    said = []
    for (name, older, newer), found in sorted(told.items()):
        prompts = sum(one.prompts for one in found)
        on = f"{prompts:,} {'prompt' if prompts == 1 else 'prompts'}"
        # Numbers of origins depend on which file was read first.
        places = [[(origins[one]["source_uri"], row) for one, row in (each.stands, each.other)] for each in found]
        first = _rows(*min(places))
        if older:
            said.append(
                Remark.SCORES_SUPERSEDED.of(
                    f"candidate {name!r} has scores of {older} and of {newer} that differ on {on}, first in {first}; "
                    f"those of {newer} are used, remove the others to silence this"
                )
            )
        else:
            said.append(
                Remark.SCORE_REPEATED.of(
                    f"candidate {name!r} has the same score twice on {on}, first in {first}; each is counted once"
                )
            )
    return said


def _rows(one: tuple[str, int], other: tuple[str, int]) -> str:
    if one[0] == other[0]:
        return f"{one[0]} rows {min(one[1], other[1])} and {max(one[1], other[1])}"
    return f"{one[0]} row {one[1]} and {other[0]} row {other[1]}"


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
