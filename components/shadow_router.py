"""Component: what would the changed router choose where the champion chooses?"""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.TRAINING, install_kfp_package=False)
def shadow_router(
    order: dsl.Input[dsl.Artifact],
    results: dsl.Input[dsl.Dataset],
    router: dsl.Input[dsl.Model],
    max_loss: float,
    report: dsl.Output[dsl.HTML],
    decisions: dsl.Output[dsl.Dataset],
    result: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> NamedTuple("Answer", [("Output", bool), ("verdict", str), ("sentence", str)]):
    """Show champion and changed router the same prompts, side by side, and bound what the change may lose.

    Args:
        order: What is to change.
        results: Folder with the results.
        router: Router bundle with the change.
        max_loss: Accuracy that a newcomer may cost at most, in [0, 1].
        report: Verdict, shares of traffic, gain and bound.
        decisions: Both choices for each prompt, Parquet.
        result: Verdict and shares, JSON.
        metrics: Share of traffic, gain, bound.

    Returns:
        Whether a champion is to be recorded (called Output, since kfp.local resolves conditions on that name only),
        the verdict and the sentence.
    """
    from pathlib import Path

    from modelsat.steps import onboard

    placed = onboard.read_order(Path(order.path))
    judged = onboard.compare(placed, Path(results.path), Path(router.path), max_loss)
    onboard.write_pages(judged, placed, *(Path(artifact.path) for artifact in (report, decisions, result)))
    for name, value in judged.metrics.items():
        metrics.log_metric(name, value)
    return (judged.promotes, str(judged.verdict.outcome), judged.sentence())
