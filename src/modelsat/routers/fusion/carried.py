"""How far differences between candidates carry to kinds of prompts that were not trained on.

Every prompt is foretold by members that were fitted without its kind: without its benchmark or, where there is only
one, its category. There, leaving the best single candidate has paid or not, and members get as flat far from their
training prompts as has surely paid most: by the mean gain less one standard error, which is over kinds, since a whole
kind errs alike. Squared errors would tell less: they are about all candidates, and on foreign ground the weak ones are
foretold well and the best ones badly.
"""

from dataclasses import replace

import numpy as np

from modelsat.data import splits
from modelsat.policy import choice
from modelsat.routers.fusion import members
from modelsat.routers.fusion import surface as surfaces

STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How steep members may be far from their training prompts, the flattest first."""
LEAST = 0.001
"""A tenth of a point more is no reason to be steeper."""


def flattest(vectors: np.ndarray, worded: np.ndarray | None, scores: np.ndarray, kinds: np.ndarray) -> float:
    """Return how steep members should be far from their training prompts.

    Args:
        vectors: As of `members.fit`, like the others.
        worded: Likewise.
        scores: Likewise.
        kinds: Likewise.

    Returns:
        One of `STEPS`; what is assumed of surfaces where all prompts are of one kind.
    """
    whole = splits.wholes(kinds)
    if len(np.unique(whole)) < 2:
        return surfaces.FLATTEST
    gains, weights = np.zeros((len(STEPS), len(scores))), np.asarray(members.ASSUMED)
    for mine, surface, beside in members.without_parts(vectors, worded, scores, kinds, whole):
        read = None if worded is None else worded[mine]
        for gain, step in zip(gains, STEPS, strict=True):
            said = beside.say_of(replace(surface, flattest=step), vectors[mine], read)
            gain[mine] = over_best_single(members.mixed(said, weights), surface.means, scores[mine])
    sure = np.asarray([surely(gain, whole) for gain in gains])
    return STEPS[int(np.argmax(sure >= sure.max() - LEAST))]


def over_best_single(told: np.ndarray, levels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return what choices gain over the best single candidate, (n,); 0 where no candidate was run.

    Args:
        told: Success probabilities (n, m).
        levels: Mean score of each candidate, (m,).
        scores: Scores (n, m), NaN where not run; of a prompt, candidates are compared that were run there.
    """
    asked = ~np.isnan(scores)
    answered = np.flatnonzero(asked.any(axis=1))
    gain = np.zeros(len(scores))
    chosen, single = (
        choice.choose(said[answered], asked[answered], levels) for said in (told, np.broadcast_to(levels, told.shape))
    )
    gain[answered] = scores[answered, chosen] - scores[answered, single]
    return gain


def surely(gain: np.ndarray, groups: np.ndarray) -> float:
    """Return the mean of gains (n,) less its standard error, where those of a group (n,) of two or more err alike."""
    _, group = np.unique(groups, return_inverse=True)
    sums = np.bincount(group, gain - gain.mean())
    spread = np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)) / len(gain)
    return float(gain.mean() - spread)
