"""One configuration file for the command line: `modelsat.toml`, or `[tool.modelsat]` in `pyproject.toml`.

It holds defaults of options: at the top for every verb that has the option, in a table for one verb. Environment
variables go before it, and options on the command line before both. Secrets have no place in it.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelsat.errors import InputError

OWN, SHARED = "modelsat.toml", "pyproject.toml"
_SECRET_NAME = re.compile(
    r"(token|secret|password|passwd|credential|api_?key|access_?key|signing_?key|private_?key)", re.IGNORECASE
)
_SECRET_VALUE = re.compile(
    r"://[^/\s]*:[^/\s]*@|\bBearer\s|\b(?:sk|gsk|xai|hf)[-_][A-Za-z0-9_-]{8,}|\bAKIA[A-Z0-9]{12,}"
)
_ADDRESSES = frozenset(
    {"catalogue", "results", "ledger", "champions", "bundle", "upstreams", "feedback_log", "scores", "folder"}
)
"""Options whose relative values are folders or files, seen from the configuration file."""


@dataclass(frozen=True)
class Option:
    """An option that may be set.

    Attributes:
        parameter: Its name in the program.
        is_path: Whether its value is a file or folder.
        is_list: Whether it may be repeated.
    """

    parameter: str
    is_path: bool = False
    is_list: bool = False


@dataclass(frozen=True)
class ConfigFile:
    """What a file holds.

    Attributes:
        path: Of the file.
        content: Its table of modelsat.
    """

    path: Path
    content: Mapping[str, Any]


def find(start: Path) -> ConfigFile | None:
    """Return the configuration of a folder or of the nearest one above it; None where there is none.

    Raises:
        InputError: A file is not readable, or a folder has two configurations.
    """
    for folder in (start, *start.parents):
        own, shared = folder / OWN, _table(folder / SHARED)
        if own.is_file():
            if shared is not None:
                raise InputError(f"both {str(own)!r} and [tool.modelsat] of {SHARED} beside it are there; keep one")
            return ConfigFile(own, _read(own))
        if shared is not None:
            return ConfigFile(folder / SHARED, shared)
    return None


def defaults(file: ConfigFile, verbs: Mapping[str, Mapping[str, Option]]) -> dict[str, dict[str, Any]]:
    """Return the defaults of the options by verb.

    Args:
        file: The configuration.
        verbs: By verb, in words separated by spaces, its options by name without dashes, such as `max_loss`.

    Raises:
        InputError: A key is unknown or a secret, or a value is of the wrong kind.
    """
    own: dict[str, dict[str, Any]] = {verb: {} for verb in verbs}
    shared: dict[str, Any] = {}
    for key, value in file.content.items():
        verb = next((one for one in verbs if _normal(one.replace(" ", "_")) == _normal(key)), None)
        if not isinstance(value, dict):
            everything = {option: one for options in verbs.values() for option, one in options.items()}
            _known(file, key, everything, "its top")
            shared[key] = value
        elif verb is None:
            raise InputError(
                f"{_where(file)} has a table [{key}], but there is no such verb{_near(_normal(key), verbs)}"
            )
        else:
            for name, setting in value.items():
                option = _known(file, name, verbs[verb], f"[{key}]")
                own[verb][option.parameter] = _value(file, name, setting, option)
    for key, value in shared.items():
        for verb, options in verbs.items():
            if _normal(key) in options:
                option = options[_normal(key)]
                own[verb].setdefault(option.parameter, _value(file, key, value, option))
    return {verb: settings for verb, settings in own.items() if settings}


def _known(file: ConfigFile, key: str, options: Mapping[str, Option], place: str) -> Option:
    option = options.get(_normal(key))
    if option is not None:
        return option
    if _SECRET_NAME.search(key):
        raise InputError(f"{_where(file)} holds {key!r}; secrets belong into environment variables, remove it")
    raise InputError(f"{_where(file)} has an unknown key {key!r} in {place}{_near(_normal(key), options)}; correct it")


def _value(file: ConfigFile, key: str, value: Any, option: Option) -> Any:
    many = value if isinstance(value, list) else [value]
    if isinstance(value, list) != option.is_list:
        kind = "a list" if option.is_list else "a single value"
        raise InputError(f"{key!r} in {_where(file)} has to be {kind}; correct it")
    for one in many:
        if not isinstance(one, str | int | float | bool):
            raise InputError(f"{key!r} in {_where(file)} is neither text, number nor true or false; correct it")
        if isinstance(one, str) and _SECRET_VALUE.search(one):
            raise InputError(f"{key!r} in {_where(file)} holds a secret; give it in an environment variable")
    if option.is_path or _normal(key) in _ADDRESSES:
        if not all(isinstance(one, str) for one in many):
            raise InputError(f"{key!r} in {_where(file)} is no file or folder; write its path in quotes")
        many = [_from(file.path.parent, one) for one in many]
    return many if option.is_list else many[0]


def _from(folder: Path, address: Any) -> Any:
    if not isinstance(address, str) or not address or "://" in address or address.startswith("models:/"):
        return address
    return str(folder / address)


def _table(path: Path) -> Mapping[str, Any] | None:
    """Return the table [tool.modelsat] of a pyproject.toml, None where it has none or is not ours to read."""
    try:
        if "tool.modelsat" not in path.read_text(encoding="utf-8"):
            return None
    except (OSError, UnicodeDecodeError):
        return None
    table = _read(path).get("tool", {}).get("modelsat")
    return table if isinstance(table, dict) else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"the configuration file {str(path)!r} is not readable ({error}); correct it") from error


def _near(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, [one.replace(" ", "_") for one in known], 3, 0.6)
    return f" (similar: {', '.join(sorted(set(found)))})" if found else ""


def _where(file: ConfigFile) -> str:
    return f"the configuration file {str(file.path)!r}"


def _normal(key: str) -> str:
    return key.strip().lower().replace("-", "_")
