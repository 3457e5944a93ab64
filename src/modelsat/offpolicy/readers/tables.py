"""Reader of tables: CSV, JSON Lines or Parquet, a request a row."""

import json
from collections.abc import Mapping
from typing import Any

from modelsat.data.readers import table_files
from modelsat.data.readers.harvest import ReadingLog
from modelsat.io.storage import SourceFile
from modelsat.offpolicy.readers.gathered import Gathered
from modelsat.text.conversation import routed_text

COLUMNS = {
    "prompt": ("prompt", "question", "input", "query", "messages"),
    "model": ("model", "candidate", "model_name"),
    "outcome": ("outcome", "rating", "score", "correct", "success", "feedback"),
    "at": ("at", "time", "timestamp", "created_at", "date"),
    "cost_usd": ("cost_usd", "cost"),
    "latency_seconds": ("latency_seconds", "latency_s", "latency_ms"),
    "propensity": ("propensity",),
    "tokens_in": ("tokens_in", "input_tokens", "prompt_tokens"),
    "tokens_out": ("tokens_out", "output_tokens", "completion_tokens"),
}
"""Columns that are read, by what they say; of several the first is taken."""


def read(file: SourceFile) -> Gathered:
    """Read one file."""
    found, log = Gathered(), ReadingLog()
    sheet = table_files.open_sheet(file, [name for names in COLUMNS.values() for name in names], log)
    for row in log.rejects:
        line = row["source_row"]
        found.reject(str(row["source_uri"]), line if isinstance(line, int) else "whole file", str(row["reason"]))
    found.notes.extend(log.notes)
    if sheet is None:
        return found
    columns = {field: next((name for name in names if name in sheet.columns), None) for field, names in COLUMNS.items()}
    for field in ("prompt", "model"):
        if columns[field] is None:
            found.reject(file.uri, "whole file", f"it has no column {' or '.join(COLUMNS[field])}; add one")
            return found
    present = {field: name for field, name in columns.items() if name is not None}
    if "outcome" not in present:
        found.reject(file.uri, "whole file", f"it has no column {' or '.join(COLUMNS['outcome'])}; add one")
        return found
    for number, cells in zip(sheet.rows, sheet.cells(*present.values()), strict=True):
        found.add(file.uri, number, _told(dict(zip(present, cells, strict=True)), present))
    return found


def _told(row: dict[str, object], columns: Mapping[str, str]) -> dict[str, object]:
    if columns["prompt"] == "messages" or isinstance(row["prompt"], list):
        row["prompt"] = _of_messages(row["prompt"])
    if columns.get("latency_seconds") == "latency_ms" and row["latency_seconds"] not in (None, ""):
        try:
            row["latency_seconds"] = float(str(row["latency_seconds"])) / 1000
        except ValueError:
            return row
    return row


def _of_messages(cell: Any) -> object:
    """Return what a router reads of a conversation; a cell that holds none stays as it is."""
    try:
        messages = json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        return cell
    if not isinstance(messages, list):
        return cell
    return routed_text([one for one in messages if isinstance(one, Mapping)])
