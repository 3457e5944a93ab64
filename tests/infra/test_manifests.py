"""The manifests: rendered by kubectl, held to the schemas of their kinds and to rules of our own.

This tier is "contract": nothing is applied to a cluster.
"""

import fnmatch
import hashlib
import ipaddress
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendered import (
    CONTRACTS,
    INFRA,
    OPTIONAL,
    OVERLAYS,
    Manifest,
    contract_faults,
    core_faults,
    find,
    pods,
    render,
    rendered_on,
)

from modelsat.cluster import train_job
from modelsat.cluster.rollout import changes, inference_service
from modelsat.cluster.rollout.plan import Rollout
from modelsat.cluster.rollout.traffic import TrafficWay
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


def kserve(version: str, kind: str) -> Any:
    """Return the schema of a kind as a release of KServe defines it, cut to the fields that ours have."""
    path = INFRA.parent / "tests" / "data" / "kserve_fields.json"
    return json.loads(path.read_text(encoding="utf-8"))[version][kind]


def promoted(overlay: str, traffic: TrafficWay) -> Manifest:
    """Return an overlay's InferenceService as the first stage of a promotion leaves it."""
    rollout = Rollout("run", 1, "s3://modelsat/bundles/1", "digest", "router/2", "promoted", way=traffic)
    return changes.begun(find(overlay, "InferenceService", "router"), rollout, 10, 0.0)


@each_overlay
@pytest.mark.parametrize("version", ["0.18.0", "0.20.0"])
def test_kserve_of_the_distribution_and_of_today_take_our_kinds(overlay: str, version: str) -> None:
    """A field that one of them does not have fails here, so that a newer KServe is never needed unnoticed."""
    custom = [one for one in render(overlay) if one["apiVersion"].startswith("serving.kserve.io")]

    assert {one["kind"] for one in custom} == {"ServingRuntime", "InferenceService"}
    assert [fault for one in custom for fault in contract_faults(one, kserve(version, one["kind"]))] == []


@pytest.mark.parametrize(
    ("overlay", "traffic", "version", "known"),
    [
        ("production", TrafficWay.KNATIVE, "0.18.0", True),
        ("production", TrafficWay.KNATIVE, "0.20.0", True),
        ("staging", TrafficWay.CANARY, "0.18.0", False),
        ("staging", TrafficWay.CANARY, "0.20.0", True),
    ],
)
def test_each_way_of_sharing_traffic_keeps_the_contract_of_the_releases_that_have_it(
    overlay: str, traffic: TrafficWay, version: str, known: bool
) -> None:
    service = promoted(overlay, traffic)

    assert inference_service.percent(service) == 10
    assert (contract_faults(service, kserve(version, "InferenceService")) == []) is known
    if known and CONTRACTS.is_dir():
        assert contract_faults(service) == []


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


@pytest.mark.parametrize("overlay", ["local", "staging", "production", "everything"])
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
    # KServe gives the pods of an InferenceService its labels and this one.
    service = find(overlay, "InferenceService", "router")["metadata"]
    labels.append(service["labels"] | {"serving.kserve.io/inferenceservice": service["name"]})
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
    files = sorted(Path(INFRA).rglob("*.yaml"))

    # As text: the chart's templates are no YAML before Helm has filled them in.
    secrets = re.compile(r"^\s*[\"']?kind[\"']?:\s*[\"']?Secret\b", re.MULTILINE)
    assert len(files) > 20
    assert [path for path in files if secrets.search(path.read_text(encoding="utf-8"))] == []


