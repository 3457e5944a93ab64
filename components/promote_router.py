"""Component: record the new champion, which endpoints follow."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def promote_router(
    model_name: str,
    version: str,
    bundle_uri: str,
    bundle_digest: str,
    verdict: str,
    against_epoch: int,
    champion_store: str,
    mlflow_tracking_uri: str,
    run_key: str,
    page: dsl.Output[dsl.Markdown],
) -> int:
    """Create the champion record of the next epoch, once per run, and point MLflow's alias at it.

    Args:
        model_name: Name of the registered model.
        version: Its version.
        bundle_uri: Where the bundle lies.
        bundle_digest: Digest that endpoints verify.
        verdict: The gate's verdict.
        against_epoch: Epoch of the champion that was compared with; another one by now is a conflict.
        champion_store: Folder or s3:// prefix of champion records.
        mlflow_tracking_uri: MLflow tracking server.
        run_key: Id of the pipeline run.
        page: Who is champion now.

    Returns:
        The new epoch.
    """
    from pathlib import Path

    from modelsat import champions, registry

    model = f"{model_name}/{version}"
    champion = champions.promote(champion_store, bundle_uri, bundle_digest, model, run_key, verdict, against_epoch)
    registry.mirror_champion(mlflow_tracking_uri, model_name, version, champion.epoch)
    Path(page.path).write_text(champions.page(champion), encoding="utf-8")
    return champion.epoch
