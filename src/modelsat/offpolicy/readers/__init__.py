"""Readers of request logs, told apart by their address, their names or how a file begins."""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from modelsat.errors import InputError
from modelsat.io import storage
from modelsat.io.storage import SourceFile
from modelsat.offpolicy.readers import gateway_log, mlflow_traces, otlp, tables
from modelsat.offpolicy.readers.gathered import Gathered, joined

__all__ = ["Gathered", "read"]
_TABLES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
_HEAD = 4096


def read(
    sources: Sequence[str],
    assessment: str = "",
    scale: tuple[float, float] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Gathered:
    """Read all sources.

    Args:
        sources: Files, folders or `s3://` prefixes of the gateway's log, of OTLP JSON lines or of tables; or
            `mlflow:http://host:5000#experiment`.
        assessment: Of several assessments of a trace, which is the outcome.
        scale: Lowest and highest rating; None finds the usual scale that holds all ratings of a source.
        progress: Called with a line now and then.

    Returns:
        Rows with outcomes in [0, 1] where an answer has one.

    Raises:
        InputError: A source is empty, incomplete, or in no known format; or it holds no request that can be read.
        ServiceError: S3 or MLflow failed.
    """
    parts = []
    with tempfile.TemporaryDirectory(prefix="modelsat-requests-") as scratch:
        for i, source in enumerate(sources):
            if mlflow_traces.claims(source):
                read_here = [mlflow_traces.read(source, assessment, progress)]
            else:
                if not storage.is_s3(source) and not Path(source).exists():
                    raise InputError(f"{source!r} does not exist; name a file or folder of answered requests")
                into = Path(scratch) / str(i)
                into.mkdir()
                read_here = _files(source, storage.snapshot(source, into), assessment)
            parts += [_in_scale(part, source, scale) for part in read_here]
    whole = joined(parts)
    if not whole.rows:
        first = f": {_shown(whole.rejects[0])}" if whole.rejects else ""
        raise InputError(f"{', '.join(sources)} holds no request that can be read{first}")
    return whole


def _in_scale(part: Gathered, source: str, scale: tuple[float, float] | None) -> Gathered:
    try:
        return part.in_scale(scale)
    except ValueError as fault:
        raise InputError(f"{source!r}: {fault}") from fault


def _files(source: str, files: list[SourceFile], assessment: str) -> list[Gathered]:
    logs: dict[str, list[SourceFile]] = defaultdict(list)
    traces, rest = [], []
    for file in files:
        path = PurePosixPath(file.name)
        if gateway_log.claims(path.name):
            logs[path.parent.as_posix()].append(file)
        elif otlp.claims(_head(file)):
            traces.append(file)
        elif path.name.lower().endswith(_TABLES):
            rest.append(file)
    found = [gateway_log.read(of_folder) for of_folder in logs.values()]
    found += [otlp.read(traces, assessment)] if traces else []
    found += [tables.read(file) for file in rest]
    if not found:
        raise InputError(
            f"{source!r} holds no requests that modelsat can read; it reads feedback-*.jsonl of a gateway, lines of "
            "OTLP JSON, CSV, JSON Lines and Parquet with the columns prompt, model and outcome, and "
            "mlflow:http://host:5000#experiment"
        )
    return found


def _head(file: SourceFile) -> bytes:
    with file.path.open("rb") as opened:
        return opened.read(_HEAD)


def _shown(reject: tuple[str, int | str, str]) -> str:
    address, row, reason = reject
    return f"{address} row {row}: {reason}" if isinstance(row, int) else f"{address} ({row}): {reason}"
