#!/usr/bin/env bash
# kfp.local cannot loop over a named output of a step.
#
# Package:  kfp 2.17.0
# Expected: `with dsl.ParallelFor(task.outputs["parts"])` runs its body for each part, on one machine as on a cluster.
# Happens:  only a step's unnamed return value, called `Output`, is found. For an output of a NamedTuple the run ends with
#           "Parent pipeline input argument 'pipelinechannel--...' not found", although the graph compiles.
# Matters:  a graph that a cluster takes does not run on a laptop, and the message names neither loop nor output.
# Here:     what is looped over is the only output of a step of its own (components/share_sources.py, ADR 22).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check kfp==2.17.0
cat > "$work/show.py" <<'PY'
import functools
import pathlib
import sys
from typing import NamedTuple

import kfp
from kfp import dsl, local

work = pathlib.Path(sys.argv[1])
component = functools.partial(dsl.component, base_image="python:3.11", install_kfp_package=False)


@component
def named_parts() -> NamedTuple("Outputs", [("parts", list), ("reason", str)]):
    from typing import NamedTuple

    return NamedTuple("Outputs", [("parts", list), ("reason", str)])(["a", "b"], "two")


@component
def single_parts() -> list:
    return ["a", "b"]


@component
def take(part: str, folder: str):
    import pathlib

    pathlib.Path(folder, part).touch()


@dsl.pipeline
def by_name(folder: str):
    with dsl.ParallelFor(named_parts().outputs["parts"]) as part:
        take(part=part, folder=folder)


@dsl.pipeline
def by_output(folder: str):
    with dsl.ParallelFor(single_parts().output) as part:
        take(part=part, folder=folder)


local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(work / "runs"))
ran = {}
for pipeline in (by_output, by_name):
    folder = work / pipeline.name
    folder.mkdir()
    try:
        pipeline(folder=str(folder))
    except Exception as error:
        print(f"{pipeline.name}: {type(error).__name__}: {error}")
    ran[pipeline.name] = sorted(path.name for path in folder.iterdir())
print(f"kfp {kfp.__version__}: parts that the loop took: {ran}")
if ran != {"by-output": ["a", "b"], "by-name": []}:
    sys.exit("changed: the two loops no longer differ as described")
PY
"$work/env/bin/python" -W ignore "$work/show.py" "$work" 2>&1 | grep -E "^ *(kfp|by-name|changed|\w*Error)"
