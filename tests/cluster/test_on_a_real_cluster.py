"""Against a real API server: its admission takes the manifests, and a promotion keeps to its resourceVersions.

Tier "cluster": it runs where KUBECONFIG names one with the kinds of KServe and Trainer. Their controllers are not
needed: a hand of ours writes the status, through the status subresource as they do.
"""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_edge import Kserve, Versions
from test_rollout_promotion import PROBES, World, wanted

from modelsat import champions
from modelsat.errors import ConflictError, VerdictNo
from modelsat.kubernetes_api import Cluster
from modelsat.rollout import inference_service as service_of

OVERLAYS = Path(__file__).parents[2] / "infra" / "overlays"

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="KUBECONFIG names no cluster"),
]


class Real(Cluster):
    """A cluster as the hand in `cluster_edge` sees it: what is stored, and a way to store."""

    def __init__(self, namespace: str) -> None:
        super().__init__(service_of.GROUP, service_of.VERSION, service_of.PLURAL, namespace)

    @property
    def stored(self) -> dict[str, dict[str, Any]]:
        found = self.read("router")
        return {} if found is None else {"router": found}

    def store(self, body: dict[str, Any]) -> None:
        if not self.stored:
            self.create(body)
            return
        self._api.patch_namespaced_custom_object_status(
            **self._kind, name="router", body={"status": body.get("status", {})}
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    namespace = f"modelsat-test-{uuid.uuid4().hex[:8]}"
    subprocess.run(["kubectl", "create", "namespace", namespace], check=True, capture_output=True)
    try:
        found = World(tmp_path / "champions")
        found.objects = Real(namespace)  # type: ignore[assignment]
        found.versions = Versions()
        found.kserve = Kserve(found.objects, found.versions)
        found.at_sleep = found.kserve.reconcile
        found.promote("old", 0)
        yield found
    finally:
        subprocess.run(["kubectl", "delete", "namespace", namespace, "--wait=false"], check=True, capture_output=True)


@pytest.mark.parametrize("overlay", ["local", "staging", "production"])
def test_admission_takes_every_manifest(overlay: str) -> None:
    done = subprocess.run(
        ["kubectl", "apply", "--dry-run=server", "--validate=strict", "-k", str(OVERLAYS / overlay)],
        capture_output=True,
        text=True,
    )

    # What a dry run says of a namespace that is not there yet is no fault of a manifest.
    faults = [line for line in done.stderr.splitlines() if 'namespaces "modelsat" not found' not in line]
    assert faults == []


def test_a_good_challenger_is_promoted(world: World) -> None:
    assert world.promote("new", 1).epoch == 2
    assert world.agrees_on("new")


def test_a_bad_challenger_is_taken_back(world: World) -> None:
    world.versions.choices["b/new"] = "wrong"

    with pytest.raises(VerdictNo, match="wrong answers"):
        world.promote("new", 1)
    assert world.agrees_on("old")


def test_a_second_promoter_is_refused_and_the_reconciler_finishes_the_first(world: World) -> None:
    world.promoter()._begin(wanted("new", 1), PROBES)
    with pytest.raises(ConflictError, match="run-new"):
        world.promote("other", 1)

    world.promoter().bring()

    assert champions.current(world.store).epoch == 2  # type: ignore[union-attr]
    assert world.agrees_on("new")
