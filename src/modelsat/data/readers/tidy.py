"""Reader of tidy tables: `prompts` and `scores` side by side as Parquet, CSV or JSON Lines, and a `models` table.

`scores` is wide: a row per prompt, a column per candidate, numbers in [0, 1] or true and false; an empty cell or NaN
means that the candidate was not run. Or it is long: `prompt_id, model, score`. In a file whose name begins with
`scores_percent` all scores are percentages, from 0 to 100. `out_chars`, where present, has the shape of a wide `scores`
and the answer lengths in characters. `usage`, where present, has mean answer lengths in characters
(model, benchmark, mean_chars): an answer whose own length is not in `out_chars` takes that mean, so that the lengths of
a benchmark add up to what was logged. `measures`, `cost_usd`, `tokens_in`, `tokens_out` and `latency_seconds` say what
answers cost (`tidy_measures`).
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import contracts, table_blocks
from modelsat.data.readers import tidy_long, tidy_measures, tidy_models, tidy_prompts, tidy_scores
from modelsat.data.readers.file_heads import head_of
from modelsat.data.readers.harvest import Harvest, ReadingLog, rejects_table
from modelsat.data.readers.score_columns import HARNESS, METRIC, AnswerLengths
from modelsat.data.readers.table_files import ENDINGS, TableSheet, open_sheet
from modelsat.data.readers.tidy_scores import wide_scores
from modelsat.data.remarks import Remark
from modelsat.io.storage import SourceFile

__all__ = ["HARNESS", "METRIC", "claims", "parts", "read"]

_PARTS = re.compile(
    rf"(prompts|scores|out_chars|usage|models|measures|cost_usd|tokens_in|tokens_out|latency_seconds)[\w.-]*?\.{ENDINGS}",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"scores[_.-]percent", re.IGNORECASE)
_KNOWN = {
    "prompts": tidy_prompts.COLUMNS,
    "scores": (*tidy_prompts.COLUMNS, *tidy_long.COLUMNS),
    "out_chars": ("prompt_id",),
    "usage": ("model", "benchmark", "mean_chars"),
    "models": tidy_models.COLUMNS,
    tidy_measures.LONG: (
        "prompt_id",
        *tidy_measures.MODEL,
        *(one for names in tidy_measures.FIELDS.values() for one in names),
    ),
    **dict.fromkeys(tidy_measures.FIELDS, ("prompt_id",)),
}


def claims(names: Iterable[str]) -> bool:
    """Say whether a folder with these file names holds tidy tables."""
    return any(match and match[1].lower() == "scores" for match in map(_PARTS.fullmatch, names))


def read(files: list[SourceFile]) -> Harvest:
    """Read one folder of tidy tables."""
    (harvest,) = _harvests(files, apart=False)
    return harvest


def parts(files: list[SourceFile]) -> Iterator[Harvest]:
    """Read one folder of tidy tables, where it can be as a harvest per file of scores and one of the rest."""
    return _harvests(files, _stand_apart(files))


def _harvests(files: list[SourceFile], apart: bool) -> Iterator[Harvest]:
    opening, log = ReadingLog(), ReadingLog()
    sheets: dict[str, list[TableSheet]] = {part: [] for part in _KNOWN}
    for file in files:
        if _part_of(file) is None:
            _name_misspelt(file, opening)
        elif not (apart and _part_of(file) == "scores"):
            _open(file, sheets, opening)
    if apart and not sheets["prompts"]:
        apart = False
        for file in _named(files, "scores"):
            _open(file, sheets, opening)
    if not sheets["prompts"]:
        sheets["scores"] = [tidy_prompts.with_ids(sheet) for sheet in sheets["scores"]]
    prompts = _prompts(sheets, log)
    lengths = AnswerLengths(_lengths(sheets["out_chars"]), _mean_lengths(sheets["usage"]))
    facts, listed = tidy_models.facts_of(sheets["models"], log), tidy_models.listed_in(sheets["models"])
    none = table_blocks.with_dictionaries(contracts.SCORES).empty_table()
    if apart:
        for file in _named(files, "scores"):
            sheet = open_sheet(file, _KNOWN["scores"], opening)
            if sheet is not None:
                scores = _scores(sheet, prompts, lengths, listed, log)
                candidates = tidy_models.candidates_of({}, pc.unique(scores["candidate"]).to_pylist())
                yield Harvest(scores, contracts.PROMPTS.empty_table(), candidates, rejects_table([]))
                # The next file is read when this one is no longer there.
                del sheet, scores
    scores = pa.concat_tables(
        [_scores(sheet, prompts, lengths, listed, log) for sheet in sheets["scores"]] or [none]
    ).unify_dictionaries()
    for sheet in sheets["scores"]:
        if tidy_long.layout_of(sheet) is None:
            for field, figures in tidy_scores.measures_within(sheet, listed).items():
                sheets[field].append(figures)
    scores = tidy_measures.beside(scores, tidy_measures.read(sheets, log), log)
    candidates = tidy_models.candidates_of(facts, pc.unique(scores["candidate"]).to_pylist())
    rejects, notes = opening.rejects + log.rejects, tuple(dict.fromkeys(opening.notes + log.notes))
    yield Harvest(scores, prompts, candidates, rejects_table(rejects), notes=notes, licences=_licences(files))


def _stand_apart(files: list[SourceFile]) -> bool:
    """Say whether no file of scores needs another: all are long, prompts stand beside them, and measures do not."""
    parts = {_part_of(file) for file in files}
    if "prompts" not in parts or parts & {tidy_measures.LONG, *tidy_measures.FIELDS}:
        return False
    return all(tidy_long.is_named_so(head_of(file).columns) for file in _named(files, "scores"))


def _open(file: SourceFile, sheets: dict[str, list[TableSheet]], log: ReadingLog) -> None:
    part = str(_part_of(file))
    sheet = open_sheet(file, _KNOWN[part], log)
    if sheet is not None:
        sheets[part].append(tidy_prompts.with_options(sheet) if part == "prompts" else sheet)


def _part_of(file: SourceFile) -> str | None:
    match = _PARTS.fullmatch(PurePosixPath(file.name).name)
    return match[1].lower() if match else None


def _named(files: list[SourceFile], part: str) -> list[SourceFile]:
    return [file for file in files if _part_of(file) == part]


def _prompts(sheets: dict[str, list[TableSheet]], log: ReadingLog) -> pa.Table:
    for sheet in sheets["prompts"]:
        tidy_prompts.name_unread(sheet, tidy_prompts.COLUMNS, log)
    # A table that holds prompts and scores needs no second file.
    within = [sheet for sheet in sheets["scores"] if {"prompt_id", "prompt"} <= sheet.columns.keys()]
    if sheets["prompts"] or not within:
        return tidy_prompts.prompts_of(sheets["prompts"], log)
    return tidy_prompts.prompts_of([_first_of_each_prompt(sheet) for sheet in within], log)


def _first_of_each_prompt(sheet: TableSheet) -> TableSheet:
    """Return the rows of a table that tell something new of a prompt: a long one repeats it for every candidate."""
    names = [name for name in tidy_prompts.COLUMNS if name in sheet.columns]
    first: dict[str, int] = {}
    for i, cells in enumerate(sheet.cells(*names)):
        first.setdefault(repr(cells), i)
    rows = list(first.values())
    return TableSheet(
        sheet.file, {name: [sheet.columns[name][i] for i in rows] for name in names}, [sheet.rows[i] for i in rows]
    )


def _scores(
    sheet: TableSheet, prompts: pa.Table, lengths: AnswerLengths, listed: set[str], log: ReadingLog
) -> pa.Table:
    scale = 100.0 if _PERCENT.match(PurePosixPath(sheet.file.name).name) else 1.0
    layout = tidy_long.layout_of(sheet)
    if layout is not None:
        return tidy_long.long_scores(sheet, layout, prompts, lengths, scale, log)
    fault = None if listed & {*tidy_long.COLUMNS} else tidy_long.fault_in_layout(sheet)
    if any(name.endswith("|total_cost") for name in sheet.columns):
        fault = (
            "this is RouterBench's table; rename the file to routerbench.csv or .parquet, and its costs are read, too"
        )
    if fault is not None:
        log.reject(sheet.file.uri, fault)
        return table_blocks.with_dictionaries(contracts.SCORES).empty_table()
    table = wide_scores(sheet, prompts, lengths, listed, scale, log)
    if scale != 1 and table.num_rows and pc.max(table["score"]).as_py() <= 1 / scale:
        log.reject(sheet.file.uri, "the file's name says percentages, but no score is above 1; rename it to scores")
    return table


def _name_misspelt(file: SourceFile, log: ReadingLog) -> None:
    """Name a file that looks like a part of the tables: it would be missing without a word."""
    stem, _, ending = PurePosixPath(file.name).name.lower().partition(".")
    close = difflib.get_close_matches(stem, _KNOWN, 1, 0.75)
    if close and ending in ("csv", "csv.gz", "parquet", "jsonl", "jsonl.gz", "json", "tsv", "xlsx"):
        log.note(Remark.FILE_NOT_READ, f"{file.uri!r} is not read; is {close[0]}.csv (or .parquet, .jsonl) meant?")


def _licences(files: list[SourceFile]) -> tuple[str, ...]:
    """Return the lines of the README beside the tables that speak of licences: they travel with the question text."""
    lines = []
    for file in files:
        if PurePosixPath(file.name).name.lower() == "readme.md":
            text = file.path.read_text(encoding="utf-8", errors="replace")
            lines += [line.strip("* \t") for line in text.splitlines() if re.search(r"licen[cs]e", line, re.IGNORECASE)]
    return tuple(lines)


def _lengths(sheets: list[TableSheet]) -> dict[tuple[str, str], float]:
    lengths = {}
    for sheet in sheets:
        ids = sheet.columns.get("prompt_id", [])
        for name, cells in sheet.columns.items():
            if name != "prompt_id":
                for prompt_id, cell in zip(ids, cells, strict=True) if ids else ():
                    length = _length(cell)
                    if length is not None:
                        lengths[str(tidy_prompts.id_of(prompt_id)), name] = length
    return lengths


def _mean_lengths(sheets: list[TableSheet]) -> dict[tuple[str, str], float]:
    means = {}
    for sheet in sheets:
        for benchmark, model, cell in sheet.cells("benchmark", "model", "mean_chars"):
            length = _length(cell)
            if length is not None:
                means[str(benchmark), str(model)] = length
    return means


def _length(cell: object) -> float | None:
    try:
        length = float(str(cell))
    except ValueError:
        return None
    return length if 0 <= length < 1e9 else None
