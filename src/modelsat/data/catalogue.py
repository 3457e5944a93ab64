"""The catalogue of candidates: what people say of them, in a file or a folder of files, here or in S3.

A row per candidate: its name, where it answers (`endpoint`, `served_as`, `api_key_env`), what it costs, what it can
take in, when it came out, its licence, and the other names it goes by. Every field but the name may be missing.
"""

import contextlib
import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from modelsat.data import candidate_facts, contracts
from modelsat.data.aliases import Roster
from modelsat.data.candidate_names import fault_in_candidate
from modelsat.data.collection import Collection
from modelsat.data.remarks import Remark
from modelsat.errors import InputError
from modelsat.io import chat_address, storage
from modelsat.io.atomic import write_text
from modelsat.io.near_names import near

_KINDS = (".csv", ".parquet", ".yaml", ".yml")
_SURPLUS = "fields beyond the header"


def read(uri: str) -> pa.Table:
    """Read a catalogue: CSV, Parquet or YAML, a row or mapping per candidate, columns as in a `models.csv`.

    Args:
        uri: A file, or a folder or `s3://` prefix whose files are read together.

    Returns:
        Table of the contract `CANDIDATES`.

    Raises:
        InputError: There is no catalogue, or a row of it cannot be used; file, row and field are named.
    """
    table, faults = usable(uri)
    if faults:
        raise InputError(faults[0])
    if not table.num_rows:
        raise InputError(f"catalogue {uri!r} lists no candidate; add a row with a column 'candidate'")
    return table


def usable(uri: str) -> tuple[pa.Table, list[str]]:
    """Read what can be used of a catalogue: a broken row or file does not stop the others.

    Returns:
        Table of the contract `CANDIDATES`, and a sentence per row or file that was left out.

    Raises:
        InputError: There is no catalogue.
    """
    rows: dict[str, dict[str, object]] = {}
    faults = []
    for file in _files(uri):
        try:
            found = _rows(file)
        except InputError as error:
            faults.append(str(error))
            continue
        for number, cells in enumerate(found, start=1):
            try:
                row = _candidate(file, number, cells)
                name = str(row["candidate"])
                if name in rows:
                    raise InputError(
                        f"row {number} of catalogue {file!r}: candidate {name!r} stands there twice; keep one row"
                    )
                rows[name] = row
            except InputError as error:
                faults.append(str(error))
    return contracts.from_rows(list(rows.values()), contracts.CANDIDATES), faults


def unreachable(catalogue: pa.Table) -> list[str]:
    """Return a sentence for each candidate whose endpoint is an address that nothing can be asked at."""
    faults = []
    for name, endpoint in zip(catalogue["candidate"].to_pylist(), catalogue["endpoint"].to_pylist(), strict=True):
        try:
            if endpoint is not None:
                chat_address.read(endpoint)
        except InputError as error:
            faults.append(f"the endpoint of candidate {name!r} {error}")
    return faults


def near_misses(uri: str) -> list[str]:
    """Return a sentence for each field of a catalogue that is not read and looks like one that is."""
    remarks = []
    for file in _files(uri):
        with contextlib.suppress(InputError):
            for field in dict.fromkeys(str(name) for cells in _rows(file) for name in cells):
                meant = None if field in candidate_facts.COLUMNS else candidate_facts.near_miss(field)
                if meant is not None:
                    sentence = f"field {field!r} of catalogue {file!r} is not read; is {meant!r} meant?"
                    remarks.append(Remark.COLUMN_NOT_READ.of(sentence))
    return remarks


def row(uri: str, name: str) -> dict[str, Any]:
    """Return the row of one candidate; as of `row_beside`, like arguments and errors."""
    return row_beside(uri, name)[0]


def row_beside(uri: str, name: str) -> tuple[dict[str, Any], pa.Table]:
    """Return the row of one candidate and all rows that can be used; broken rows of others do not matter.

    Args:
        uri: As of `read`.
        name: Of the candidate, or an alias.

    Raises:
        InputError: There is no catalogue, no such row, or that row cannot be used.
    """
    table, faults = usable(uri)
    own = [fault for fault in faults if repr(name) in fault]
    if own:
        raise InputError(own[0])
    try:
        return find(table, name), table
    except InputError as error:
        left_out = f"; rows or files that cannot be used: {len(faults)}, the first: {faults[0]}" if faults else ""
        raise InputError(f"{error}{left_out}") from None


