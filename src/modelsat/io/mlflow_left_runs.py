"""Runs that a killed pipeline left open in MLflow: the next pipeline run ends them.

A run names the process that runs its pipeline, where that is one machine, and bears the time of its last sign of life.
"""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from modelsat.io import processes

RUN_KEY = "modelsat.run_key"
SEEN_AT, WORKER = "modelsat.seen_at", "modelsat.worker"
WORKER_VARIABLE = "MODELSAT_WORKER"
"""Environment variable in which a pipeline on one machine names itself to its steps."""
SILENT_FOR = timedelta(hours=24)
"""A run whose worker nothing is known of is over after so long without a sign of life."""
_MOST = 200


def signs_of_life() -> dict[str, str]:
    """Return the tags that say that a run goes on, and who runs it."""
    worker = os.environ.get(WORKER_VARIABLE, "")
    return {SEEN_AT: datetime.now(UTC).isoformat(timespec="seconds")} | ({WORKER: worker} if worker else {})


def is_left(
    tags: Mapping[str, str],
    started_at: datetime,
    now: datetime,
    is_gone: Callable[[str], bool] = processes.is_gone,
    is_alive: Callable[[str], bool] = processes.is_alive,
) -> bool:
    """Say whether a run that is open belongs to no pipeline that still runs.

    Args:
        tags: Of the run.
        started_at: When it began.
        now: The present.
        is_gone: Says of a worker whether it has certainly ended.
        is_alive: Says of a worker whether it certainly runs.
    """
    worker = tags.get(WORKER, "")
    if worker and is_gone(worker):
        return True
    if worker and is_alive(worker):
        return False
    try:
        seen_at = datetime.fromisoformat(tags.get(SEEN_AT, ""))
    except ValueError:
        seen_at = started_at
    return now - (seen_at if seen_at.tzinfo else started_at) > SILENT_FOR


def end(client: Any, experiment_id: str, but: str) -> list[str]:
    """Mark the runs of an experiment that were left open as killed, and return their ids.

    Args:
        client: Of MLflow.
        experiment_id: Whose runs; only those with a run key of ours are touched.
        but: Id of the run that is going on.
    """
    now = datetime.now(UTC)
    ended = []
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'", max_results=_MOST):
        tags, started_at = run.data.tags, datetime.fromtimestamp(run.info.start_time / 1000, UTC)
        if run.info.run_id != but and RUN_KEY in tags and is_left(tags, started_at, now):
            client.set_terminated(run.info.run_id, "KILLED")
            ended.append(run.info.run_id)
    return ended
