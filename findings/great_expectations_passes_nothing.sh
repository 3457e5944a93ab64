#!/usr/bin/env bash
# Great Expectations reports success where it has judged nothing: no rows, no numbers, no expectations.
#
# Package:  great-expectations 1.24.1 (with pandas 2.3.3)
# Expected: "every score lies in [0, 1]" fails for a column without a single number; a suite of no expectations fails.
# Happens:  all four succeed: a column of NaN, an empty table (with a not-null expectation beside the range), a suite
#           without expectations, and a mean over 1 number and 99 NaN.
# Matters:  a collector that read nothing, or a scorer that failed on every answer, passes validation and is trained on.
# Here:     every suite counts rows and nulls, and another number of results than rules is an error
#           (src/modelsat/data/expectations.py, src/modelsat/data/contract_suites.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check great-expectations==1.24.1 pandas==2.3.3
cat > "$work/show.py" <<'PY'
import logging
import sys

import great_expectations as gx
import pandas as pd

logging.disable(logging.ERROR)
nan = float("nan")
context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False, "metric_calculations": False}
asset = context.data_sources.add_pandas("tables").add_dataframe_asset("scores")
batch = asset.add_batch_definition_whole_dataframe("all")


def in_range():
    return gx.expectations.ExpectColumnValuesToBeBetween(column="score", min_value=0, max_value=1)


def outcome(title, scores, *expectations):
    suite = context.suites.add(gx.ExpectationSuite(name=title, expectations=list(expectations)))
    definition = gx.ValidationDefinition(name=title, data=batch, suite=suite)
    frame = pd.DataFrame({"score": pd.Series(scores, dtype=float)})
    return context.validation_definitions.add(definition).run(batch_parameters={"dataframe": frame}).success


outcomes = {
    "a score of 77 (must fail)": outcome("control", [0.5, 77.0], in_range()),
    "five times NaN in [0, 1]": outcome("nan", [nan] * 5, in_range()),
    "no rows, in [0, 1] and not null": outcome(
        "rows", [], in_range(), gx.expectations.ExpectColumnValuesToNotBeNull(column="score")
    ),
    "a score of 77, no expectations": outcome("suite", [77.0]),
    "mean of 0.9 and 99 times NaN": outcome(
        "mean", [0.9] + [nan] * 99, gx.expectations.ExpectColumnMeanToBeBetween(column="score", min_value=0, max_value=1)
    ),
}
print(f"great-expectations {gx.__version__}: success {outcomes}")
if list(outcomes.values()) != [False, True, True, True, True]:
    sys.exit("changed: one of the cases is no longer judged as described")
PY
GX_ANALYTICS_ENABLED=false "$work/env/bin/python" -W ignore "$work/show.py"
