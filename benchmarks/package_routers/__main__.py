"""Runs the rivals' own packages on one task. It is run by the environment that has them, and imports nothing of ours.

    PYTHON benchmarks/package_routers FOLDER

Reads `task.npz` and `prompts.json` in the folder, and writes `choices.npz` (per router the chosen column of each test
prompt), `win_rates.npz` (per router of a pair how much each test prompt needs the strong candidate) and
`versions.json`. No model is called: texts are looked up in our vectors, and only the choice is asked for. One line per
router goes to stdout; all that the packages say goes to stderr.
"""

import contextlib
import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import from_litellm
import from_llmrouter
import from_routellm
import numpy as np
from task import Task

PACKAGES = ("llmrouter-lib", "routellm", "litellm", "semantic-router")


def main() -> None:
    folder = Path(sys.argv[1])
    task = Task.read(folder)
    warnings.simplefilter("ignore")
    choices, win_rates = {}, {}
    for routers, found in (
        (from_llmrouter.ALL | from_litellm.ALL, choices),
        (from_llmrouter.PAIR | from_routellm.PAIR | from_litellm.PAIR, win_rates),
    ):
        for name, run in routers.items():
            began = time.monotonic()
            work = folder / name.replace(" ", "-")
            work.mkdir()
            with contextlib.redirect_stdout(sys.stderr):
                found[name] = np.asarray(run(task, work))
            print(f"  {name} {time.monotonic() - began:.0f} s", flush=True)
    np.savez(folder / "choices.npz", **choices)
    np.savez(folder / "win_rates.npz", **win_rates)
    versions = {package: version(package) for package in PACKAGES}
    (folder / "versions.json").write_text(json.dumps(versions), encoding="utf-8")


if __name__ == "__main__":
    main()
