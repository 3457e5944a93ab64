"""Component: look at catalogue and champion before anything is asked."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def place_order(
    candidate: str,
    action: str,
    catalogue: str,
    champion_store: str,
    mlflow_tracking_uri: str,
    order: dsl.Output[dsl.Artifact],
) -> NamedTuple("Answer", [("Output", bool), ("sentence", str), ("epoch", int)]):
    """Find candidate and champion, and say whether anything is left to do.

    Args:
        candidate: Name of the candidate, or an alias of it in the catalogue.
        action: add, remove or reprice.
        catalogue: Catalogue of candidates, a file or folder, here or in S3; empty for none.
        champion_store: Folder or s3:// prefix of champion records.
        mlflow_tracking_uri: MLflow tracking server, which has to answer.
        order: The change, the catalogue's facts and the champion that it starts from, JSON.

    Returns:
        Whether anything is left to do (called Output, since kfp.local resolves conditions on that name only), why or
        with what, and the champion's epoch.
    """
    from pathlib import Path

    from modelsat.cluster.rollout import deployed
    from modelsat.io import mlflow_registry
    from modelsat.onboarding import order as orders

    mlflow_registry.check(mlflow_tracking_uri)
    placed = orders.place(candidate, action, catalogue, champion_store)
    placed.write(Path(order.path))
    if placed.done:
        # So it is after a run that was killed between its champion record and MLflow's alias.
        deployed.bring(deployed.RolloutTarget(champion_store, mlflow_tracking_uri))
    print(placed.sentence(), flush=True)
    return (not placed.done, placed.sentence(), placed.epoch)
