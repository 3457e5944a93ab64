"""Component: are the answers what an honest candidate gives?"""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def validate_answers(
    order: dsl.Input[dsl.Artifact],
    results: dsl.Input[dsl.Dataset],
    unreadable: int,
    trusted: bool,
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
) -> NamedTuple("Answer", [("valid", bool), ("sentence", str)]):
    """Judge the candidate's answers: broken, constant, below guessing, copied, leaked.

    Args:
        order: What is to change.
        results: Folder with the results.
        unreadable: How many answers could not be read.
        trusted: Whether a person has looked at answers that seem copied or leaked and trusts them.
        report: Every check with what was seen.
        metrics: Checks made and refusals.

    Returns:
        Whether the run may go on, and what speaks against it in one sentence.
    """
    from pathlib import Path

    from modelsat.steps import onboard

    paths = Path(results.path), unreadable, trusted, Path(report.path)
    against, counts = onboard.validate(onboard.read_order(Path(order.path)), *paths)
    for name, value in counts.items():
        metrics.log_metric(name, value)
    return (not against, against)
