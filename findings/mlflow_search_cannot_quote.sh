#!/usr/bin/env bash
# In a search, MLflow takes a quoted name as it stands: no way of escaping works, so that some names cannot be looked for.
#
# Packages: mlflow-skinny 3.17.2 with a local SQLite registry
# Expected: as in SQL, a quote inside a quoted name is doubled or escaped with a backslash, or names with one are refused.
# Happens:  doubling is a syntax error or finds nothing, a backslash stays part of the name, and both without a word on
#           how it is done. `"o'brien"` in double quotes is found; a name with both kinds of quotes can be registered,
#           fetched and deleted, and found by no search.
# Matters:  code that builds `name = '...'` the way SQL is built misses or mistakes versions of a registered model.
# Here:     names are put between the quotes that they do not hold (src/modelsat/data/importers/mlflow_models.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1
cat > "$work/show.py" <<'PY'
import logging
import sys

import mlflow

logging.disable(logging.INFO)
store = f"sqlite:///{sys.argv[1]}/registry.db"
client = mlflow.MlflowClient(store, store)


def found(condition):
    try:
        return len(client.search_model_versions(f"name = {condition}"))
    except mlflow.exceptions.MlflowException:
        return "refused"


names = ["o'brien", "o'brien \"8b\""]
for name in names:
    client.create_registered_model(name)
    client.create_model_version(name, "s3://models/x")
one = {"double quotes": found('"o\'brien"'), "doubled": found("'o''brien'"), "escaped": found("'o\\'brien'")}
both = {
    "doubled": found("'o''brien \"8b\"'"),
    "escaped": found("'o\\'brien \"8b\"'"),
    "doubled in double quotes": found('"o\'brien ""8b"""'),
    "escaped in double quotes": found('"o\'brien \\"8b\\""'),
    "as it stands": found("'o'brien \"8b\"'"),
}
print(f"mlflow {mlflow.__version__}: versions found of 1 named {names[0]}: {one}; of 1 named {names[1]}: {both}")
if one["double quotes"] != 1 or 1 in [one["doubled"], one["escaped"], *both.values()]:
    sys.exit("changed: a quote inside a name can be escaped now")
PY
cd "$work" && MLFLOW_DISABLE_TELEMETRY=true "$work/env/bin/python" -W ignore "$work/show.py" "$work"
