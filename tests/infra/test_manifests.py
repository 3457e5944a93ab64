"""The manifests: rendered by kubectl, held to the schemas of their kinds and to rules of our own.

This tier is "contract": nothing is applied to a cluster.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendered import CONTRACTS, INFRA, OPTIONAL, OVERLAYS, Manifest, contract_faults, core_faults, find, pods, render

from modelsat.cluster import train_job
from modelsat.cluster.rollout import inference_service
from modelsat.settings import RetrainSettings, check

VERSION = tomllib.loads((INFRA.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
OTHERS = ("monitoring.coreos.com", "gateway.networking.k8s.io")
each_overlay = pytest.mark.parametrize("overlay", [*OVERLAYS, "everything"])


def containers(manifest: Manifest) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Yield place, container and the pod's own security settings."""
    for place, pod in pods(manifest):
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            yield f"{place}/{container['name']}", container, pod.get("securityContext", {})


def references(node: Any) -> Iterator[tuple[str, str, str | None, bool]]:
    """Yield (kind, name, key, optional) of every ConfigMap and Secret that something reads."""
    if isinstance(node, list):
        for value in node:
            yield from references(value)
    if not isinstance(node, dict):
        return
    kinds = {
        "configMapKeyRef": "ConfigMap",
        "secretKeyRef": "Secret",
        "configMapRef": "ConfigMap",
        "secretRef": "Secret",
    }
    for field, kind in kinds.items():
        if isinstance(node.get(field), dict):
            ref = node[field]
            yield kind, ref["name"], ref.get("key"), bool(ref.get("optional"))
    if isinstance(node.get("configMap"), dict):
        yield "ConfigMap", node["configMap"]["name"], None, False
    for value in node.values():
        yield from references(value)


@each_overlay
def test_custom_resources_keep_the_contracts(overlay: str) -> None:
    if not CONTRACTS.is_dir():
        pytest.skip("the schemas of the custom resources are not beside this checkout (../shared/contracts)")
    groups = ("serving.kserve.io", "trainer.kubeflow.org")
    custom = [one for one in render(overlay) if one["apiVersion"].startswith(groups)]

    assert {one["kind"] for one in custom} == {"ServingRuntime", "InferenceService", "TrainingRuntime"}
    assert [fault for one in custom for fault in contract_faults(one)] == []


@each_overlay
def test_core_kinds_have_fields_that_kubernetes_knows(overlay: str) -> None:
    custom = ("serving.kserve.io", "trainer.kubeflow.org", *OTHERS)
    core = [one for one in render(overlay) if not one["apiVersion"].startswith(custom)]

    assert [fault for one in core for fault in core_faults(one)] == []


def test_a_misspelt_field_would_be_found() -> None:
    deployment = json.loads(json.dumps(find("local", "Deployment", "gateway")))
    deployment["spec"]["template"]["spec"]["containers"][0]["resource"] = {}

    assert any(".resource: unknown" in fault for fault in core_faults(deployment))


def test_a_misspelt_field_of_a_custom_resource_would_be_found() -> None:
    if not CONTRACTS.is_dir():
        pytest.skip("the schemas of the custom resources are not beside this checkout (../shared/contracts)")
    service = json.loads(json.dumps(find("local", "InferenceService", "router")))
    service["spec"]["predictor"]["canaryTraffic"] = 10

    assert contract_faults(service)


@pytest.mark.parametrize("nodes", [0, 2])
def test_a_train_job_keeps_its_contract(nodes: int) -> None:
    if not CONTRACTS.is_dir():
        pytest.skip("the schemas of the custom resources are not beside this checkout (../shared/contracts)")
    placement = train_job.Placement(max(1, nodes), 8, 8 * bool(nodes), {"a": "b"}, [{"operator": "Exists"}])

    assert contract_faults(train_job.job("finetune-a", ["--work", "w"], placement, {"name": "p", "uid": "u"})) == []


@each_overlay
def test_every_container_is_restricted(overlay: str) -> None:
    for manifest in render(overlay):
        for place, container, pod in containers(manifest):
            own = container.get("securityContext", {})
            merged = pod | own
            assert merged.get("runAsNonRoot") is True, place
            assert merged.get("runAsUser", 0) > 0, place
            assert own.get("allowPrivilegeEscalation") is False, place
            assert own.get("capabilities") == {"drop": ["ALL"]}, place
            assert merged.get("seccompProfile") == {"type": "RuntimeDefault"}, place


