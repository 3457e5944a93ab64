#!/usr/bin/env bash
# Whole numbers change on their way into a KFP step: large ones are rounded, and inside a dictionary they become floats.
#
# Package:  kfp 2.17.0
# Expected: an `int` parameter arrives as the integer that was passed; {"n": 3} arrives as {"n": 3}.
# Happens:  every number travels as a double. An `int` above 2**53 arrives as another integer, without a warning. In a
#           dictionary or list 3 arrives as 3.0, and a pipeline parameter used as a value in it arrives as the text "3.0".
# Matters:  64-bit seeds, dataset revisions and row ids differ from those that were asked for; `range(options["n"])`
#           raises, and `options["n"] == 3` is false where the value came from a parameter of the run.
# Here:     components take one parameter per setting, never a dictionary of numbers (components/check_prerequisites.py);
#           identities are digests, as text.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check kfp==2.17.0
cat > "$work/show.py" <<'PY'
import functools
import json
import pathlib
import sys

import kfp
from kfp import dsl, local

work = pathlib.Path(sys.argv[1])
component = functools.partial(dsl.component, base_image="python:3.11", install_kfp_package=False)


@component
def train(seed: int, options: dict, sizes: list, seen: str):
    import json
    import pathlib

    pathlib.Path(seen).write_text(json.dumps({"seed": seed, "options": options, "sizes": sizes}))


@dsl.pipeline
def retrain(seed: int, epochs: int, seen: str):
    train(seed=seed, options={"epochs": epochs, "batch": 8}, sizes=[1, 2], seen=seen)


local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(work / "runs"))
retrain(seed=2**53 + 1, epochs=3, seen=str(work / "seen.json"))
seen = json.loads((work / "seen.json").read_text())
print(f"kfp {kfp.__version__}: passed seed {2**53 + 1}, options {{'epochs': 3, 'batch': 8}}, sizes [1, 2]")
print(f"the step received seed {seen['seed']}, options {seen['options']}, sizes {seen['sizes']}")
as_described = (
    seen["seed"] == 2**53
    and seen["options"]["epochs"] == "3.0"
    and isinstance(seen["options"]["batch"], float)
    and all(isinstance(size, float) for size in seen["sizes"])
)
if not as_described:
    sys.exit("changed: the numbers no longer arrive as described")
PY
"$work/env/bin/python" -W ignore "$work/show.py" "$work" 2>&1 | grep -E "^ *(kfp|the step|changed|\w*Error)"
