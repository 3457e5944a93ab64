"""Component: register the router in MLflow and publish its bundle."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def register_router(
    router: dsl.Input[dsl.Model],
    fallback: dsl.Input[dsl.Model],
    report: dsl.Input[dsl.HTML],
    decisions: dsl.Input[dsl.Dataset],
    result: dsl.Input[dsl.Artifact],
    verdict: str,
    model_name: str,
    experiment: str,
    bundle_store: str,
    mlflow_tracking_uri: str,
    run_key: str,
    page: dsl.Output[dsl.Markdown],
) -> NamedTuple("Answer", [("version", str), ("bundle_uri", str), ("bundle_digest", str)]):
    """Log evaluation and model in MLflow, once per run, and publish the bundle under its digest.

    Args:
        router: Router bundle of the challenger.
        fallback: Router bundle of the best single candidate.
        report: Verdict page.
        decisions: What each router chose for each held-out prompt.
        result: Table and verdict, JSON.
        verdict: The gate's verdict; do not route registers the fallback.
        model_name: Name of the registered model.
        experiment: MLflow experiment.
        bundle_store: Folder or s3:// prefix of router bundles.
        mlflow_tracking_uri: MLflow tracking server.
        run_key: Id of the pipeline run.
        page: Name, version and links.

    Returns:
        Registered version, and where the bundle lies under which digest.
    """
    from pathlib import Path

    from modelsat.steps import register

    files = register.Files(*(Path(a.path) for a in (router, fallback, report, decisions, result)))
    where = register.RegistrationTarget(mlflow_tracking_uri, experiment, model_name, bundle_store)
    registered = register.register(files, verdict, where, run_key)
    Path(page.path).write_text(registered.page, encoding="utf-8")
    return (registered.version, registered.bundle_uri, registered.bundle_digest)
