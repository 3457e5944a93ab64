"""What the default of a router comes to for requests with pictures, among the candidates that can see.

Where training prompts came with pictures, the default for such requests is settled on them alone, with the text that
was read in the pictures, as `promise` settles that of all requests. It is never knowingly worse than the best single
candidate that can see: where no cost weight is safe, or too few such prompts are known to say, that candidate answers.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelsat.policy import promise as promises
from modelsat.policy.preferences import Preferences
from modelsat.policy.promise import CONFIDENCE, ENOUGH, MARGIN, Promise

IMAGE = "image"
"""The modality."""


def settle(
    probabilities: np.ndarray,
    outcomes: np.ndarray,
    cost: np.ndarray,
    mean_score: np.ndarray,
    names: Sequence[str],
    modalities: Sequence[Set[str]],
    uncertainty_margin: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
) -> Promise | None:
    """Settle the default for requests with pictures; None where there are no such prompts, or nobody is known to see.

    Args:
        probabilities: Success probabilities of prompts with pictures (n, m), not fitted to them.
        outcomes: Scores there (n, m), in [0, 1], NaN where not run.
        cost: Expected costs in USD (n, m), NaN where unknown.
        mean_score: Of each candidate on all training prompts, (m,); decides where prompts with pictures are too few.
        names: Of the candidates, m.
        modalities: What each reads beside text, m.
        uncertainty_margin: Of the router, (m,).
        allowed: Which candidates read which prompts, boolean (n, m); all by default.
    """
    sees = np.flatnonzero([IMAGE in one for one in modalities])
    if not len(probabilities) or not len(sees):
        return None
    truth, seers = outcomes[:, sees], tuple(names[int(i)] for i in sees)
    known = (~np.isnan(truth)).sum(axis=0)
    levels = np.nansum(truth, axis=0) / np.maximum(known, 1)
    # One that was run on a few of them alone may be best by luck.
    levels = (
        np.where(known >= max(ENOUGH, known.max() / 2), levels, -1.0) if known.max() >= ENOUGH else mean_score[sees]
    )
    found = promises.settle(
        probabilities[:, sees],
        truth,
        cost[:, sees],
        levels,
        seers,
        None if uncertainty_margin is None else uncertainty_margin[sees],
        None if allowed is None else allowed[:, sees],
    )
    if found is not None:
        return found
    best = int(np.argmax(levels))
    return Promise(seers[best], None, MARGIN, CONFIDENCE, 0.0, 0.0, 1.0, int(known[best]))


@dataclass(frozen=True)
class Defaults:
    """The defaults of a router, by what a request holds.

    Attributes:
        usual: Of requests without pictures, and of all where the training prompts had none; None promises nothing.
        pictures: Of requests with pictures; None where the training prompts had none.
    """

    usual: Promise | None = None
    pictures: Promise | None = None

    def of(self, preferences: Preferences) -> Promise | None:
        """Return the default that holds for a request: who asks for somebody that reads images has pictures."""
        return self.pictures if self.pictures is not None and IMAGE in preferences.modalities else self.usual

    @property
    def unread(self) -> "Defaults":
        """Return the defaults where the pictures of a request could not be read: the best single one that can see."""
        if self.pictures is None:
            return self
        return replace(self, pictures=replace(self.pictures, cost_weight=None))


def read(facts: Mapping[str, Any]) -> Defaults:
    """Read the defaults from a bundle's lineage, or from an endpoint's parameters, which tell them likewise."""
    return Defaults(promises.read(facts.get("promise")), promises.read(facts.get("picture_promise")))
