#!/usr/bin/env bash
# MLflow's searches return model versions without their aliases, so the champion looks like any other version.
#
# Package:  mlflow-skinny 3.17.2 (with sqlalchemy 2.0.44, alembic 1.17.2, sqlparse 0.5.3)
# Expected: the versions from `search_model_versions` and `latest_versions` carry the field `aliases` filled, as
#           `get_model_version` fills it.
# Happens:  the field is there and is an empty list, also for the version that has the alias.
# Matters:  "which of these versions is the champion?" answers "none" and a clean-up of old versions deletes the champion
#           (its alias goes with it).
# Here:     the alias is only followed by name and the decision lives in champion records
#           (src/modelsat/io/mlflow_registry.py, src/modelsat/bundle/champions.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check \
    mlflow-skinny==3.17.2 sqlalchemy==2.0.44 alembic==1.17.2 sqlparse==0.5.3
cat > "$work/show.py" <<'PY'
import logging
import sys

import mlflow

logging.disable(logging.WARNING)
client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{sys.argv[1]}/m.db", registry_uri=f"sqlite:///{sys.argv[1]}/m.db")
client.create_registered_model("router")
version = client.create_model_version("router", source=f"{sys.argv[1]}/bundle").version
client.set_registered_model_alias("router", "champion", version)

aliases = {
    "get_model_version": client.get_model_version("router", version).aliases,
    "get_model_version_by_alias": client.get_model_version_by_alias("router", "champion").aliases,
    "search_model_versions": client.search_model_versions("name = 'router'")[0].aliases,
    "search_registered_models, latest_versions": client.search_registered_models()[0].latest_versions[0].aliases,
}
print(f"mlflow {mlflow.__version__}: aliases of the same version, by how it was found: {aliases}")
if list(aliases.values()) != [["champion"], ["champion"], [], []]:
    sys.exit("changed: the searches no longer leave the aliases out")
PY
MLFLOW_DISABLE_TELEMETRY=true "$work/env/bin/python" -W ignore "$work/show.py" "$work" 2>/dev/null
