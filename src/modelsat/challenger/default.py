"""The default of a challenger: settled on prompts that its probabilities were not fitted to, and kept in its bundle."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from modelsat.bundle import settling
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.kept_evidence import KeptEvidence
from modelsat.policy import costs, failures


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
    """Return the bundle with what its default promises, if anything, on what that rests, and what failures tell.

    Args:
        served: The bundle of the candidates that are served.
        names: The candidates of the evidence.
        evidence: Of all candidates that training knew.
        pictured: Texts of prompts that came with pictures.
    """
    columns = [names.index(name) for name in served.names]
    said, outcomes = evidence.probabilities[:, columns], evidence.outcomes[:, columns]
    expected = np.full(said.shape, np.nan) if evidence.cost_usd is None else evidence.cost_usd[:, columns]
    kept = KeptEvidence(
        served.names,
        costs.tokens_in(evidence.texts).astype(np.float32),
        np.asarray([text in pictured for text in evidence.texts], dtype=bool),
        *(table.astype(np.float32) for table in (said, outcomes, expected)),
    )
    found = settling.settled(replace(served, evidence=kept))
    # What candidates miss together, for requests that say who has failed.
    surprises = failures.as_json(served.names, *failures.learn(said, outcomes))
    return replace(found, evidence=kept.sample(), lineage=found.lineage | {"surprises": surprises})