@each_overlay
def test_pods_use_no_host_and_only_volumes_that_restricted_allows(overlay: str) -> None:
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    for manifest in render(overlay):
        for place, pod in pods(manifest):
            assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), place
            assert {key for volume in pod.get("volumes", []) for key in volume if key != "name"} <= allowed, place


@each_overlay
def test_every_container_has_requests_limits_and_a_pinned_image(overlay: str) -> None:
    for manifest in render(overlay):
        for place, container, _ in containers(manifest):
            for kind in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][kind].keys(), place
            assert re.search(r":[0-9][\w.]*$|@sha256:[0-9a-f]{64}$", container["image"]), place
            if container["image"].startswith("modelsat/"):
                assert container["image"].endswith(f":{VERSION}"), place
            assert container["imagePullPolicy"] == "IfNotPresent", place


@each_overlay
def test_namespace_enforces_the_restricted_standard(overlay: str) -> None:
    labels = find(overlay, "Namespace", "modelsat")["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@each_overlay
def test_what_is_read_from_config_maps_exists_and_secrets_are_only_referred_to(overlay: str) -> None:
    manifests = render(overlay)
    known = {one["metadata"]["name"]: one["data"] for one in manifests if one["kind"] == "ConfigMap"}
    secrets = set()
    for kind, name, key, optional in references(list(manifests)):
        if kind == "ConfigMap":
            assert name in known
            assert key is None or key in known[name], (name, key)
        else:
            secrets.add((name, optional))

    assert not [one for one in manifests if one["kind"] == "Secret"]
    needed = {name for name, optional in secrets if not optional}
    more = {"local": set[str](), "everything": {"modelsat-database", "modelsat-feedback", "modelsat-webhooks"}}
    assert needed == {"modelsat-tokens"} | more.get(overlay, {"modelsat-database"})


@each_overlay
def test_accounts_claims_roles_and_targets_exist(overlay: str) -> None:
    manifests = render(overlay)
    names = {(one["kind"], one["metadata"]["name"]) for one in manifests}
    for manifest in manifests:
        for _, pod in pods(manifest):
            if "serviceAccountName" in pod:
                assert ("ServiceAccount", pod["serviceAccountName"]) in names
            for volume in pod.get("volumes", []):
                if "persistentVolumeClaim" in volume:
                    assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in names
        if manifest["kind"] == "RoleBinding":
            assert ("Role", manifest["roleRef"]["name"]) in names
            assert all((one["kind"], one["name"]) in names for one in manifest["subjects"])
        if manifest["kind"] == "HorizontalPodAutoscaler":
            target = manifest["spec"]["scaleTargetRef"]
            assert (target["kind"], target["name"]) in names


@each_overlay
def test_services_and_budgets_select_pods_that_there_are(overlay: str) -> None:
    manifests = render(overlay)
    labels = [
        one["spec"]["template"]["metadata"]["labels"]
        for one in manifests
        if one["kind"] in ("Deployment", "StatefulSet")
    ]
    for manifest in manifests:
        if manifest["kind"] in ("Service", "PodDisruptionBudget"):
            selector = manifest["spec"]["selector"]
            wanted = selector.get("matchLabels", selector)
            assert any(wanted.items() <= one.items() for one in labels), manifest["metadata"]["name"]


@each_overlay
def test_ports_and_probes_name_ports_of_their_container(overlay: str) -> None:
    for manifest in render(overlay):
        for place, container, _ in containers(manifest):
            ports = {port.get("name") for port in container.get("ports", [])}
            ports |= {port["containerPort"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if "httpGet" in container.get(probe, {}):
                    assert container[probe]["httpGet"]["port"] in ports, place


@each_overlay
def test_who_serves_clients_stays_until_everybody_knows_that_it_goes(overlay: str) -> None:
    (endpoint,) = find(overlay, "ServingRuntime", "modelsat")["spec"]["containers"]
    (gateway,) = find(overlay, "Deployment", "gateway")["spec"]["template"]["spec"]["containers"]

    for container in (endpoint, gateway):
        assert container["lifecycle"]["preStop"]["exec"]["command"][0] == "sleep"


def test_a_node_of_two_processors_has_room_for_a_second_endpoint_while_a_promotion_goes_on() -> None:
    def requested(manifest: Manifest) -> float:
        shares = [container["resources"]["requests"]["cpu"] for _, container, _ in containers(manifest)]
        return sum(float(share[:-1]) / 1000 if share.endswith("m") else float(share) for share in shares)

    running = {"ServingRuntime": 2, "Deployment": 1, "CronJob": 1}
    asked = sum(requested(one) * running.get(one["kind"], 0) for one in render("local"))

    assert asked <= 1.5


def test_on_one_node_what_mlflow_keeps_outlives_its_pod() -> None:
    volumes = find("local", "Deployment", "mlflow")["spec"]["template"]["spec"]["volumes"]

    assert {"name": "data", "persistentVolumeClaim": {"claimName": "modelsat-work"}} in volumes


@each_overlay
def test_rights_are_named_one_by_one(overlay: str) -> None:
    roles = [one for one in render(overlay) if one["kind"] in ("Role", "ClusterRole")]

    assert {one["kind"] for one in roles} == {"Role"}
    for role in roles:
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "secrets" not in rule["resources"]


@each_overlay
def test_only_who_talks_to_the_api_gets_a_token(overlay: str) -> None:
    with_token = {
        one["metadata"]["name"]
        for one in render(overlay)
        if one["kind"] == "ServiceAccount" and one["automountServiceAccountToken"]
    }

    assert with_token == {"modelsat-runner", "modelsat-reconciler"}


@each_overlay
def test_all_pods_of_ours_are_closed_but_for_what_a_policy_names(overlay: str) -> None:
    closed = find(overlay, "NetworkPolicy", "modelsat-closed")["spec"]

    assert closed == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "modelsat"}},
        "policyTypes": ["Ingress"],
    }
    for manifest in render(overlay):
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            labels = manifest["spec"]["template"]["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "modelsat"


@each_overlay
def test_run_defaults_are_settings_within_their_bounds(overlay: str) -> None:
    defaults = json.loads(find(overlay, "ConfigMap", "modelsat-run-defaults")["data"]["run-defaults.json"])

    assert check(defaults) == defaults
    assert set(defaults) <= set(RetrainSettings.model_fields)


@each_overlay
def test_the_endpoint_is_one_whose_promotion_is_possible(overlay: str) -> None:
    service = find(overlay, "InferenceService", "router")
    words = inference_service.serving(inference_service.arguments(service), "s3://b/1")

    assert inference_service.splits(service) == (overlay in ("production", "everything"))
    assert words == ["--bundle", "s3://b/1"]
    assert inference_service.bundle(service) == ""


def test_the_training_runtime_is_the_one_that_jobs_name() -> None:
    runtime = find("production", "TrainingRuntime", train_job.RUNTIME)
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]

    assert job["name"] == "node"
    assert job["template"]["spec"]["template"]["spec"]["containers"][0]["command"][-1] == "training.finetune"


