"""What published benchmark scores say of a candidate's level before any of its answers are known.

Benchmarks agree on who is able: one factor explains most of what models score on them. A candidate's published scores
give its ability on that factor; the zoo's published abilities and levels give the line from one to the other, on the
router's own prompts. The uncertainty is that of both: candidates stray from the line, and scores from the factor.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST = 3
"""Candidates of the zoo with published scores, below which there is no line."""
_SLOPE, _SLOPE_WEIGHT = 0.12, 4.0
"""Prior of the slope, in level per unit of ability, and how many squared units of ability it counts."""
_STRAY, _STRAY_WEIGHT = 0.05, 2.0
"""Prior of how far a level lies from the line, one standard deviation, and how many candidates it counts."""

_FACTS = {
    "arc": (0.29, 0.60, 0.10),
    "hellaswag": (1.28, 0.76, 0.22),
    "mmlu": (0.18, 0.61, 0.28),
    "truthfulqa": (0.12, 0.34, 0.35),
    "winogrande": (1.10, 0.46, 0.12),
    "gsm8k": (-1.24, 1.65, 1.08),
    "ifeval": (-0.65, 0.59, 0.69),
    "bbh": (-0.24, 0.37, 0.20),
    "mathlvl5": (-3.51, 0.75, 0.78),
    "gpqa": (-0.93, 0.11, 0.11),
    "musr": (-0.40, 0.08, 0.15),
    "mmlupro": (-1.08, 0.53, 0.27),
    "humaneval": (-0.86, 1.23, 1.23),
}
"""Per benchmark the mean of the log-odds of a score, its loading on ability, and its standard deviation around that.

Fitted by `benchmarks/published.py` to averages of 7,357 models from the Open LLM Leaderboards 1 and 2, as collected in
github.com/felipemaiapolo/sloth at 6dc6bb3 (MIT). Ability has mean 0 and variance 1 there. The least deviation is 0.1.
"""
_SAME = {
    "arcchallenge": "arc",
    "arcc": "arc",
    "bigbenchhard": "bbh",
    "mathlevel5": "mathlvl5",
    "truthfulqamc2": "truthfulqa",
}


@dataclass(frozen=True)
class Prior:
    """What is known of a level beforehand: its mean in [0, 1] and its variance."""

    mean: float
    variance: float


def read(cell: str | None) -> dict[str, float]:
    """Return scores in [0, 1] by benchmark, from the field `published` of a candidate's row."""
    return {} if not cell else {str(name): float(score) for name, score in json.loads(cell).items()}


def known(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the scores on benchmarks that something is known of, under their names here."""
    named = {_named(benchmark): score for benchmark, score in scores.items()}
    return {name: score for name, score in named.items() if name in _FACTS}


def ability(scores: Mapping[str, float]) -> tuple[float, float] | None:
    """Return mean and variance of the ability that scores (in [0, 1], by benchmark) make likely; None without any."""
    mine = known(scores)
    if not mine:
        return None
    centre, loading, deviation = np.asarray([_FACTS[name] for name in mine]).T
    share = np.clip(list(mine.values()), 0.01, 0.99)
    precision = 1 + float((loading**2 / deviation**2).sum())
    distance = np.log(share / (1 - share)) - centre
    return float((distance * loading / deviation**2).sum()) / precision, 1 / precision


def level(own: Mapping[str, float], zoo: Sequence[Mapping[str, float]], levels: np.ndarray) -> Prior | None:
    """Return what published scores say of a newcomer's level; None where they say nothing.

    Args:
        own: The newcomer's, in [0, 1] by benchmark.
        zoo: Those of the zoo's candidates, empty where none are known.
        levels: Mean scores of the same candidates on the router's prompts, (m,), in [0, 1].
    """
    mine = ability(own)
    theirs = [ability(scores) for scores in zoo]
    rows = [i for i, one in enumerate(theirs) if one is not None and np.isfinite(levels[i])]
    if mine is None or len(rows) < FEWEST:
        return None
    abilities = np.asarray([one[0] for one in theirs if one is not None])
    there = np.asarray(levels, dtype=np.float64)[rows]
    middle, centre = float(abilities.mean()), float(there.mean())
    spread = float(((abilities - middle) ** 2).sum()) + _SLOPE_WEIGHT
    slope = (float((abilities - middle) @ (there - centre)) + _SLOPE * _SLOPE_WEIGHT) / spread
    strays = there - centre - slope * (abilities - middle)
    stray = (float(strays @ strays) + _STRAY_WEIGHT * _STRAY**2) / (max(len(rows) - 2, 0) + _STRAY_WEIGHT)
    distance = mine[0] - middle
    variance = stray * (1 + 1 / len(rows) + distance**2 / spread) + slope**2 * mine[1]
    return Prior(float(np.clip(centre + slope * distance, 0.0, 1.0)), float(variance))


def of_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return published scores by candidate, of rows of the contract `CANDIDATES`."""
    return {str(row["candidate"]): read(row.get("published")) for row in rows}


def _named(benchmark: str) -> str:
    name = re.sub(r"[^a-z0-9]", "", benchmark.lower())
    return _SAME.get(name, name)
