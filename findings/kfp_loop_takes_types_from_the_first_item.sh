#!/usr/bin/env bash
# A dsl.ParallelFor gives every value the type of the first one, so a loop over [1, 0.5] runs with 1 and 0.
#
# Package:  kfp 2.17.0
# Expected: each item keeps its value; each field of a dictionary has its own type.
# Happens:  the type of the first item's first value is taken for all values of all fields. [1, 0.5] runs its second
#           iteration with 0. In {"model": "a", "questions": 20} the count is taken for text, so passing it to an `int`
#           input does not compile. An item with a field called "name" fails with a TypeError about something else.
# Matters:  a sweep over weights or shares silently runs with zeros; a loop over candidates by name does not compile.
# Here:     the loop over releases passes text only, under other names (pipelines/watch.py, components/find_releases.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check kfp==2.17.0
cat > "$work/show.py" <<'PY'
import functools
import pathlib
import sys

import kfp
from kfp import dsl, local

work = pathlib.Path(sys.argv[1])
component = functools.partial(dsl.component, base_image="python:3.11", install_kfp_package=False)


@component
def write(weight: int, folder: str):
    import pathlib

    pathlib.Path(folder, f"weight {weight}").touch()


@component
def ask(questions: int):
    pass


@component
def onboard(model: str):
    pass


def sweep(folder: str):
    with dsl.ParallelFor([1, 0.5]) as weight:
        write(weight=weight, folder=folder)


def mixed_fields():
    with dsl.ParallelFor([{"model": "a", "questions": 20}]) as item:
        ask(questions=item.questions)


def field_called_name():
    with dsl.ParallelFor([{"name": "a"}]) as item:
        onboard(model=item.name)


def fault_of(function):
    try:
        dsl.pipeline(function)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "compiles"


local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(work / "runs"))
(work / "seen").mkdir()
dsl.pipeline(sweep)(folder=str(work / "seen"))
seen = sorted(path.name for path in (work / "seen").iterdir())
faults = [fault_of(function) for function in (mixed_fields, field_called_name)]
print(f"kfp {kfp.__version__}: a loop over [1, 0.5] ran with {seen}")
print(f"two fields of two types: {faults[0]}")
print(f"a field called 'name':   {faults[1]}")
if seen != ["weight 0", "weight 1"] or not faults[0].startswith("Inconsistent") or "TypeError" not in faults[1]:
    sys.exit("changed: the loop no longer behaves as described")
PY
"$work/env/bin/python" -W ignore "$work/show.py" "$work" 2>&1 | grep -E "^ *(kfp|two fields|a field|changed|\w*Error)"
