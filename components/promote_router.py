"""Component: take the new router through its stages and record it as champion, which endpoints follow."""

from typing import Optional

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
    scores: Optional[dsl.Input[dsl.Dataset]] = None,
    decisions: Optional[dsl.Input[dsl.Dataset]] = None,
    inference_service: str = "",
    check_seconds: float = 20.0,
) -> int:
    """Give the router 10, 50 and 100 % of the traffic, or take it back; create the champion record of the next epoch.

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
        page: Who is champion now, and the timeline.
        scores: Folder with the validated tables, whose held-out prompts are put to both versions.
        decisions: What the evaluation says each version chooses for them.
        inference_service: InferenceService whose traffic is shifted; empty only writes the record.
        check_seconds: Time from one check of a stage to the next.

    Returns:
        The new epoch.
    """
    from pathlib import Path

    from modelsat.steps import promote

    wanted = promote.Rollout(run_key, against_epoch, bundle_uri, bundle_digest, f"{model_name}/{version}", verdict)
    where = promote.RolloutTarget(champion_store, mlflow_tracking_uri, inference_service, check_seconds=check_seconds)
    evidence = scores and Path(scores.path), decisions and Path(decisions.path)
    return promote.run(wanted, where, *evidence, Path(page.path))
