"""Component: make the changed bundle."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.TRAINING, install_kfp_package=False)
def admit_candidate(
    order: dsl.Input[dsl.Artifact],
    results: dsl.Input[dsl.Dataset],
    router: dsl.Output[dsl.Model],
    report: dsl.Output[dsl.HTML],
) -> str:
    """Add the candidate to the champion's bundle, remove it, or change its prices; nothing is trained.

    Args:
        order: What is to change.
        results: Folder with the results.
        router: Router bundle with the change.
        report: The candidate's card.

    Returns:
        What was done, in one sentence.
    """
    from pathlib import Path

    from modelsat.steps import onboard

    paths = [Path(artifact.path) for artifact in (results, router, report)]
    return onboard.admit(onboard.read_order(Path(order.path)), *paths)
