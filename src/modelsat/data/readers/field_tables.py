"""Reader of tables with the columns of other router projects: RouterBench, EmbedLLM and LLMRouter.

RouterBench (Hu et al. 2024) is wide: `sample_id, prompt, eval_name`, a column per model, and for each model its answer
in `MODEL|model_response` and its cost in USD in `MODEL|total_cost`. EmbedLLM (Zhuang et al. 2024) is long, with `label`
for the score. LLMRouter (UIUC) is long, too, with `performance`, tokens and seconds; the training data of the vLLM
Semantic Router has the same columns and `category` for the task.
"""

import ast
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from modelsat.data.readers.answer_sheet import AnswerSheet, Question
from modelsat.data.readers.file_heads import Head
from modelsat.data.readers.harvest import Harvest
from modelsat.data.readers.options import options_of
from modelsat.data.readers.table_files import TableSheet, open_sheet
from modelsat.data.readers.tidy_prompts import text_of
from modelsat.data.readers.tidy_scores import is_missing
from modelsat.data.remarks import Remark
from modelsat.data.written_numbers import number
from modelsat.io.storage import SourceFile

_COST, _RESPONSE = "|total_cost", "|model_response"
_FAILED = ("ERROR", "API Error")


def claims(head: Head) -> bool:
    """Say whether a table has the columns of one of these projects."""
    return _kind(set(head.columns)) is not None


def read(files: list[SourceFile]) -> Harvest:
    """Read tables."""
    sheets: dict[str, AnswerSheet] = {}
    harvests = AnswerSheet("routing-table")
    for file in files:
        table = open_sheet(file, (), harvests.log)
        kind = None if table is None else _kind(set(table.columns))
        if table is not None and kind is not None:
            sheet = sheets.setdefault(kind, AnswerSheet(kind, log=harvests.log))
            _READ[kind](table, sheet)
    return _united([sheet.harvest() for sheet in sheets.values()] or [harvests.harvest()])


def _united(harvests: list[Harvest]) -> Harvest:
    parts = [pa.concat_tables([getattr(one, name) for one in harvests]) for name in ("scores", "prompts", "candidates")]
    scores, prompts, candidates = parts
    return Harvest(scores, prompts, candidates, harvests[0].rejects, harvests[0].notes)


def _kind(columns: set[str]) -> str | None:
    if {"sample_id", "prompt", "eval_name"} <= columns and any(one.endswith((_COST, _RESPONSE)) for one in columns):
        return "routerbench"
    if (
        {"prompt_id", "prompt", "label"} <= columns
        and columns & {"model_name", "model_id"}
        and "benchmark" not in columns
    ):
        return "embedllm"
    if {"query", "model_name", "performance"} <= columns:
        return "llmrouter"
    return None


def _score(table: TableSheet, i: int, column: str, model: object, sheet: AnswerSheet) -> float | None:
    cell = table.columns[column][i]
    if is_missing(cell):
        return None
    score = number(cell)
    if score is None:
        sheet.log.reject(
            table.file.uri, f"the score of {model!r} is not a number; correct it", table.rows[i], column, cell
        )
        return None
    return None if score != score else score


def _read_routerbench(table: TableSheet, sheet: AnswerSheet) -> None:
    models = [
        name for name in table.columns if f"{name}{_COST}" in table.columns or f"{name}{_RESPONSE}" in table.columns
    ]
    absent = sorted(
        name.rpartition("|")[0]
        for name in table.columns
        if name.endswith(_COST) and name.rpartition("|")[0] not in models
    )
    if absent:
        sheet.log.note(Remark.NO_SCORE, f"{table.file.uri!r} has costs but no scores of {', '.join(absent)}")
    for i, (line, cell, name) in enumerate(
        zip(table.rows, *(table.columns[c] for c in ("prompt", "eval_name")), strict=True)
    ):
        task = text_of(name) or "unknown"
        benchmark = "mmlu" if task.startswith("mmlu-") else task
        question = Question(benchmark, task, _turns(cell))
        for model in models:
            score = _score(table, i, model, model, sheet)
            if score is not None:
                costs = table.columns.get(f"{model}{_COST}")
                sheet.add(
                    table.file, line, model, question, score, cost_usd=None if costs is None else number(costs[i])
                )


def _turns(cell: object) -> str:
    """Return a prompt that RouterBench writes as the text of a list of turns."""
    if isinstance(cell, list):
        return "\n\n".join(map(str, cell))
    text = text_of(cell) or ""
    if text.startswith("[") and text.endswith("]"):
        try:
            turns = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text
        if isinstance(turns, list) and turns and all(isinstance(turn, str) for turn in turns):
            return "\n\n".join(turns)
    return text


def _read_embedllm(table: TableSheet, sheet: AnswerSheet) -> None:
    names = ("model_name", "model_id", "prompt", "category")
    for i, (line, (name, number_, prompt, category)) in enumerate(zip(table.rows, table.cells(*names), strict=True)):
        model = text_of(name) or (text_of(number_) if "model_name" not in table.columns else None)
        if not model:
            sheet.log.reject(table.file.uri, "the row names no model; add it", line, "model_name")
            continue
        score = _score(table, i, "label", model, sheet)
        task = text_of(category) or "embedllm"
        if score is not None:
            benchmark = "mmlu" if task.startswith("mmlu_") else task
            sheet.add(table.file, line, model, Question(benchmark, task, text_of(prompt) or ""), score)


def _read_llmrouter(table: TableSheet, sheet: AnswerSheet) -> None:
    failed = 0
    columns = ("query", "model_name", "task_name", "category", "choices", "ground_truth", "gt", "response")
    for i, (line, row) in enumerate(zip(table.rows, table.cells(*columns), strict=True)):
        query, model, task, category, choices, truth, gold, response = row
        if isinstance(response, str) and response.startswith(_FAILED):
            failed += 1
            continue
        name = text_of(model)
        score = _score(table, i, "performance", name, sheet) if name else None
        if not name:
            sheet.log.reject(table.file.uri, "the row names no model; add it", line, "model_name")
        if name is None or score is None:
            continue
        try:
            options = options_of(choices)
        except ValueError as fault:
            sheet.log.reject(
                table.file.uri, f"the choices cannot be read ({fault}); correct them", line, "choices", choices
            )
            continue
        label = text_of(task) or text_of(category) or "llmrouter"
        answer = text_of(truth if truth is not None else gold) if not isinstance(truth, list | dict) else None
        question = Question(label, label, text_of(query) or "", tuple(options) if options else None, answer)
        sheet.add(table.file, line, name, question, score, "score", **_measures(table, i))
    if failed:
        sheet.log.note(
            Remark.NO_SCORE,
            f"{failed} calls of {table.file.uri!r} failed (their response is an error): no score, and not wrong",
        )


def _measures(table: TableSheet, i: int) -> dict[str, float | None]:
    def first(*names: str) -> float | None:
        column: Any = next((table.columns[name] for name in names if name in table.columns), None)
        return None if column is None or is_missing(column[i]) else number(column[i])

    return {
        "tokens_in": first("input_tokens", "prompt_tokens"),
        "tokens_out": first("output_tokens", "completion_tokens"),
        "latency_seconds": first("response_time"),
        "cost_usd": first("cost", "cost_usd"),
    }


_READ: dict[str, Callable[[TableSheet, AnswerSheet], None]] = {
    "routerbench": _read_routerbench,
    "embedllm": _read_embedllm,
    "llmrouter": _read_llmrouter,
}
