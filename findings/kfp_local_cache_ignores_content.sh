#!/usr/bin/env bash
# kfp.local's cache does not notice that an imported file has changed, and returns the result for the old content.
#
# Package:  kfp 2.17.0
# Expected: with `enable_caching=True` a step runs again once the data that it reads are others.
# Happens:  the key holds an artifact's URI, name and metadata, not its bytes (no size, time or digest either). A file that
#           is imported from the same path with new content is a cache hit, and the old answer comes back.
# Matters:  new benchmark results that land in the same folder or S3 prefix are not collected, validated or trained on.
# Here:     caching stays off locally and is off for every step that looks outside (pipelines/local.py,
#           pipelines/resources.py); finished work is found again by digests of its inputs.
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
scores = work / "scores.csv"


@functools.partial(dsl.component, base_image="python:3.11", install_kfp_package=False)
def count(scores: dsl.Input[dsl.Dataset]) -> int:
    with open(scores.path) as file:
        return len(file.readlines())


@dsl.pipeline
def collect() -> int:
    imported = dsl.importer(artifact_uri=str(scores), artifact_class=dsl.Dataset)
    return count(scores=imported.output).output


cache = str(work / "cache")
runner = local.SubprocessRunner(use_venv=False)
local.init(runner=runner, pipeline_root=str(work / "runs"), enable_caching=True, cache_root=cache)
counted = []
for content in ("prompt,a\n1,0.5\n", "prompt,a\n1,0.5\n2,1.0\n3,0.0\n"):
    scores.write_text(content)
    counted.append(int(collect().output))
print(f"kfp {kfp.__version__}: lines in the file: [2, 4], lines that the step counted: {counted}")
if counted != [2, 2]:
    sys.exit("changed: the second run no longer returns the first run's answer")
PY
"$work/env/bin/python" -W ignore "$work/show.py" "$work" 2>&1 | grep -E "^ *(kfp|changed|\w*Error)"
