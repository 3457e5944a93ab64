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

    from modelsat.steps import onboard

    stores = champion_store, mlflow_tracking_uri
    placed = onboard.place(candidate, action, catalogue, *stores, Path(order.path))
    print(placed.sentence(), flush=True)
    return (not placed.done, placed.sentence(), placed.epoch)
