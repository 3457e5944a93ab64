"""The catalogue of candidates: a file of facts that people keep beside the results, with other names of a candidate."""

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from modelsat import candidate_facts, contracts, storage
from modelsat.collection import Collection
from modelsat.errors import InputError
from modelsat.names import fault_in_candidate

_SURPLUS = "fields beyond the header"


def read(uri: str) -> pa.Table:
    """Read a catalogue: CSV, Parquet or YAML, a row or mapping per candidate, columns as in a `models.csv`.

    Returns:
        Table of the contract `CANDIDATES`.

    Raises:
        InputError: The file is no catalogue, or a row of it cannot be used.
    """
    rows: dict[str, dict[str, object]] = {}
    for number, cells in enumerate(_rows(uri), start=1):
        name = cells.get("candidate") or cells.get("model") or cells.get("name")
        fault = fault_in_candidate(name)
        if fault is None and _SURPLUS in cells:
            fault = "it has more fields than the header; put quotes around a field that holds a comma"
        if fault is None and name in rows:
            fault = f"candidate {name!r} stands there twice; keep one row"
        if fault is not None:
            raise InputError(f"row {number} of catalogue {uri!r}: {fault}")
        try:
            rows[str(name)] = {"candidate": name, **candidate_facts.parse(cells)}
        except (ValueError, OverflowError) as error:
            raise InputError(
                f"row {number} of catalogue {uri!r}: a fact about {name!r} is not readable ({error}); correct it"
            ) from error
    if not rows:
        raise InputError(f"catalogue {uri!r} lists no candidate; add a row with a column 'candidate'")
    return contracts.from_rows(list(rows.values()), contracts.CANDIDATES)


def enrich(collection: Collection, catalogue: pa.Table) -> Collection:
    """Return the collection with what the catalogue says of its candidates, found by name or alias; it has precedence.

    Rows of candidates without results are left out.
    """
    told = {row["candidate"]: row for row in catalogue.to_pylist()}
    entry = same(catalogue, collection.candidates)
    rows = []
    for row in collection.candidates.to_pylist():
        facts = told.get(entry.get(row["candidate"], ""), {})
        names = {*(row["aliases"] or []), *(facts.get("aliases") or []), *filter(None, [facts.get("candidate")])}
        merged = row | {field: value for field, value in facts.items() if value is not None}
        rows.append(merged | {"candidate": row["candidate"], "aliases": sorted(names - {row["candidate"]}) or None})
    return replace(collection, candidates=contracts.from_rows(rows, contracts.CANDIDATES))


def same(known: pa.Table, found: pa.Table) -> dict[str, str]:
    """Say which candidates that were found are known, by name first, then where a name or alias of one is one of both.

    Args:
        known: Table of the contract `CANDIDATES`.
        found: Another one.

    Returns:
        Name in `known` by name in `found`; no known candidate stands for two.
    """
    known_as = {name: name for name in known["candidate"].to_pylist()}
    for row in known.to_pylist():
        for alias in row["aliases"] or []:
            known_as.setdefault(alias, row["candidate"])
    pairs = {name: name for name in found["candidate"].to_pylist() if known_as.get(name) == name}
    for row in found.to_pylist():
        if row["candidate"] not in pairs:
            hits = [known_as[one] for one in [row["candidate"], *(row["aliases"] or [])] if one in known_as]
            free = next((name for name in hits if name not in pairs.values()), None)
            if free is not None:
                pairs[row["candidate"]] = free
    return pairs


def _rows(uri: str) -> list[Mapping[str, object]]:
    kind = PurePosixPath(uri).suffix.lower()
    if kind not in (".csv", ".parquet", ".yaml", ".yml"):
        raise InputError(f"catalogue {uri!r} is no .csv, .parquet, .yaml or .yml file; name one")
    content = storage.read(uri)
    try:
        if kind == ".parquet":
            rows = pq.read_table(pa.BufferReader(content)).to_pylist()
        elif kind in (".yaml", ".yml"):
            rows = yaml.safe_load(content)
            rows = rows.get("candidates") if isinstance(rows, dict) else rows
        else:
            text = io.StringIO(content.decode("utf-8-sig"), newline="")
            rows = list(csv.DictReader(text, restkey=_SURPLUS, strict=True))
    except (pa.ArrowException, yaml.YAMLError, ValueError, csv.Error) as error:
        fault = " ".join(str(error).split())
        raise InputError(f"catalogue {uri!r} is not readable ({fault}); correct it") from error
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise InputError(f"catalogue {uri!r} is no list of candidates; write a row or a mapping per candidate")
    return rows
