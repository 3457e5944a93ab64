"""What a table says of a candidate beside its scores: columns as people write them, fields of the contract."""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime

from modelsat.data.written_numbers import number
from modelsat.io import request_headers, spoken_protocols
from modelsat.io.key_variables import fault_in_key_variable

_FIELD_OF_COLUMN = {
    "family": "family",
    "release_date": "released_at",
    "released_at": "released_at",
    "n_params": "n_params",
    "context_length": "context_length",
    "price_in_usd_per_mtok": "price_in",
    "price_in": "price_in",
    "price_out_usd_per_mtok": "price_out",
    "price_out": "price_out",
    "endpoint": "endpoint",
    "aliases": "aliases",
    "modalities": "modalities",
    "tools": "tools",
    "regions": "regions",
    "revision": "revision",
    "license": "licence",
    "licence": "licence",
    "served_as": "served_as",
    "api_key_env": "api_key_env",
    "price_cached_in_usd_per_mtok": "price_cached_in",
    "price_cached_in": "price_cached_in",
    "reasoning": "reasoning",
    "retires_at": "retires_at",
    "deprecation_date": "retires_at",
    "request_body": "request_body",
    "max_tokens": "max_tokens",
    "timeout_seconds": "timeout_seconds",
    "published": "published",
    "protocols": "protocols",
    "request_headers": "request_headers",
}
COLUMNS = (*_FIELD_OF_COLUMN, "n_params_b")
"""Columns that are read."""
_OTHERS = ("vendor", "kind", "active_params_b", "open_weights", "price_source", "params", "notes", "comment", "source")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse(cells: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of the contract `CANDIDATES` that a row tells; columns that mean nothing here are left out.

    Args:
        cells: Values by column, None, empty or NaN where missing; prices in USD per million tokens, `n_params_b` in
            billions, `aliases`, `modalities` and `regions` as lists or separated by `|`, `;` or `,`, `tools` as yes or
            no.

    Raises:
        ValueError: A value cannot be read; its column is named.
    """
    facts: dict[str, object] = {}
    for column, field in _FIELD_OF_COLUMN.items():
        if not _is_missing(cells.get(column)):
            facts[field] = _told(column, _READ.get(field, str), cells[column])
    if not _is_missing(cells.get("n_params_b")):
        facts["n_params"] = _told("n_params_b", _parameters, cells["n_params_b"])
    return facts


def near_miss(column: str) -> str | None:
    """Return the column that may be meant by one that is not read, None where none is like it."""
    name = re.sub(r"[\s-]+", "_", column.strip().lower())
    if name in _OTHERS or name.startswith("mean_"):
        return None
    return next(iter(difflib.get_close_matches(name, COLUMNS, 1, 0.75)), None)


def names_in(cell: object) -> Iterable[str]:
    """Return the names in a cell of aliases, none where it cannot be read."""
    try:
        return [] if _is_missing(cell) else _list(cell)
    except ValueError:
        return []


def _told(column: str, read: Callable[[object], object], cell: object) -> object:
    try:
        return read(cell)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{column}: {error}") from error


def _is_missing(cell: object) -> bool:
    return cell is None or str(cell).strip().lower() in ("", "nan")


def _number(cell: object) -> float:
    is_truth = str(cell).strip().lower() in _TRUTHS and not str(cell).strip().isdigit()
    value = None if is_truth else number(cell)
    if value is None:
        raise ValueError(f"{cell!r} is no number; write digits and a decimal point")
    return value


def _price(cell: object) -> float:
    value = _number(cell)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{cell!r} is no price; give USD per million tokens, at least 0, or leave it out")
    return value


def _day(cell: object) -> date:
    return datetime.fromisoformat(str(cell)).date()


def _list(cell: object) -> list[str]:
    if isinstance(cell, str):
        cell = json.loads(cell) if cell.lstrip().startswith("[") else re.split(r"[|;,]", cell)
    if not isinstance(cell, list | tuple):
        raise ValueError(f"{cell!r} is no list")
    return [str(one).strip() for one in cell if str(one).strip()]


def _truth(cell: object) -> bool:
    try:
        return _TRUTHS[str(cell).strip().lower()]
    except KeyError:
        raise ValueError(f"{cell!r} is neither yes nor no") from None


def _variable(cell: object) -> str:
    fault = fault_in_key_variable(str(cell))
    if fault is not None:
        raise ValueError(fault)
    return str(cell)


def _parameters(cell: object) -> int:
    value = _number(cell)
    if not 0 <= value <= 1e9:
        raise ValueError(f"{cell!r} is out of range")
    return round(value * 1e9)


def _whole(cell: object) -> int:
    value = int(_number(cell))
    if not 0 <= value < 2**31:
        raise ValueError(f"{cell!r} is out of range")
    return value


def _count(cell: object) -> int:
    return _parameters(_number(cell) / 1e9)


def _length(cell: object) -> int:
    value = _whole(cell)
    if value < 1:
        raise ValueError(f"{cell!r} is no length; give a number of tokens, at least 1")
    return value


def _seconds(cell: object) -> float:
    value = _number(cell)
    if not 0 < value < float("inf"):
        raise ValueError(f"{cell!r} is no time; give seconds above 0")
    return value


def _request_body(cell: object) -> str:
    # It may hold a secret by mistake: nothing of it is repeated.
    try:
        fields = json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        fields = None
    if not isinstance(fields, Mapping):
        raise ValueError("this is no JSON object; write fields and values in braces")
    for field in ("messages", "stream"):
        if fields.get(field):
            raise ValueError(f"it must not hold {field!r}; leave it out")
    return json.dumps(dict(fields), sort_keys=True)


def _request_headers(cell: object) -> str:
    try:
        headers = json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        headers = None
    fault = request_headers.fault_in_headers(headers)
    if fault is not None:
        raise ValueError(f"these {fault}")
    return json.dumps(headers, sort_keys=True)


def _protocols(cell: object) -> str:
    return json.dumps(spoken_protocols.read(cell), sort_keys=True)


def _published(cell: object) -> str:
    """Read scores by benchmark: numbers up to 1 are shares, greater ones up to 100 are percent."""
    try:
        scores = json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        scores = None
    if not isinstance(scores, Mapping):
        raise ValueError("this is no table of scores; write {benchmark: score, ...}")
    shares = {}
    for benchmark, score in scores.items():
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 100:
            raise ValueError(f"{benchmark!r} has {score!r}; give a number in [0, 1], or in percent")
        shares[str(benchmark)] = score if score <= 1 else score / 100
    return json.dumps(shares, sort_keys=True)


_READ: dict[str, Callable[[object], object]] = {
    "released_at": _day,
    "n_params": _count,
    "context_length": _whole,
    "price_in": _price,
    "price_out": _price,
    "price_cached_in": _price,
    "reasoning": _truth,
    "retires_at": _day,
    "aliases": _list,
    "modalities": _list,
    "tools": _truth,
    "regions": _list,
    "api_key_env": _variable,
    "request_body": _request_body,
    "max_tokens": _length,
    "timeout_seconds": _seconds,
    "published": _published,
    "protocols": _protocols,
    "request_headers": _request_headers,
}
