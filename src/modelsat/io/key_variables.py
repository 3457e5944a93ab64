"""Which environment variables may hold the key of a model: one rule for catalogues, upstreams and asked candidates.

A row of a catalogue names a variable and the address that its content is sent to. The row may come from elsewhere, so
it must not be able to name credentials of the machine that reads it.
"""

import os
import re
from collections.abc import Mapping

SETTING = "MODELSAT_KEY_VARIABLES"
"""Names of further variables that may hold keys, separated by commas."""
SUFFIX = "_API_KEY"
"""Ending of the names that need no setting."""
RESERVED = ("AWS_", "MODELSAT_", "MLFLOW_", "KUBERNETES_", "KUBE_", "KUBEFLOW_", "KFP_", "KSERVE_")
"""Beginnings of names that never hold the key of a model, whatever the setting says."""
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")


def fault_in_key_variable(name: object, environment: Mapping[str, str] = os.environ) -> str | None:
    """Say why a variable may not hold the key of a model, None where it may.

    Args:
        name: What stands where a variable is named; it may be a key by mistake, so no sentence repeats it.
        environment: Where `SETTING` is read.

    Returns:
        The end of a sentence: "this is no name of an environment variable; ...".
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return "this is no name of an environment variable; write one such as QWEN_API_KEY, never the key itself"
    if name.startswith(RESERVED):
        prefix = next(prefix for prefix in RESERVED if name.startswith(prefix))
        return (
            f"variables that begin with {prefix} hold credentials of the platform and are sent to no model; "
            f"export the model's key under a name that ends in {SUFFIX}"
        )
    if name.endswith(SUFFIX) or name in names_in(environment.get(SETTING, "")):
        return None
    return (
        f"this variable may not hold the key of a model; use one whose name ends in {SUFFIX}, "
        f"or add its name to {SETTING}"
    )


def names_in(setting: str) -> set[str]:
    """Return the names in a setting, which commas separate."""
    return {name.strip() for name in setting.split(",")}
