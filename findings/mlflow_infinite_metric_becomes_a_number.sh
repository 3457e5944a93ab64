#!/usr/bin/env bash
# A metric of infinity comes back from MLflow as the finite number 1.8e308.
#
# Package:  mlflow-skinny 3.17.2 (with sqlalchemy 2.0.44, alembic 1.17.2, sqlparse 0.5.3)
# Expected: `log_metric("loss", inf)` is read back as inf (NaN is read back as NaN), or is refused.
# Happens:  SQL stores keep the largest double instead, so `math.isinf` and `not math.isfinite` say that all is well.
# Matters:  a training that diverged, or a candidate without price (infinite cost), passes every check for finite values
#           that reads the figures from MLflow; means over runs become 1.8e308 divided by n.
# Here:     the gate and the promotion read figures from the pipeline's own artifacts, never back from MLflow
#           (src/modelsat/evaluation/gate.py, src/modelsat/steps/register.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check \
    mlflow-skinny==3.17.2 sqlalchemy==2.0.44 alembic==1.17.2 sqlparse==0.5.3
cat > "$work/show.py" <<'PY'
import logging
import math
import sys

import mlflow

logging.disable(logging.WARNING)
client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{sys.argv[1]}/m.db")
run = client.create_run(client.create_experiment("training")).info.run_id
for name, value in {"loss": math.inf, "gain": -math.inf, "not a number": math.nan}.items():
    client.log_metric(run, name, value)

stored = client.get_run(run).data.metrics
print(f"mlflow {mlflow.__version__}: logged inf, -inf, nan; read back {stored}")
largest = sys.float_info.max
if stored["loss"] != largest or stored["gain"] != -largest or not math.isnan(stored["not a number"]):
    sys.exit("changed: infinity is no longer stored as the largest double")
PY
MLFLOW_DISABLE_TELEMETRY=true "$work/env/bin/python" -W ignore "$work/show.py" "$work" 2>/dev/null