def texts(node: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a manifest with its place; keys are texts, too."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from texts(value, f"{place}.{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from texts(value, f"{place}[{i}]")
    elif isinstance(node, str):
        yield place, node


@pytest.mark.parametrize("base", OVERLAYS)
def test_a_namespace_of_an_own_overlay_reaches_every_object_and_every_address(base: str) -> None:
    manifests = rendered_on(base, OPTIONAL, namespace="team-a")
    of_before = "my-profile" if base == "profile" else "modelsat"
    address = re.compile(rf"\.{of_before}\b|namespace[\"']?\s*[:=]\s*[\"']?{of_before}\b")

    for manifest in manifests:
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        assert manifest["metadata"].get("namespace") == (
            None if manifest["kind"] in ("Namespace", "PersistentVolume") else "team-a"
        ), name
        if manifest["kind"] == "Namespace":
            assert manifest["metadata"]["name"] == "team-a"
        if manifest["kind"] == "RoleBinding":
            assert {subject["namespace"] for subject in manifest["subjects"]} == {"team-a"}, name
        for place, text in texts(manifest):
            assert not address.search(text), f"{name}{place}: {text}"
            if place.endswith(("namespace", "kubernetes.io/metadata.name")):
                assert text != of_before, f"{name}{place}"


def test_mlflow_answers_to_the_names_of_its_service_in_any_namespace() -> None:
    (container,) = find("staging", "Deployment", "mlflow")["spec"]["template"]["spec"]["containers"]
    names = [one["name"] for one in container["env"]]
    (hosts,) = [one["value"] for one in container["env"] if one["name"] == "MLFLOW_SERVER_ALLOWED_HOSTS"]
    settings = find("staging", "ConfigMap", "modelsat-settings")["data"]

    # Kubernetes puts the values of variables that stand before it into a value.
    assert names.index("MODELSAT_NAMESPACE") < names.index("MLFLOW_SERVER_ALLOWED_HOSTS")
    allowed = hosts.replace("$(MODELSAT_MLFLOW_HOSTS)", settings["mlflow-allowed-hosts"])
    allowed = allowed.replace("$(MODELSAT_NAMESPACE)", "team-a")
    assert "$(" not in allowed
    for host in ("mlflow:5000", "mlflow.team-a:5000", "mlflow.team-a.svc:5000", "mlflow.team-a.svc.cluster.local:5000"):
        assert any(fnmatch.fnmatch(host, pattern) for pattern in allowed.split(",")), host
    assert not any(fnmatch.fnmatch("mlflow.other.example", pattern) for pattern in allowed.split(","))


def test_a_profile_s_namespace_stays_as_kubeflow_made_it() -> None:
    assert "Namespace" not in {one["kind"] for one in render("profile")}


@each_overlay
def test_no_policy_and_no_budget_selects_a_pod_of_others(overlay: str) -> None:
    """A user of the same namespace may well have pods that are called gateway, mlflow or router."""
    for manifest in render(overlay):
        if manifest["kind"] in ("NetworkPolicy", "PodDisruptionBudget"):
            selector = manifest["spec"].get("podSelector") or manifest["spec"]["selector"]
            assert selector["matchLabels"]["app.kubernetes.io/part-of"] == "modelsat", manifest["metadata"]["name"]


@each_overlay
def test_what_serves_reaches_no_link_local_address_where_clouds_hand_out_credentials(overlay: str) -> None:
    for name in ("gateway", "endpoint", "mlflow"):
        policy = find(overlay, "NetworkPolicy", f"{name}-egress")["spec"]
        reached = [to["ipBlock"] for rule in policy["egress"] for to in rule.get("to", []) if "ipBlock" in to]

        assert policy["policyTypes"] == ["Egress"]
        for block in reached:
            network = ipaddress.ip_network(block["cidr"])
            assert all(ipaddress.ip_network(one).subnet_of(network) for one in block["except"])
            denied = [ipaddress.ip_network(one) for one in block["except"]]
            metadata = ipaddress.ip_address("169.254.169.254" if network.version == 4 else "fd00:ec2::254")
            assert any(metadata in one for one in denied)
    training = find(overlay, "NetworkPolicy", "training")["spec"]["egress"]
    assert [list(rule["to"][0]) for rule in training if "to" in rule] == [["podSelector"]]


@pytest.mark.parametrize("overlay", ["staging", "production", "profile"])
def test_of_what_serves_one_pod_at_a_time_may_be_evicted(overlay: str) -> None:
    budgets = {one["metadata"]["name"]: one["spec"] for one in render(overlay) if one["kind"] == "PodDisruptionBudget"}

    assert {name: budget["maxUnavailable"] for name, budget in budgets.items()} == dict.fromkeys(
        ("gateway", "endpoint", "mlflow"), 1
    )


@pytest.mark.parametrize("overlay", ["staging", "production", "profile"])
def test_logs_of_the_upload_stay_and_another_image_can_be_applied(overlay: str) -> None:
    """A Job's template cannot be changed; of a CronJob it can, and its last Jobs stay with their logs."""
    upload = find(overlay, "CronJob", "upload-pipelines")["spec"]

    assert "Job" not in {one["kind"] for one in render(overlay)}
    assert upload["successfulJobsHistoryLimit"] >= 1
    assert upload["failedJobsHistoryLimit"] >= 1
    assert "ttlSecondsAfterFinished" not in upload["jobTemplate"]["spec"]
    assert upload["concurrencyPolicy"] == "Forbid"


def test_images_named_by_digest_reach_every_container_and_every_runtime() -> None:
    digest = "sha256:" + hashlib.sha256(b"an image of a test").hexdigest()
    kinds = ("pipeline", "serving", "training")
    images = [
        {"name": f"modelsat/{kind}-python", "newName": f"registry.example/{kind}", "digest": digest} for kind in kinds
    ]

    manifests = rendered_on("production", OPTIONAL, images=images)

    used = {container["image"] for one in manifests for _, container, _ in containers(one)}
    assert used == {f"registry.example/{kind}@{digest}" for kind in kinds}


def test_overlay_of_the_page_gives_the_steps_of_runs_its_images() -> None:
    page = (INFRA.parent / "docs" / "images.md").read_text(encoding="utf-8")
    named, copied = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))

    manifests = rendered_on("staging", **named, **copied)

    (upload,) = [one for one in manifests if one["metadata"]["name"] == "upload-pipelines"]
    (container,) = [container for _, container, _ in containers(upload)]
    assert {one["name"]: one["value"] for one in container["env"] if one["name"].endswith("_IMAGE")} == {
        "MODELSAT_PIPELINE_IMAGE": "registry.example.com/modelsat/pipeline@sha256:...",
        "MODELSAT_TRAINING_IMAGE": "registry.example.com/modelsat/training@sha256:...",
    }


