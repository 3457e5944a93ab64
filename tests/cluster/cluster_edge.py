"""The few answers of a Kubernetes API server that a promotion needs, with resourceVersions as a real one has them.

It stands in for an edge that cannot run here, and beside it a hand that does to the status what KServe's controller
would: revisions become ready, traffic is split.
"""

import copy
import random
from collections.abc import Callable
from typing import Any

from modelsat.cluster.rollout.probing import ProbeAnswer
from modelsat.errors import ConflictError, InputError


class Objects:
    """Objects of one kind by name."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.before_call: Callable[[str], None] = lambda _: None
        self.after_call: Callable[[str], None] = lambda _: None
        # What admission makes of a body: it may drop fields that a definition does not know, or refuse.
        self.admit: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: body
        self._version = 0

    def read(self, name: str) -> dict[str, Any] | None:
        self.before_call("read")
        found = copy.deepcopy(self.stored.get(name))
        self.after_call("read")
        return found

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        self.before_call("create")
        name = body["metadata"]["name"]
        if name in self.stored:
            raise ConflictError(f"{name!r} exists")
        self.store(copy.deepcopy(body))
        self.after_call("create")
        return copy.deepcopy(self.stored[name])

    def replace(self, body: dict[str, Any], dry_run: bool = False) -> dict[str, Any]:
        self.before_call("replace")
        old = self.stored.get(body["metadata"]["name"])
        if old is None:
            raise InputError("gone")
        if old["metadata"]["resourceVersion"] != body["metadata"].get("resourceVersion"):
            raise ConflictError("stale")
        body = self.admit(copy.deepcopy(body))
        if dry_run:
            self.after_call("replace")
            return body
        # The status is a resource of its own.
        self.store(copy.deepcopy(body) | {"status": old.get("status", {})})
        self.after_call("replace")
        return copy.deepcopy(body)

    def delete(self, name: str) -> None:
        self.before_call("delete")
        self.stored.pop(name, None)
        self.after_call("delete")

    def store(self, body: dict[str, Any]) -> None:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self.stored[body["metadata"]["name"]] = body


class Versions:
    """What the pods of each bundle do; `calls` counts who answered."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.errors: dict[str, float] = {}
        self.slowness: dict[str, float] = {}
        self.choices: dict[str, str] = {}
        self.broken: set[str] = set()
        self.calls: list[str] = []

    def answer(self, bundle: str) -> ProbeAnswer:
        self.calls.append(bundle)
        if self.random.random() < self.errors.get(bundle, 0.0):
            return ProbeAnswer("", "", 0.01)
        seconds = 0.02 * self.random.lognormvariate(0, 0.4) * self.slowness.get(bundle, 1.0)
        return ProbeAnswer(bundle.rpartition("/")[2][:12], self.choices.get(bundle, "right"), seconds)


class Kserve:
    """Does to the one InferenceService `router` what KServe's controller does in a deployment mode.

    Args:
        objects: Where the service is stored.
        versions: What the pods of each bundle do.
        mode: Deployment mode.
        canary: The definition has `spec.canary`, as from KServe 0.20 on.
        weights: The ingress gives a canary its share of clients, as from KServe 0.21 on with the Gateway API.
    """

    def __init__(
        self, objects: Objects, versions: Versions, mode: str = "Knative", canary: bool = False, weights: bool = True
    ) -> None:
        self.objects, self.versions, self.weights = objects, versions, weights
        self.revisions: list[str] = []
        self.rolled_out = ""
        if not canary:
            objects.admit = without_canary
        objects.store(
            {
                "apiVersion": "serving.kserve.io/v1beta1",
                "kind": "InferenceService",
                "metadata": {
                    "name": "router",
                    "namespace": "modelsat",
                    "annotations": {
                        "serving.kserve.io/deploymentMode": mode,
                        "serving.kserve.io/enable-tag-routing": "true",
                    },
                },
                "spec": {
                    "predictor": {
                        "minReplicas": 2,
                        "maxReplicas": 4,
                        "model": {"modelFormat": {"name": "modelsat"}, "args": ["--champions", "s"]},
                    }
                },
            }
        )
        self.shares: dict[str, int] = {}

    @property
    def service(self) -> dict[str, Any]:
        return self.objects.stored["router"]

    @property
    def canaries(self) -> list[dict[str, Any]]:
        return self.service["spec"].get("canary", [])

    def bundle(self) -> str:
        return bundle_of(self.service["spec"]["predictor"])

    def reconcile(self) -> None:
        """Make the status follow the spec, as far as pods come up."""
        asked = self.bundle()
        if not self.revisions or self.revisions[-1] != asked:
            self.revisions.append(asked)
        comes_up = asked != "" and asked not in self.versions.broken
        percent = self.service["spec"]["predictor"].get("canaryTrafficPercent")
        newest = f"router-{len(self.revisions):05d}"
        traffic: list[dict[str, Any]] = []
        knative = self.service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Knative"
        if comes_up:
            share = 100 if percent is None or not self.rolled_out or not knative else percent
            shares = {asked: share}
            if share < 100:
                shares[self.rolled_out] = shares.get(self.rolled_out, 0) + 100 - share
                traffic.append({"tag": "prev", "url": f"tag://{self.rolled_out}", "percent": 100 - share})
            else:
                self.rolled_out = asked
            traffic.append({"tag": "latest", "url": f"tag://{asked}", "percent": share})
            self.shares = shares
        elif percent == 0 and self.rolled_out:
            self.shares = {self.rolled_out: 100}
        statuses = []
        for one in self.canaries:
            ready = bundle_of(one["predictor"]) not in self.versions.broken
            statuses.append({"name": one["predictor"]["name"], "ready": ready, "trafficPercent": one["trafficPercent"]})
            if ready and self.weights:
                beside, part = bundle_of(one["predictor"]), one["trafficPercent"]
                stable = {name: of * (100 - part) // 100 for name, of in self.shares.items()}
                self.shares = {**stable, beside: stable.get(beside, 0) + part}
        predictor = {"latestCreatedRevision": newest, "traffic": traffic}
        if comes_up:
            predictor["latestReadyRevision"] = newest
        # In Standard mode the address within the cluster is the predictor's own Service.
        address = {} if knative else {"address": {"url": "stable://"}}
        self.objects.store(
            self.service
            | {
                "status": {
                    "conditions": [{"type": "Ready", "status": "True" if comes_up else "False"}],
                    "components": {"predictor": predictor},
                    "canaryStatuses": statuses,
                    "url": "all://",
                    **address,
                }
            }
        )

    def ask(self, address: str, _: str) -> ProbeAnswer:
        if address.startswith("tag://"):
            return self.versions.answer(address.removeprefix("tag://"))
        if address == "http://router-challenger-predictor.modelsat.svc":
            (one,) = self.canaries
            return self.versions.answer(bundle_of(one["predictor"]))
        if address == "stable://":
            return self.versions.answer(self.rolled_out) if self.rolled_out else ProbeAnswer("", "", 0.0)
        shares = self.shares
        if not shares:
            return ProbeAnswer("", "", 0.0)
        return self.versions.answer(self.versions.random.choices(list(shares), list(shares.values()))[0])


def bundle_of(predictor: dict[str, Any]) -> str:
    words: list[str] = predictor["model"]["args"]
    return words[words.index("--bundle") + 1] if "--bundle" in words else ""


def without_canary(body: dict[str, Any]) -> dict[str, Any]:
    """Drop the field, as an API server does whose definition does not know it."""
    body["spec"].pop("canary", None)
    return body
