"""The cluster that KUBECONFIG names; without one, the tests of this tier are skipped.

It needs the kinds of KServe and Trainer, not their controllers: a hand of ours writes the status, through the status
subresource as they do. `api_server.sh` starts such a cluster from Debian packages.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from modelsat.cluster.api import Cluster
from modelsat.cluster.rollout import inference_service as service_of

INFRA = Path(__file__).parents[2] / "infra"

needed = [
    pytest.mark.cluster,
    pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="KUBECONFIG names no cluster"),
]


def kubectl(*words: str, given: str | None = None) -> str:
    """Run kubectl on the cluster of these tests and return what it printed."""
    done = subprocess.run(["kubectl", *words], input=given, capture_output=True, text=True)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr[-2000:]}"
    return done.stdout


class Real(Cluster):
    """InferenceServices as the hand in `cluster_edge` sees them: what is stored, and a way to store."""

    def __init__(self, namespace: str) -> None:
        super().__init__(service_of.GROUP, service_of.VERSION, service_of.PLURAL, namespace)

    @property
    def stored(self) -> dict[str, dict[str, Any]]:
        """Return the one object by its name."""
        found = self.read("router")
        return {} if found is None else {"router": found}

    def store(self, body: dict[str, Any]) -> None:
        """Create the object, or write its status."""
        if not self.stored:
            self.create(body)
            return
        self._api.patch_namespaced_custom_object_status(
            **self._kind, name="router", body={"status": body.get("status", {})}
        )
