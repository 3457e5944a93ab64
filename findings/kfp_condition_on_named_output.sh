#!/usr/bin/env bash
# kfp.local never enters a dsl.If on a named output, and reports the pipeline as a success.
#
# Package:  kfp 2.17.0
# Expected: `with dsl.If(task.outputs["promote"] == True)` runs its body, on one machine as on a cluster.
# Happens:  the body runs only if the output is the unnamed return value, called `Output`. For an output of a
#           NamedTuple the condition is false whatever the value is. No error, no warning, status SUCCESS.
# Matters:  a promotion step behind such a condition never runs in a local test of the graph, and nothing says so.
# Here:     components whose verdict decides name it `Output` (components/evaluate_router.py and others, ADR 3).
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
def named_verdict() -> NamedTuple("Outputs", [("promote", bool), ("reason", str)]):
    from typing import NamedTuple

    return NamedTuple("Outputs", [("promote", bool), ("reason", str)])(True, "more accurate")


@component
def single_verdict() -> bool:
    return True


@component
def promote(mark: str):
    import pathlib

    pathlib.Path(mark).touch()


@dsl.pipeline
def by_name(mark: str):
    with dsl.If(named_verdict().outputs["promote"] == True):
        promote(mark=mark)


@dsl.pipeline
def by_output(mark: str):
    with dsl.If(single_verdict().output == True):
        promote(mark=mark)


local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(work / "runs"))
ran = {}
for pipeline in (by_output, by_name):
    mark = work / pipeline.name
    pipeline(mark=str(mark))
    ran[pipeline.name] = mark.exists()
print(f"kfp {kfp.__version__}: body of the condition ran: {ran} (both verdicts are True, both pipelines succeeded)")
if ran != {"by-output": True, "by-name": False}:
    sys.exit("changed: the two conditions no longer differ as described")
PY
"$work/env/bin/python" -W ignore "$work/show.py" "$work" 2>&1 | grep -E "^ *(kfp|changed|\w*Error)"