def test_a_laptop_needs_nothing_but_our_images_and_no_controller_of_others() -> None:
    images = {container["image"] for one in render("local") for _, container, _ in containers(one)}

    assert {image.split(":")[0] for image in images} == {
        "modelsat/pipeline-python",
        "modelsat/serving-python",
        "modelsat/training-python",
    }
    assert not {"HorizontalPodAutoscaler", "PodDisruptionBudget"} & {one["kind"] for one in render("local")}


def test_the_gateway_keeps_answers_only_where_an_overlay_asks_for_it() -> None:
    def arguments(overlay: str) -> list[str]:
        found: list[str] = find(overlay, "Deployment", "gateway")["spec"]["template"]["spec"]["containers"][0]["args"]
        return found

    assert "--feedback-log" not in arguments("production")
    assert arguments("everything") == [
        *arguments("production"),
        *("--feedback-log", "s3://modelsat/feedback", "--feedback-text"),
    ]


@pytest.mark.parametrize("name", OPTIONAL)
def test_kinds_of_other_operators_come_only_where_an_overlay_asks_for_them(name: str) -> None:
    folder = INFRA / name
    content = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))

    assert content["kind"] == "Component"
    for resource in content.get("resources", []):
        assert (folder / resource).exists(), resource
    for overlay in OVERLAYS:
        groups = {one["apiVersion"].split("/")[0] for one in render(overlay)}
        assert not groups & set(OTHERS)


def test_no_file_below_infra_holds_a_secret_s_value() -> None:
    for path in sorted(Path(INFRA).rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            assert not (isinstance(document, dict) and document.get("kind") == "Secret"), path
