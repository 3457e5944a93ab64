"""Against a real API server: its admission takes the manifests, and a promotion keeps to its resourceVersions."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from real_cluster import INFRA, needed
from test_rollout_promotion import PROBES, World, wanted

from modelsat.bundle import champions
from modelsat.errors import ConflictError, VerdictNo

# The server of `api_server.sh` is older than these; from Kubernetes 1.25 on every server has them.
UNKNOWN_OF_OLD = re.compile(
    r'no matches for kind "(CronJob|HorizontalPodAutoscaler|PodDisruptionBudget)"|ensure CRDs are installed first'
)
pytestmark = needed


def refused(overlay: str, namespace: str, folder: Path, **more: Any) -> list[str]:
    """Return what the server has against an overlay, in a namespace that is there: without one it looks at nothing."""
    content = {"namespace": namespace, "resources": [os.path.relpath(INFRA / "overlays" / overlay, folder)], **more}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    command = ["kubectl", "apply", "--dry-run=server", "--validate=strict", "-k", str(folder)]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    return [line for line in said.splitlines() if not UNKNOWN_OF_OLD.search(line)]


@pytest.mark.parametrize("overlay", ["local", "staging", "production"])
def test_admission_takes_every_manifest_without_a_warning(overlay: str, namespace: str, tmp_path: Path) -> None:
    assert refused(overlay, namespace, tmp_path.resolve()) == []


def test_admission_would_find_a_value_out_of_bounds(namespace: str, tmp_path: Path) -> None:
    port = [{"op": "replace", "path": "/spec/ports/0/port", "value": 70000}]
    patch = {"target": {"kind": "Service", "name": "gateway"}, "patch": yaml.safe_dump(port)}

    assert "spec.ports[0].port" in str(refused("local", namespace, tmp_path.resolve(), patches=[patch]))


def test_a_good_challenger_is_promoted(real_world: World) -> None:
    assert real_world.promote("new", 1).epoch == 2
    assert real_world.agrees_on("new")


def test_a_bad_challenger_is_taken_back(real_world: World) -> None:
    real_world.versions.choices["b/new"] = "wrong"

    with pytest.raises(VerdictNo, match="wrong answers"):
        real_world.promote("new", 1)
    assert real_world.agrees_on("old")


def test_a_second_promoter_is_refused_and_the_reconciler_finishes_the_first(real_world: World) -> None:
    real_world.promoter()._begin(wanted("new", 1), PROBES)
    with pytest.raises(ConflictError, match="run-new"):
        real_world.promote("other", 1)

    real_world.promoter().bring()

    assert champions.current(real_world.store).epoch == 2  # type: ignore[union-attr]
    assert real_world.agrees_on("new")
