"""The sample's rows in the tidy layout that `modelsat.data.readers.tidy` reads, and CSV files of rows."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from modelsat.data.sample.candidates import CANDIDATES, FAMILY
from modelsat.data.sample.questions import SampleQuestion
from modelsat.io.atomic import atomic_file

Rows = list[list[object]]

_PROMPT_COLUMNS = ["prompt_id", "benchmark", "category", "prompt", "choices", "answer", "scorer"]
_MODEL_COLUMNS = ["model", "family", "release_date", "n_params_b", "context_length"]
_PRICE_COLUMNS = ["price_in_usd_per_mtok", "price_out_usd_per_mtok"]


def prompt_rows(questions: Sequence[SampleQuestion]) -> Rows:
    """Return the header and a row per question; choices as JSON, empty for an open question."""
    rows: Rows = [[*_PROMPT_COLUMNS]]
    for q in questions:
        choices = json.dumps(q.choices, ensure_ascii=False) if q.choices else ""
        rows.append([q.prompt_id, q.benchmark, q.category, q.prompt, choices, q.answer, q.scorer])
    return rows


def score_rows(questions: Sequence[SampleQuestion], scores: np.ndarray) -> Rows:
    """Return the header and a row per question with 1, 0 or an empty cell per candidate."""
    rows: Rows = [["prompt_id", *(candidate.name for candidate in CANDIDATES)]]
    cells = np.where(np.isnan(scores), "", np.where(scores == 1, "1", "0")).tolist()
    rows += [[q.prompt_id, *row] for q, row in zip(questions, cells, strict=True)]
    return rows


def model_rows() -> Rows:
    """Return the header and a row per candidate; a price that is not known is an empty cell."""
    rows: Rows = [[*_MODEL_COLUMNS, *_PRICE_COLUMNS]]
    for c in CANDIDATES:
        rows.append([c.name, FAMILY, c.released, c.n_params_b, c.context_length, c.price_in, c.price_out])
    return rows


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write rows, the header first, completely or not at all."""
    with atomic_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def read_csv(path: Path) -> list[list[str]]:
    """Read what `write_csv` wrote, as text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))
