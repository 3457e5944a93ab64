"""Verbs for a cluster."""

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from modelsat.errors import InputError

_PIPELINES = ("retrain", "onboard", "watch")
_COMPILED = Path("pipelines/compiled")


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(name="compile")(compile_pipelines)
    app.command()(submit)
    app.command()(pack)


def compile_pipelines(
    into: Annotated[
        Path | None, typer.Option(help="YAML file to write; default: a file per pipeline in pipelines/compiled.")
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(help="Only this pipeline: retrain, onboard or watch; with --into, retrain by default."),
    ] = None,
) -> None:
    """Write the pipelines as YAML for Kubeflow.

    Example: modelsat compile --into retrain.yaml
    """
    # KFP numbers equal steps in the order of a protobuf map, which only the pure Python implementation keeps.
    os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")
    from pipelines import local

    if into is not None:
        wanted = {pipeline or "retrain": into}
    else:
        wanted = {name: _COMPILED / f"{name}.yaml" for name in ([pipeline] if pipeline else _PIPELINES)}
    for name, path in wanted.items():
        local.compile_to(path, _pipeline(name))
        typer.echo(f"wrote {path}")


def pack(
    bundle: Annotated[str, typer.Argument(help="Folder of the bundle, s3://... or models:/name@alias of MLflow.")],
    into: Annotated[Path, typer.Argument(help="Folder of the OCI layout to write.")],
    tag: Annotated[str, typer.Option(help="Name of the image within the layout.")] = "latest",
) -> None:
    """Write a bundle as a container image without a base, for a registry and KServe's oci:// storage.

    Example: modelsat pack models:/modelsat-router@champion router-image
    """
    from modelsat.bundle import oci_image

    digest = oci_image.write(bundle, into, tag)
    typer.echo(f"wrote {into}, image {digest}")
    typer.echo(f"next: skopeo copy --all --preserve-digests oci:{into}:{tag} docker://REGISTRY/NAME:{tag}")


def submit(
    pipeline: Annotated[str, typer.Option(help="Pipeline: retrain, onboard or watch.")] = "retrain",
    chosen: Annotated[
        list[str] | None, typer.Option("--set", help="Run parameter as name=value, with the value in JSON; repeatable.")
    ] = None,
    defaults: Annotated[
        Path | None, typer.Option(help="JSON file with default parameters, as kept in an overlay.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address of Kubeflow Pipelines' API.", envvar="MODELSAT_KFP_HOST")
    ] = "http://localhost:8888",
    ui: Annotated[
        str, typer.Option(help="Address of its web pages, for links; default: the host.", envvar="MODELSAT_KFP_UI")
    ] = "",
    namespace: Annotated[
        str, typer.Option(help="Profile namespace; empty for a single-user installation.", envvar="MODELSAT_NAMESPACE")
    ] = "",
    token_file: Annotated[
        str,
        typer.Option(help="File with the service-account token to log in with.", envvar="MODELSAT_KFP_TOKEN_FILE"),
    ] = "",
    ca_file: Annotated[
        str, typer.Option(help="File with the host's certificate authority.", envvar="MODELSAT_KFP_CA_FILE")
    ] = "",
    account: Annotated[str, typer.Option(help="Service account of the run's pods.")] = "modelsat-runner",
    experiment: Annotated[str, typer.Option(help="Experiment of the run.")] = "modelsat",
    upload_only: Annotated[
        bool, typer.Option("--upload-only", help="Upload all pipelines without starting a run.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compile and check only; print what differs from the defaults as JSON.")
    ] = False,
    parameters: Annotated[
        bool, typer.Option("--parameters", help="Only list the pipeline's parameters with their defaults.")
    ] = False,
) -> None:
    """Upload a pipeline to Kubeflow and start a run.

    A version that is there already is not uploaded again.

    A session cookie for a login page is read from MODELSAT_KFP_COOKIE.

    Example: modelsat submit --set train_nodes=2 --set train_node_gpus=8
    """
    import os
    import tempfile

    from modelsat import settings
    from modelsat.cluster import pod_reach, training_plan
    from pipelines import on_cluster, run_parameters
    from pipelines.submission import Kubeflow, Login

    if parameters:
        typer.echo(run_parameters.table(_pipeline(pipeline)).text())
        return
    form = _read(defaults) if defaults is not None else {}
    names = _PIPELINES if upload_only else (pipeline,)
    login = Login(host, namespace, token_file, os.environ.get("MODELSAT_KFP_COOKIE", ""), ui, ca_file)
    kubeflow: Kubeflow | None = None
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            made, package = _pipeline(name), Path(scratch) / f"{name}.yaml"
            known = on_cluster.parameters(made)
            arguments = run_parameters.read(made, chosen or ())
            shown = {key: value for key, value in form.items() if key in known}
            values = shown | arguments
            if name == "retrain":
                settings.check(form | arguments)
            elif not upload_only:
                run_parameters.check(made, values)
            pod_reach.require(values)
            if "train_recipe" in known:
                of_training = known & settings.RetrainSettings.model_fields.keys()
                training_plan.check({key: one for key, one in values.items() if key in of_training})
            if not dry_run:
                # Connected only now: what is wrong with the values is said without a server.
                kubeflow = kubeflow or Kubeflow(login)
            on_cluster.write(made, package, shown)
            if kubeflow is None:
                typer.echo(json.dumps({"pipeline": name, **values}))
                continue
            uploaded = kubeflow.upload(package, name, on_cluster.description(made))
            typer.echo(f"{'uploaded' if uploaded.new else 'there already'}  {uploaded.link}")
            if not upload_only:
                run_id, link = kubeflow.start(uploaded, experiment, f"{name} by modelsat", arguments, account)
                typer.echo(f"started   {link}  (run {run_id})")


def _pipeline(name: str) -> Any:
    if name not in _PIPELINES:
        raise InputError(f"there is no pipeline {name!r}; name one of {', '.join(_PIPELINES)}")
    return getattr(import_module(f"pipelines.{name}"), name)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"defaults {str(path)!r} are not readable as JSON ({error}); correct the file") from error
    if not isinstance(content, dict):
        raise InputError(f"defaults {str(path)!r} are not a JSON object; write parameters by name")
    return content
