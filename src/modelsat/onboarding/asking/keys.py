"""The key with which a candidate is asked: from an environment variable, or from a mounted secret."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelsat.errors import InputError, UnsetVariable
from modelsat.io.key_variables import fault_in_key_variable


def required(candidate: Mapping[str, Any]) -> str:
    """Return the key of a candidate, "" where its row names none.

    Args:
        candidate: A row of the contract `CANDIDATES`.

    Raises:
        InputError: The row names a variable that may not hold a key.
        UnsetVariable: The variable is not set.
    """
    name, variable = candidate["candidate"], candidate.get("api_key_env")
    if not variable:
        return ""
    fault = fault_in_key_variable(variable)
    if fault is not None:
        raise InputError(f"api_key_env of candidate {name!r}: {fault}")
    key = _key(str(variable))
    if not key:
        raise UnsetVariable(f"the environment variable {variable} is not set; it holds the key of candidate {name!r}")
    return key


def unset(candidate: Mapping[str, Any]) -> str:
    """Return the name of the variable that has to be set before a candidate can be asked, "" where none has."""
    try:
        required(candidate)
    except UnsetVariable:
        return str(candidate["api_key_env"])
    except InputError:
        return ""
    return ""


def _key(variable: str) -> str:
    """Return what a variable holds, "" where it is not set.

    On a cluster the keys of candidates are files in a mounted secret, the folder `MODELSAT_KEYS`.
    """
    mounted = os.environ.get("MODELSAT_KEYS")
    if mounted is None:
        return os.environ.get(variable, "").strip()
    file = Path(mounted, variable)
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""
