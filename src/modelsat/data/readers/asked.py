"""Reader of what `modelsat ask` writes: a row per answer, with the questions and the candidate's facts beside.

An answer that could not be read counts as wrong and is told of; a question without an answer has no row.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modelsat.data import contracts
from modelsat.data.answers_folder import ANSWERS, HARNESS, REPORT, SCHEMA
from modelsat.data.readers import tidy
from modelsat.data.readers.harvest import Harvest, reject, rejects_table
from modelsat.data.remarks import Remark
from modelsat.errors import InputError
from modelsat.io.storage import SourceFile


def claims(names: Iterable[str]) -> bool:
    """Say whether a folder with these file names holds answers to an aptitude test."""
    return {REPORT, ANSWERS} <= set(names)


def read(files: list[SourceFile]) -> Harvest:
    """Read one folder of answers."""
    by_name = {PurePosixPath(file.name).name: file for file in files}
    beside = tidy.read(files)
    try:
        report = json.loads(by_name[REPORT].path.read_text(encoding="utf-8"))
        answers = pq.read_table(by_name[ANSWERS].path, schema=SCHEMA)
        at = datetime.fromisoformat(report["ended_at"]).astimezone(UTC)
        scores = _scores(answers, beside.prompts, by_name[ANSWERS], str(report["harness_version"]), at)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, InputError) as error:
        reason = f"the answers are damaged ({error}); copy the folder again, or run `modelsat ask` again"
        rejected = rejects_table([reject(by_name[ANSWERS].uri, reason)])
        return replace(beside, rejects=pa.concat_tables([beside.rejects, rejected]))
    return replace(beside, scores=scores, notes=(*beside.notes, *_notes(answers)))


def _scores(answers: pa.Table, prompts: pa.Table, file: SourceFile, version: str, at: datetime) -> pa.Table:
    n = answers.num_rows
    position = pc.index_in(answers["prompt_id"], value_set=prompts["prompt_id"].combine_chunks())
    table = answers.select(
        ["candidate", "prompt_id", "score", "tokens_in", "tokens_out", "cost_usd", "latency_seconds"]
    )
    constants = {
        "metric": pa.repeat(tidy.METRIC, n),
        "num_fewshot": pa.repeat(pa.scalar(0, pa.int32()), n),
        "harness": pa.repeat(HARNESS, n),
        "harness_version": pa.repeat(version, n),
        "source_uri": pa.repeat(file.uri, n),
        "source_row": pa.array(np.arange(1, n + 1)),
        "source_digest": pa.repeat(file.digest, n),
        "collected_at": pa.repeat(pa.scalar(at, pa.timestamp("us", tz="UTC")), n),
        # An answer whose question is unknown stays: the validator names it.
        "benchmark": pc.fill_null(prompts["benchmark"].take(position), "unknown"),
        "task": pc.fill_null(prompts["task"].take(position), "unknown"),
    }
    for name, column in constants.items():
        table = table.append_column(name, column)
    return contracts.conform(table, contracts.SCORES)


def _notes(answers: pa.Table) -> list[str]:
    unread = answers.filter(pc.invert(answers["is_readable"]))
    counts = zip(*unread.group_by("candidate").aggregate([([], "count_all")]).to_pydict().values(), strict=True)
    return [
        Remark.ANSWER_UNREADABLE.of(
            f"{n} of {answers.num_rows} answers of candidate {name!r} could not be read and count as wrong; "
            f"see the column is_readable of {ANSWERS}"
        )
        for name, n in counts
    ]
