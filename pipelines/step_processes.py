"""The processes of a pipeline's steps on one machine: none outlives the pipeline, however that is ended.

A step starts others: torchrun in a session of its own, and that its ranks. Whoever ends the pipeline sends one signal
to one process, and a step would only notice when it next prints.
"""

import contextlib
import os
from collections.abc import Iterator

import psutil

from modelsat.io import processes

SECONDS_TO_END = 5.0
"""Enough to mark a run as ended; a checkpoint is whole or not there."""


@contextlib.contextmanager
def none_outlives_us() -> Iterator[None]:
    """End all processes that the body starts, and theirs, where it is interrupted; those that ran before go on."""
    before = set(psutil.Process().children())

    def end() -> None:
        # A signal may come while Python writes to stderr, which it must not then do again.
        os.write(2, b"ending the steps; run the same command to go on\n")
        _end(before)

    with processes.ended_in_order(end):
        try:
            yield
        except KeyboardInterrupt:
            end()
            raise


def _end(but: set[psutil.Process]) -> None:
    family = _started(but)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, left = psutil.wait_procs(family, timeout=SECONDS_TO_END)
    for stubborn in {*left, *_started(but)}:
        with contextlib.suppress(psutil.NoSuchProcess):
            stubborn.kill()
    psutil.wait_procs(left, timeout=SECONDS_TO_END)


def _started(but: set[psutil.Process]) -> list[psutil.Process]:
    """Return our children with all that they started, without some of them and what these started."""
    family: list[psutil.Process] = []
    for child in psutil.Process().children():
        if child not in but:
            with contextlib.suppress(psutil.NoSuchProcess):
                family += [child, *child.children(recursive=True)]
    return family
