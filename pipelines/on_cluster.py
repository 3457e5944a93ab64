"""A pipeline as it is uploaded to a cluster: with a last step that tells of a failure, and an overlay's defaults."""

import copy
import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler, dsl, kubernetes

from components.notify import notify
from modelsat.errors import InputError


def notifying(pipeline: Any) -> Any:
    """Return the same pipeline inside an exit handler, which runs whatever becomes of the steps."""

    @functools.wraps(pipeline.pipeline_func)
    def on_cluster(*values: Any) -> None:
        told = notify().set_display_name("Tell of a failure").set_caching_options(False)
        told.set_cpu_request("100m").set_cpu_limit("1").set_memory_request("256M").set_memory_limit("1G")
        kubernetes.use_secret_as_env(
            told, "modelsat-notifications", secret_key_to_env={"url": "MODELSAT_NOTIFY_URL"}, optional=True
        )
        with dsl.ExitHandler(told, name="steps"):
            pipeline(**dict(zip(inspect.signature(on_cluster).parameters, values, strict=True)))

    return dsl.pipeline(name=pipeline.name)(on_cluster)


def parameters(pipeline: Any) -> set[str]:
    """Return the names of a pipeline's parameters."""
    return set(inspect.signature(pipeline.pipeline_func).parameters)


def description(pipeline: Any) -> str:
    """Return the first sentence of a pipeline's docstring."""
    return (inspect.getdoc(pipeline.pipeline_func) or "").split("\n")[0]


def with_defaults(graph: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a compiled pipeline whose form shows other defaults.

    Args:
        graph: The pipeline's own document of the compiled YAML.
        defaults: Values by parameter.

    Raises:
        InputError: There is no such parameter.
    """
    changed = copy.deepcopy(dict(graph))
    parameters = changed["root"]["inputDefinitions"]["parameters"]
    unknown = sorted(set(defaults) - set(parameters))
    if unknown:
        raise InputError(f"the pipeline has no parameter {unknown[0]!r}; it has {', '.join(sorted(parameters))}")
    for name, value in defaults.items():
        parameters[name]["defaultValue"] = value
    return changed


def write(pipeline: Any, path: Path, defaults: Mapping[str, Any]) -> None:
    """Compile a pipeline for a cluster, with defaults of that cluster, into one YAML file.

    Raises:
        InputError: A default is of no parameter.
    """
    compiler.Compiler().compile(notifying(pipeline), str(path))
    graph, *platforms = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    documents = [with_defaults(graph, defaults), *platforms]
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
