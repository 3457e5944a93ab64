"""What is stored beside a model in MLflow: its signature, its code, and the packages that the code needs."""

import re
import zipfile
from importlib import metadata, resources
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def code(folder: Path) -> Path:
    """Write the package's modules into a folder as one archive that Python imports from, and return its path.

    MLflow sends the files of a model to its server one by one: four hundred modules cost more than all the rest.
    """
    archive = folder / "modelsat.zip"
    package = Path(str(resources.files("modelsat")))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as packed:
        for module in sorted(package.rglob("*.py")):
            packed.write(module, module.relative_to(package.parent))
    return archive


def requirements(extra: str) -> list[str]:
    """Return what the stored code needs, pinned to the versions installed here; all of it can be installed anywhere.

    The package itself is on no index: its code travels with the model. A local build such as 2.13.0+cpu is on none
    either, so the public version of it is named.

    Args:
        extra: The optional dependencies that the router needs, such as torch; "" for none.
    """
    needed = []
    for line in metadata.requires("modelsat") or []:
        named, _, marker = line.partition(";")
        name = _NAME.match(named)
        if name and (not marker or marker.replace("'", '"').strip() == f'extra == "{extra}"'):
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
