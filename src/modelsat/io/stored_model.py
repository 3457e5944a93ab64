"""What is stored beside a model in MLflow: its signature, and the packages that its code needs."""

import re
from importlib import metadata
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def requirements() -> list[str]:
    """Return what the stored code needs, pinned to the versions installed here; all of it can be installed anywhere.

    The package itself is on no index: its code travels with the model. A local build such as 2.13.0+cpu is on none
    either, so the public version of it is named.
    """
    needed = []
    for line in metadata.requires("modelsat") or []:
        named, _, marker = line.partition(";")
        name = _NAME.match(named)
        if name and (not marker or marker.replace("'", '"').strip() == 'extra == "torch"'):
            needed.append(name[0])
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in needed]


def signature(mlflow: Any) -> Any:
    """Return the signature of a registered router: prompts in, choices with their success probability out."""
    types = mlflow.types
    return mlflow.models.ModelSignature(
        inputs=types.Schema([types.ColSpec("string", "prompt")]),
        outputs=types.Schema([types.ColSpec("string", "model"), types.ColSpec("double", "success_probability")]),
        params=types.ParamSchema(
            [types.ParamSpec("cost_weight", "double", 0.0), types.ParamSpec("policy", "string", "auto")]
        ),
    )
