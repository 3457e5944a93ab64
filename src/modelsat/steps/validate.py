"""The validate step: collected tables in; verdict and page out."""

from pathlib import Path

from modelsat.bundle import lineage
from modelsat.data import validation
from modelsat.data.collection import Collection
from modelsat.data.contract_suites import ValidationLimits
from modelsat.reports import validated


def run(
    scores: Path, champion_store: str, max_rejected_share: float, max_drift: float, page: Path
) -> tuple[bool, str, dict[str, int]]:
    """Check collected scores against the data contract.

    Args:
        scores: Folder with the collected tables.
        champion_store: Champion records; the champion's data is what drift is measured against.
        max_rejected_share: Largest tolerated share of rejected rows, in [0, 1].
        max_drift: Largest tolerated change of a candidate's mean on a benchmark, in [0, 1].
        page: Receives the validation page.

    Returns:
        Whether the run may go on, the result in one sentence, and counts of expectations.
    """
    collection = Collection.read(scores)
    limits = ValidationLimits(max_rejected_share=max_rejected_share, max_drift=max_drift)
    outcome = validation.check(collection, lineage.champion_summary(champion_store), limits)
    validated.write(outcome, collection, page)
    failed = sum(not check.passed for check in outcome.checks)
    return outcome.passed, outcome.sentence(), {"expectations": len(outcome.checks), "failed_expectations": failed}