def test_no_digest_of_an_image_stands_in_the_repository() -> None:
    """A digest is of an image that somebody built and pushed; one that is made up pulls nothing."""
    for path in sorted(Path(INFRA).rglob("*.yaml")):
        assert not re.search(r"sha256:[0-9a-f]{64}", path.read_text(encoding="utf-8")), path


def test_documentation_says_how_to_back_up_all_that_is_kept() -> None:
    """Each claim, each store of the settings and each database of an overlay stands in the table."""
    page = (INFRA.parent / "docs" / "upgrade.md").read_text(encoding="utf-8")
    table = page.partition("## Back up and restore")[2].partition("\n## ")[0]
    kept = {
        f"`{key}`" for key, value in find("staging", "ConfigMap", "modelsat-settings")["data"].items() if "s3:" in value
    }
    for manifest in rendered_on("staging", OPTIONAL):
        kept |= (
            {f"`{manifest['metadata']['name']}`"}
            if manifest["kind"] in ("PersistentVolumeClaim", "StatefulSet")
            else set()
        )
        for _, container, _ in containers(manifest):
            kept |= {f"`{word}`" for word in container.get("args", ()) if word.startswith("s3:")}
    kept |= {f"`{name}`" for kind, name, _, _ in references(list(rendered_on("staging", OPTIONAL))) if kind == "Secret"}

    assert not [one for one in sorted(kept) if one not in table]
