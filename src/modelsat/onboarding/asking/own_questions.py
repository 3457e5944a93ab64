"""A team's own questions with their right answers, read from tables and ready to be put to candidates."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from modelsat.data import contracts
from modelsat.data.readers import tidy_prompts
from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.readers.table_files import TableSheet, open_sheet
from modelsat.data.written_numbers import number
from modelsat.errors import InputError
from modelsat.io import storage
from modelsat.onboarding.asking.judge import LabelledAnswer
from modelsat.onboarding.asking.questions import JUDGE, SCORERS
from modelsat.text.rendering import digest, option_letter, render_prompt

_OTHER_NAMES = {
    "question": "prompt",
    "id": "prompt_id",
    "gold": "answer",
    "gold_answer": "answer",
    "reference": "answer",
}
_TEXT, _ANSWER = (
    (usual, *(other for other, named in _OTHER_NAMES.items() if named == usual)) for usual in ("prompt", "answer")
)
_TABLES = (".jsonl", ".csv", ".parquet", ".jsonl.gz", ".csv.gz")
_LABELS = ("prompt", "answer", "reply", "right")
_VERDICT = ((("reply",), "the reply that was judged"), (("right",), "the verdict (0 or 1)"))


@dataclass(frozen=True)
class OwnQuestions:
    """Questions that no bundle has frozen.

    Attributes:
        aptitude_test: Table of the contract `APTITUDE_TEST`, in the order of the files.
        attribution: Licence lines, Markdown; nobody but the team itself has a say here.
        notes: Remarks on the files.
    """

    aptitude_test: pa.Table
    attribution: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_judged(self) -> bool:
        """Say whether a question needs a judge."""
        return JUDGE in self.aptitude_test["scorer"].to_pylist()


def read(uri: str) -> OwnQuestions:
    """Read questions: a row each with `prompt` (or `question`) and `answer`, and what else a tidy table of prompts has.

    `choices` are options, of which `answer` is the letter or the text; `scorer` is `letter`, `number`, `exact`, `regex`
    or `judge`, and where it is missing the first three are told from the row; `category` groups questions into tasks;
    `benchmark` is the file's name where it is missing.

    Args:
        uri: A file (JSON Lines, CSV or Parquet), or a folder or `s3://` prefix of such files.

    Raises:
        InputError: A file cannot be read, or a question cannot be put or scored; file, row and field are named.
    """
    log, rows = ReadingLog(), []
    places: dict[str, str] = {}
    for sheet in _sheets(uri, (*tidy_prompts.COLUMNS, *_OTHER_NAMES), log):
        _require(sheet, _TEXT, "the question's text")
        _require(sheet, _ANSWER, "the right answer")
        prepared = tidy_prompts.with_options(_with_benchmark(sheet))
        prompts = tidy_prompts.prompts_of([prepared], log).to_pylist()
        _refuse_rejected(uri, log)
        for line, row in zip(sheet.rows, prompts, strict=True):
            question, where = _question(sheet, line, row), f"row {line} of {sheet.file.uri!r}"
            before = places.setdefault(question["prompt_id"], where)
            if before != where:
                raise InputError(f"{where} {_repeats(question, sheet, before)}")
            rows.append(question)
    if not rows:
        raise InputError(f"{uri!r} holds no questions; give a JSON Lines, CSV or Parquet file with prompt and answer")
    version = "own-" + digest("\n".join(f"{r['prompt_id']} {r['text']} {r['answer']} {r['scorer']}" for r in rows))
    test = [{**row, "version": version[:16], "position": position} for position, row in enumerate(rows)]
    return OwnQuestions(contracts.from_rows(test, contracts.APTITUDE_TEST), notes=tuple(log.notes))


def read_labels(uri: str) -> list[LabelledAnswer]:
    """Read answers that people judged: columns `prompt`, `answer` (the reference), `reply` and `right` (0 or 1).

    Raises:
        InputError: A file cannot be read, or a row lacks one of them; file, row and field are named.
    """
    log, out = ReadingLog(), []
    for sheet in _sheets(uri, (*_LABELS, *_OTHER_NAMES), log):
        _refuse_rejected(uri, log)
        for names, meaning in ((_TEXT, "the question's text"), (_ANSWER, "the reference"), *_VERDICT):
            _require(sheet, names, meaning)
        for line, cells in zip(sheet.rows, sheet.cells(*_LABELS), strict=True):
            texts = [tidy_prompts.text_of(cell) for cell in cells[:3]]
            right = number(cells[3])
            empty = [name for name, text in zip(_LABELS, texts, strict=False) if not text or not text.strip()]
            if empty:
                raise InputError(
                    f"row {line} of {sheet.file.uri!r} has no {empty[0]}; a labelled answer needs {', '.join(_LABELS)}"
                )
            if right not in (0, 1):
                raise InputError(f"row {line} of {sheet.file.uri!r}: right is {cells[3]!r}; write 0 or 1")
            out.append(LabelledAnswer(str(texts[0]), str(texts[1]), str(texts[2]), right == 1))
    if not out:
        raise InputError(f"{uri!r} holds no labelled answers; give a table with the columns {', '.join(_LABELS)}")
    return out


def _sheets(uri: str, known: Sequence[str], log: ReadingLog) -> list[TableSheet]:
    with tempfile.TemporaryDirectory() as copies:
        files = storage.snapshot(uri, Path(copies))
        # A folder may hold a README, too; a file that was named is meant.
        tables = [file for file in files if len(files) == 1 or file.name.lower().endswith(_TABLES)]
        found = [open_sheet(file, known, log) for file in tables]
    _refuse_rejected(uri, log)
    return [_with_usual_names(sheet) for sheet in found if sheet is not None]


def _with_usual_names(sheet: TableSheet) -> TableSheet:
    columns = dict(sheet.columns)
    for other, usual in _OTHER_NAMES.items():
        if other in columns and usual not in columns:
            columns[usual] = columns.pop(other)
    return TableSheet(sheet.file, columns, sheet.rows)


def _require(sheet: TableSheet, names: Sequence[str], meaning: str) -> None:
    """Refuse a table without a column that may have any of these names, the usual one first."""
    if names[0] in sheet.columns or not sheet.rows:
        return
    has = ", ".join(map(repr, list(sheet.columns)[:10]))
    raise InputError(
        f"{sheet.file.uri!r} has no column with {meaning}; name it {' or '.join(names)} (its columns are {has})"
    )


def _with_benchmark(sheet: TableSheet) -> TableSheet:
    stem = PurePosixPath(sheet.file.name).name.partition(".")[0]
    cells = sheet.columns.get("benchmark", [None] * len(sheet.rows))
    return TableSheet(sheet.file, {**sheet.columns, "benchmark": [cell or stem for cell in cells]}, sheet.rows)


def _refuse_rejected(uri: str, log: ReadingLog) -> None:
    if log.rejects:
        first = log.rejects[0]
        row = f"row {first['source_row']} of " if first["source_row"] is not None else ""
        more = f" ({len(log.rejects)} faults in {uri!r})" if len(log.rejects) > 1 else ""
        raise InputError(f"{row}{str(first['source_uri'])!r}: {first['reason']}{more}")


def _question(sheet: TableSheet, line: int, row: dict[str, Any]) -> dict[str, Any]:
    choices = row["choices"]
    where = f"row {line} of {sheet.file.uri!r}"
    answer = (row["answer"] or "").strip()
    if not answer:
        raise InputError(f"{where} has no answer; add the right one, or leave the question out")
    scorer = (row["scorer"] or "").strip().lower() or (
        "letter" if choices else "number" if _is_number(answer) else "exact"
    )
    if scorer == "letter":
        answer = _letter(answer, choices or [], where)
    fault = _fault(answer, scorer)
    if fault is not None:
        raise InputError(f"{where}: {fault}")
    return {
        "task": row["task"],
        "category": row["task"],
        "keywords": [],
        "prompt_id": row["prompt_id"],
        "stem_digest": row["stem_digest"],
        "text": render_prompt(row["prompt"], choices),
        "benchmark": row["benchmark"],
        "choices": choices,
        "answer": answer,
        "scorer": scorer,
    }


def _repeats(question: dict[str, Any], sheet: TableSheet, before: str) -> str:
    """Say that a question repeats the one in another row: in an id that the team gave, or in its text."""
    if "prompt_id" in sheet.columns:
        return f"has the same id as {before} ({question['prompt_id']!r}); give each question an id of its own"
    return f"asks the same as {before}; keep one of them"


def _fault(answer: str, scorer: str) -> str | None:
    if scorer not in SCORERS | {JUDGE}:
        return f"scorer is {scorer!r}; use one of {', '.join(sorted(SCORERS | {JUDGE}))}"
    if scorer == "number" and not _is_number(answer):
        return f"answer is {answer!r}, which is no number; correct it, or use another scorer"
    if scorer == "regex":
        import regex

        try:
            regex.compile(answer)
        except (regex.error, RecursionError, OverflowError) as error:
            return f"answer is {answer!r}, which is no regular expression ({error}); correct it"
    return None


def _letter(answer: str, choices: Sequence[str], where: str) -> str:
    """Return the letter of the right option, which is given as a letter or by its text."""
    letters = [option_letter(i) for i in range(len(choices))]
    same = [letter for letter, text in zip(letters, choices, strict=True) if text.strip() == answer]
    if len(same) == 1:
        return same[0]
    if answer.upper() in letters:
        return answer.upper()
    raise InputError(f"{where}: answer is {answer!r}, which is none of its {len(choices)} options; give letter or text")


def _is_number(text: str) -> bool:
    try:
        return Decimal(re.sub(r"[,$\u20ac\u00a3\s]", "", text)).is_finite()
    except InvalidOperation:
        return False
