"""Formats of results that are recognised and not read, each with what to do instead."""

from collections.abc import Callable
from dataclasses import dataclass

from modelsat.data.readers.file_heads import Head

_TIDY = "write a row per answer with prompt_id, benchmark, prompt, model and score as scores.csv"
_PANDAS = (
    "convert it where you trust it: "
    "python -c \"import pandas; pandas.read_pickle('{name}').to_parquet('{stem}.parquet')\""
)


@dataclass(frozen=True)
class UnreadFormat:
    """A format.

    Attributes:
        name: What it is called.
        matches: Says whether a file is in it.
        remedy: What to do instead; may hold the file's `{name}` and `{stem}`.
    """

    name: str
    matches: Callable[[Head], bool]
    remedy: str


def sentence_for(head: Head, uri: str) -> str | None:
    """Return what to do with a file that is recognised, None where it is not."""
    known = next((one for one in _FORMATS if one.matches(head)), None)
    if known is None:
        return None
    stem = head.name.rpartition(".")[0] or head.name
    return f"{uri!r} is {known.name}, which is not read; {known.remedy.format(name=head.name, stem=stem)}"


def _ends(*endings: str) -> Callable[[Head], bool]:
    return lambda head: head.name.endswith(endings)


def _has(*words: str) -> Callable[[Head], bool]:
    return lambda head: all(word in head.text for word in words)


def _columns(*names: str) -> Callable[[Head], bool]:
    return lambda head: set(names) <= set(head.columns)


_FORMATS = (
    UnreadFormat(
        "a pickle of RouterBench",
        lambda head: head.name.startswith("routerbench") and head.name.endswith((".pkl", ".pickle")),
        "a pickle can run code, so " + _PANDAS + "; the table is read with its costs",
    ),
    UnreadFormat("a pickle", _ends(".pkl", ".pickle", ".joblib"), "a pickle can run code, so " + _PANDAS),
    UnreadFormat("a checkpoint or tensor file", _ends(".pt", ".pth", ".safetensors", ".npy", ".npz"), _TIDY),
    UnreadFormat("an Excel workbook", _ends(".xlsx", ".xls", ".ods"), "save its sheets as CSV"),
    UnreadFormat("an Arrow or Feather file", _ends(".arrow", ".feather", ".ipc"), "save it as Parquet"),
    UnreadFormat("a database", _ends(".db", ".sqlite", ".sqlite3", ".duckdb"), "export its tables as CSV or Parquet"),
    UnreadFormat(
        "a compressed file", _ends(".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".bz2", ".xz", ".zst"), "unpack it"
    ),
    UnreadFormat(
        "a list of MT-bench judgments",
        lambda head: (
            {"question_id", "model", "judge", "score"} <= set(head.columns)
            or {"question_id", "model_1", "model_2", "g1_winner"} <= set(head.columns)
        ),
        "its scores reach from 1 to 10; divide them by 10 and " + _TIDY,
    ),
    UnreadFormat(
        "a list of AlpacaEval annotations",
        _columns("instruction", "output_1", "output_2", "preference"),
        "a preference between two models is no score of one; give each answer a score and " + _TIDY,
    ),
    UnreadFormat(
        "a list of AlpacaEval outputs", _columns("instruction", "output", "generator"), "it has no scores; " + _TIDY
    ),
    UnreadFormat(
        "a list of Chatbot Arena battles",
        lambda head: {"model_a", "model_b"} <= set(head.columns),
        "a preference between two models is no score of one; give each answer a score and " + _TIDY,
    ),
    UnreadFormat(
        "a file of promptfoo", _has('"evalId"', '"results"'), "export it with `promptfoo export`, and " + _TIDY
    ),
    UnreadFormat("a file of promptfoo", _has('"promptIdx"'), _TIDY),
    UnreadFormat("a details file of lighteval", lambda head: head.name.startswith("details_"), _TIDY),
    UnreadFormat(
        "a results file of lighteval",
        _has('"config_general"', '"results"'),
        "it has means only; run lighteval with --save-details, and " + _TIDY,
    ),
    UnreadFormat(
        "a log of OpenAI Evals", _has('"run_id"', '"event_id"'), "keep its events of type 'match', and " + _TIDY
    ),
    UnreadFormat("a log of OpenAI Evals", _has('"spec"', '"completion_fns"'), _TIDY),
    UnreadFormat("a file of DeepEval", _has('"testCases"', '"metricsData"'), _TIDY),
    UnreadFormat("a file of DeepEval", _has('"test_results"', '"metrics_data"'), _TIDY),
    UnreadFormat(
        "a table of Ragas",
        lambda head: "user_input" in head.columns and bool({"response", "retrieved_contexts"} & set(head.columns)),
        "name the model of each row, and " + _TIDY,
    ),
    UnreadFormat("a results file of BIG-bench", _has('"task_name"', '"score_dicts"'), "it has means only; " + _TIDY),
    UnreadFormat("a task of BIG-bench", _has('"examples"', '"target_scores"'), "it has questions and no answers"),
    UnreadFormat(
        "a record of Every Eval Ever",
        _has('"evaluation_id"', '"schema_version"'),
        "convert its instances: " + _TIDY,
    ),
    UnreadFormat("a file of SWE-bench", _has('"resolved_ids"'), _TIDY),
    UnreadFormat("a list of EvalPlus results", _has('"base_status"'), _TIDY),
    UnreadFormat(
        "a report of EvalScope", _has('"dataset_name"', '"model_name"', '"metrics"'), "it has means only; " + _TIDY
    ),
    UnreadFormat("an export of LangSmith", _has('"reference_example_id"'), _TIDY),
    UnreadFormat(
        "a table of scores",
        lambda head: "prompt_id" in head.columns and not head.name.startswith("prompts"),
        "name it scores.csv (or .parquet, .jsonl), with its prompts beside",
    ),
    UnreadFormat("a table separated by tabs", _ends(".tsv", ".tab"), "save it as CSV, separated by commas"),
    UnreadFormat("a run of LLMRouterBench", _has('"records"', '"dataset_name"'), _TIDY),
)
