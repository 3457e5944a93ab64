"""Writes the results folder of a candidate that was asked; `modelsat.data.answers_folder` says what is in it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from modelsat import __version__
from modelsat.data import contracts
from modelsat.data.answers_folder import ANSWERS, HARNESS, LOG, REPORT, SCHEMA
from modelsat.io.atomic import atomic_folder, write_json, write_text
from modelsat.io.chat_endpoint import ChatEndpoint
from modelsat.onboarding.asking import questions as asked


def report(
    candidate: Mapping[str, Any], address: ChatEndpoint, test: str, records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Say who was asked what, and how it went over all runs that the answers come from.

    Args:
        candidate: Row of the contract `CANDIDATES`.
        address: Where it was asked; the key is left out.
        test: Version of the aptitude test.
        records: Of the answers in the log, at least one.
    """
    known = {
        name: [record[name] for record in records if record[name] is not None]
        for name in ("tokens_in", "tokens_out", "cost_usd")
    }
    return {
        "harness": HARNESS,
        "harness_version": __version__,
        "candidate": candidate["candidate"],
        "revision": candidate.get("revision"),
        "endpoint": address.url,
        "served_as": address.model,
        "test": test,
        "answered": len(records),
        "unreadable": sum(record["answer"] is None for record in records),
        "cut_off": sum(is_cut_off(record) for record in records),
        "accuracy": round(sum(record["score"] for record in records) / len(records), 4),
        "tokens_in": sum(known["tokens_in"]),
        "tokens_out": sum(known["tokens_out"]),
        "cost_usd": round(sum(known["cost_usd"]), 6) if known["cost_usd"] else None,
        "answers_without_cost": len(records) - len(known["cost_usd"]),
    }


def is_cut_off(record: Mapping[str, Any]) -> bool:
    """Say whether an answer reached the longest length before it said anything that can be read."""
    return record["answer"] is None and record.get("finish_reason") == "length"


def write(
    into: Path,
    log: Path,
    report: Mapping[str, Any],
    candidate: Mapping[str, Any],
    answered: Sequence[Mapping[str, Any]],
    records: Sequence[Mapping[str, Any]],
    attribution: str,
) -> None:
    """Write the folder, completely or not at all.

    Args:
        into: Replaced where it exists.
        log: The log of the run, copied.
        report: Goes into `asked.json`.
        candidate: Row of the contract `CANDIDATES`.
        answered: The questions with an answer, rows of the contract `APTITUDE_TEST`.
        records: Their records in the log, in the same order.
        attribution: Licence lines of the questions, Markdown.
    """
    name = str(candidate["candidate"])
    rows = [{**record, "candidate": name, "is_readable": record["answer"] is not None} for record in records]
    columns = {field.name: [row.get(field.name) for row in rows] for field in SCHEMA}
    with atomic_folder(into) as beside:
        write_json(beside / REPORT, report)
        contracts.write_plain(pa.table(columns, schema=SCHEMA), beside / ANSWERS)
        contracts.write_plain(_prompts(answered), beside / "prompts.parquet")
        contracts.write(
            contracts.from_rows([dict(candidate)], contracts.CANDIDATES),
            beside / "models.parquet",
            contracts.CANDIDATES,
        )
        shutil.copyfile(log, beside / LOG)
        write_text(beside / "README.md", _readme(name, report, attribution))


def _prompts(answered: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.table(
        {
            "prompt_id": [question["prompt_id"] for question in answered],
            "benchmark": [question["benchmark"] for question in answered],
            "category": [asked.task(question) for question in answered],
            "prompt": [asked.prompt(question) for question in answered],
            "choices": pa.array([question["choices"] for question in answered], pa.list_(pa.string())),
            "answer": [question["answer"] for question in answered],
            "scorer": [question["scorer"] for question in answered],
        }
    )


def _readme(name: str, report: Mapping[str, Any], attribution: str) -> str:
    return (
        f"# Answers of {name} to the aptitude test {report['test']}\n\n"
        f"Asked by {HARNESS} {report['harness_version']}: {report['answered']} questions answered, "
        f"{report['unreadable']} of them not readably, which count as wrong; {report['without_answer']} without an "
        f"answer, which count as not run.\n\n{attribution}\n"
    )
