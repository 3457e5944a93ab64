"""Component: check collected scores against the data contract."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def validate_scores(
    scores: dsl.Input[dsl.Dataset],
    champion_store: str,
    max_rejected_share: float,
    max_drift: float,
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
) -> NamedTuple("Answer", [("valid", bool), ("sentence", str)]):
    """Check the collected scores with Great Expectations; the page shows broken rows and their file.

    Args:
        scores: Folder with the collected tables.
        champion_store: Champion records; the champion's data is what drift is measured against.
        max_rejected_share: Largest tolerated share of rejected rows, in [0, 1].
        max_drift: Largest tolerated change of a candidate's mean on a benchmark, in [0, 1].
        report: Validation page, broken checks first.
        metrics: Checks made and broken.

    Returns:
        Whether the run may go on, and the result in one sentence.
    """
    from pathlib import Path

    from modelsat.steps import validate

    limits = max_rejected_share, max_drift
    valid, sentence, counts = validate.run(Path(scores.path), champion_store, *limits, Path(report.path))
    for name, value in counts.items():
        metrics.log_metric(name, value)
    return (valid, sentence)
