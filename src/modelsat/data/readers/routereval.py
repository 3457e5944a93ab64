"""Reader of RouterEval's ready-made pools: `*_router_dataset.pkl`, one per benchmark.

A collection takes the candidates of all pools of a file, each once: pools matter to RouterEval's metrics, which
`benchmarks/routereval.py` computes, and not to what a candidate scored. All candidates of a file were run on all its
prompts. Its sub-tasks are not in the file, so the benchmark is the task.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from modelsat.data import contracts
from modelsat.data.candidate_names import fault_in_candidate
from modelsat.data.readers import routereval_pools
from modelsat.data.readers.harvest import Harvest, reject, rejects_table
from modelsat.data.readers.routereval_pools import Dataset
from modelsat.data.remarks import Remark
from modelsat.errors import InputError
from modelsat.io.storage import SourceFile
from modelsat.text.rendering import stem_digest

HARNESS = "routereval"
METRIC = "score"
MOST_SCORES = 5_000_000
"""Pools that would bring more scores than this from one file are left out with a note."""


def claims(names: Iterable[str]) -> bool:
    """Say whether a folder with these file names holds RouterEval's pools."""
    return any(routereval_pools.FILE.fullmatch(name) for name in names)


def read(files: list[SourceFile]) -> Harvest:
    """Read one folder of pools."""
    rejects: list[dict[str, object]] = []
    notes: list[str] = []
    scores, prompts = [contracts.SCORES.empty_table()], [contracts.PROMPTS.empty_table()]
    for file in files:
        if routereval_pools.FILE.fullmatch(PurePosixPath(file.name).name):
            try:
                dataset = routereval_pools.read(file.path)
            except InputError as fault:
                rejects.append(reject(file.uri, str(fault)))
                continue
            asked = _prompts(dataset)
            columns = _columns(file, dataset, rejects, notes)
            prompts.append(asked)
            scores += [_scores(file, dataset.name, asked["prompt_id"], *column) for column in columns.items()]
    names = sorted({table["candidate"][0].as_py() for table in scores if table.num_rows})
    candidates = contracts.from_rows([{"candidate": name} for name in names], contracts.CANDIDATES)
    return Harvest(
        pa.concat_tables(scores), pa.concat_tables(prompts), candidates, rejects_table(rejects), tuple(notes)
    )


def _prompts(dataset: Dataset) -> pa.Table:
    rows: list[dict[str, object]] = [
        {
            "prompt_id": f"{dataset.name}/{position}",
            "stem_digest": stem_digest(text),
            "benchmark": dataset.name,
            "task": dataset.name,
            "prompt": text,
        }
        for split in dataset.prompts.values()
        for position, text in zip(split.positions.tolist(), split.texts, strict=True)
    ]
    return contracts.from_rows(rows, contracts.PROMPTS)


def _columns(
    file: SourceFile, dataset: Dataset, rejects: list[dict[str, object]], notes: list[str]
) -> dict[str, np.ndarray]:
    """Return each candidate's scores in the order of the prompts, NaN where two pools contradict each other."""
    columns: dict[str, np.ndarray] = {}
    for pool in dataset.pools:
        column_of = np.concatenate([pool.scores[split] for split in dataset.prompts])
        if len(columns.keys() | set(pool.candidates)) * len(column_of) > MOST_SCORES:
            notes.append(
                Remark.POOL_LEFT_OUT.of(
                    f"the pool {pool.kind!r} of {len(pool.candidates):,} candidates in {file.uri!r} is left out, since "
                    f"the file's scores would be more than {MOST_SCORES:,}; benchmarks/routereval.py reads it from the "
                    "file"
                )
            )
            continue
        for name, column in zip(pool.candidates, column_of.T, strict=True):
            fault = fault_in_candidate(name)
            if fault:
                rejects.append(reject(file.uri, fault, None, "candidate", name))
                continue
            known = columns.setdefault(name, column.astype(np.float64))
            differs = np.flatnonzero((known != column) & ~(np.isnan(known) | np.isnan(column)))
            reason = f"two pools give candidate {name!r} different scores for the prompt; keep the right one"
            rejects += [reject(file.uri, reason, int(row) + 1, name, float(column[row])) for row in differs]
            known[differs] = np.nan
    return columns


def _scores(file: SourceFile, benchmark: str, prompt_ids: pa.ChunkedArray, name: str, column: np.ndarray) -> pa.Table:
    rows = np.flatnonzero(~np.isnan(column))
    same: dict[str, object] = {
        "candidate": name,
        "benchmark": benchmark,
        "task": benchmark,
        "metric": METRIC,
        "harness": HARNESS,
        "source_uri": file.uri,
        "source_digest": file.digest,
        "collected_at": datetime.now(UTC),
    }
    table = {key: pa.array([value]).take(pa.array(np.zeros(len(rows), np.int64))) for key, value in same.items()}
    table |= {"prompt_id": prompt_ids.take(rows), "score": column[rows], "source_row": rows + 1}
    return contracts.conform(pa.table(table), contracts.SCORES)