def find(catalogue: pa.Table, name: str) -> dict[str, Any]:
    """Return the row of a candidate by its name or an alias.

    Raises:
        InputError: There is none.
    """
    rows = {row["candidate"]: row for row in catalogue.to_pylist()}
    roster = Roster.of(catalogue)
    listed = roster.resolve(name)
    if listed is None:
        similar = near(name, roster.canonical)
        entries = f"first entries: {', '.join(list(rows)[:10])}" if rows else "no row of it can be used"
        raise InputError(f"the catalogue has no candidate {name!r}{similar}; {entries}")
    return rows[listed]


def write(catalogue: pa.Table, path: Path) -> None:
    """Write a catalogue as Parquet or YAML, by the ending of its name; YAML leaves out what is missing.

    Raises:
        InputError: The name ends otherwise.
    """
    if path.suffix == ".parquet":
        contracts.write(catalogue, path, contracts.CANDIDATES)
    elif path.suffix in (".yaml", ".yml"):
        rows = [
            {field: value for field, value in row.items() if value is not None and value != []}
            for row in contracts.conform(catalogue, contracts.CANDIDATES).to_pylist()
        ]
        write_text(path, yaml.safe_dump({"candidates": rows}, sort_keys=False, allow_unicode=True, width=120))
    else:
        raise InputError(f"a catalogue is written as .yaml or .parquet, not as {str(path)!r}; choose another name")


def enrich(collection: Collection, catalogue: pa.Table) -> Collection:
    """Return the collection with what the catalogue says of its candidates, found by name or alias; it has precedence.

    Rows of candidates without results are left out.
    """
    told = {row["candidate"]: row for row in catalogue.to_pylist()}
    entry = Roster.of(catalogue).match(collection.candidates)
    rows = []
    for row in collection.candidates.to_pylist():
        facts = told.get(entry.get(row["candidate"], ""), {})
        names = {*(row["aliases"] or []), *(facts.get("aliases") or []), *filter(None, [facts.get("candidate")])}
        merged = row | {field: value for field, value in facts.items() if value is not None}
        rows.append(merged | {"candidate": row["candidate"], "aliases": sorted(names - {row["candidate"]}) or None})
    return replace(collection, candidates=contracts.from_rows(rows, contracts.CANDIDATES))


def _files(uri: str) -> list[str]:
    if _is_file(uri):
        return [uri]
    found = [storage.join(uri, name) for name in storage.names(uri) if _is_file(name) and not name.startswith(".")]
    if not found:
        raise InputError(f"catalogue {uri!r} is no .csv, .parquet, .yaml or .yml file; name one, or a folder of them")
    return found


def _is_file(uri: str) -> bool:
    return PurePosixPath(uri).suffix.lower() in _KINDS


def _candidate(uri: str, number: int, cells: Mapping[str, object]) -> dict[str, object]:
    name = cells.get("candidate") or cells.get("model") or cells.get("name")
    fault = fault_in_candidate(name)
    if fault is None and _SURPLUS in cells:
        fault = "it has more fields than the header; put quotes around a field that holds a comma"
    if fault is not None:
        raise InputError(f"row {number} of catalogue {uri!r}: {fault}")
    try:
        return {"candidate": name, **candidate_facts.parse(cells)}
    except ValueError as error:
        raise InputError(
            f"row {number} of catalogue {uri!r}: a fact about {name!r} is not readable ({error}); correct it"
        ) from error


def _rows(uri: str) -> list[Mapping[str, object]]:
    kind = PurePosixPath(uri).suffix.lower()
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
    except (pa.ArrowException, OSError, yaml.YAMLError, ValueError, csv.Error, RecursionError) as error:
        fault = " ".join(str(error).split())
        raise InputError(f"catalogue {uri!r} is not readable ({fault}); correct it") from error
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise InputError(f"catalogue {uri!r} is no list of candidates; write a row or a mapping per candidate")
    return rows
