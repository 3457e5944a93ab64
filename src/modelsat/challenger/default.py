"""The default of a challenger: settled on prompts that its probabilities were not fitted to, and kept in its bundle."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from modelsat.bundle.bundle import Bundle
from modelsat.policy import costs, eligibility, failures, picture_promise, promise


@dataclass(frozen=True)
class DefaultEvidence:
    """Prompts on which a default is settled; n prompts, m candidates of the challenger.

    Attributes:
        texts: Rendered prompts, length n.
        probabilities: Calibrated success probabilities (n, m), not fitted to these prompts.
        outcomes: Scores (n, m), NaN where not run.
        cost_usd: What a cost head expects answers to cost (n, m), NaN for candidates without one; None without a head.
    """

    texts: Sequence[str]
    probabilities: np.ndarray
    outcomes: np.ndarray
    cost_usd: np.ndarray | None = None


def settled(
    served: Bundle, names: tuple[str, ...], evidence: DefaultEvidence, pictured: Set[str] = frozenset()
) -> Bundle:
    """Return the bundle with what its default promises, if anything, and with what failures tell.

    Args:
        served: The bundle of the candidates that are served.
        names: The candidates of the evidence.
        evidence: Of all candidates that training knew.
        pictured: Texts of prompts that came with pictures.
    """
    columns = [names.index(name) for name in served.names]
    size = costs.tokens_in(evidence.texts)
    predicted = None if evidence.cost_usd is None else evidence.cost_usd[:, columns]
    said, outcomes = evidence.probabilities[:, columns], evidence.outcomes[:, columns]
    cost, readable = served.pool.cost(size, predicted), eligibility.readable(served.pool.context_length, size)
    means, doubt = served.pool.mean_score, served.router.doubt
    found = promise.settle(said, outcomes, cost, means, served.names, doubt, readable)
    seen = np.asarray([text in pictured for text in evidence.texts], dtype=bool)
    of_pictures = picture_promise.settle(
        said[seen], outcomes[seen], cost[seen], means, served.names, served.pool.modalities, doubt, readable[seen]
    )
    # What candidates miss together, for requests that say who has failed.
    learned = failures.learn(said, outcomes)
    told = {"surprises": failures.as_json(served.names, *learned)}
    if found is not None:
        told |= {"promise": found.as_json()}
    if of_pictures is not None:
        told |= {"picture_promise": of_pictures.as_json()}
    return replace(served, lineage=served.lineage | told)
