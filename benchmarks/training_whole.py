"""What fine-tuning takes as a whole: minutes, and the memory of all its processes at their largest.

    python benchmarks/training_whole.py [--scores FOLDER] [--recipe cpu] [--ranks 1]

From capability instructions to the bundle with its held-out predictions, as the pipeline's step does it, in an empty
work folder. Memory is what the processes hold alone and their share of what they hold together (PSS), added up twice a
second. Other work on the machine makes the time longer, so processor minutes and the load stand beside it.
"""

import argparse
import json
import os
import resource
import tempfile
import threading
import time
from pathlib import Path

import psutil
from quality import DATA, RESULTS

from modelsat.aptitude import instructions
from modelsat.data.collection import collect
from modelsat.io.atomic import write_json
from modelsat.steps import finetune

INTO = RESULTS.with_name("training_whole.json")
GIB = 2**30

TEXT = """
## What training costs

The default recipe on {scores}, {prompts:,} prompts and {candidates} candidates, from capability instructions to a
bundle with its held-out predictions, on {cores} CPU cores: {minutes:.1f} minutes ({processor_minutes:.1f} of
CPU time) and at most {peak_gib:.1f} GiB of memory. The load of the machine was {load[0]:.1f} before and
{load[1]:.1f} after.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", type=Path, default=DATA / "mmlupro")
    parser.add_argument("--recipe", default="cpu")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = instructions.build(collect([str(arguments.scores)]))
        built.write(folder / "instructions")
        facts = {"scores": arguments.scores.name, "recipe": arguments.recipe, "ranks": arguments.ranks}
        facts |= {"prompts": built.prompts.num_rows, "candidates": len(built.names), "cores": os.cpu_count()}
        del built
        files = (folder / "router", folder / "predictions.parquet", folder / "page.html")
        settings = finetune.FinetuneSettings(arguments.recipe, arguments.ranks)
        with Memory() as memory:
            start, load = time.monotonic(), os.getloadavg()[0]
            trained = finetune.run(folder / "instructions", *files, folder / "work", settings)
            facts |= {"minutes": (time.monotonic() - start) / 60, "load": [load, os.getloadavg()[0]]}
        spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        facts |= {"processor_minutes": sum(one.ru_utime + one.ru_stime for one in spent) / 60}
    facts |= {"peak_gib": memory.peak / GIB, "result": trained.sentence}
    write_json(arguments.into, facts)
    print(json.dumps(facts, indent=1))


def section(facts: dict) -> str:
    """Return the part of the results page."""
    return TEXT.format_map(facts)


class Memory:
    """The largest memory of this process and those that it starts, in bytes."""

    def __init__(self) -> None:
        self.peak, self._over = 0, threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> "Memory":
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            own = psutil.Process()
            self.peak = max(self.peak, sum(map(_held, [own, *own.children(recursive=True)])))


def _held(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
