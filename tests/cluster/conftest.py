"""A namespace of the real cluster, and a world in it whose endpoint serves a first champion."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster_edge import Kserve, Versions
from real_cluster import INFRA, Real, kubectl
from test_rollout_promotion import World


@pytest.fixture
def namespace() -> Iterator[str]:
    """Make a namespace that is held to the standard of ours, and remove it in the end."""
    manifest = yaml.safe_load((INFRA / "components" / "namespace" / "namespace.yaml").read_text(encoding="utf-8"))
    name = manifest["metadata"]["name"] = f"modelsat-test-{uuid.uuid4().hex[:8]}"
    kubectl("apply", "-f", "-", given=yaml.safe_dump(manifest))
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(params=["Knative", "Standard"])
def real_world(tmp_path: Path, namespace: str, request: pytest.FixtureRequest) -> World:
    """Return a world with records in a folder and its InferenceService behind the real API server."""
    found = World(tmp_path / "champions")
    found.objects = Real(namespace)  # type: ignore[assignment]
    found.versions = Versions()
    found.kserve = Kserve(found.objects, found.versions, request.param)
    found.at_sleep = found.kserve.reconcile
    found.promote("old", 0)
    return found
