"""The Helm chart: what Helm itself makes of it is what kustomize makes of the overlays, object by object."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendered import INFRA, Manifest, render, rendered_on

from pipelines.on_cluster import parameters
from pipelines.retrain import retrain

CHART = INFRA / "chart"
FOLDERS = {
    "feedback": "components/feedback",
    "gatewayApi": "components/gateway-api",
    "monitoring": "monitoring",
    "webhooks": "components/webhooks",
}
Key = tuple[str, str, str]


def helm(verb: str, **options: Any) -> Any:
    """Return what Helm answers.

    Raises:
        RuntimeError: It refuses, with its words.
    """
    pytest.importorskip("helm_python", reason="helm-python-sdk, which carries Helm, has no wheel for this platform")
    command = [sys.executable, str(Path(__file__).parent / "helm.py"), verb, str(CHART), json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def objects(values: dict[str, Any], namespace: str = "modelsat") -> dict[Key, Manifest]:
    texts = helm("template", values=values, namespace=namespace)
    return by_key([one for name, text in texts.items() if name.endswith(".yaml") for one in yaml.safe_load_all(text)])


def by_key(manifests: Sequence[Manifest | None]) -> dict[Key, Manifest]:
    present = [one for one in manifests if one is not None]
    found = {(one["kind"], one["metadata"]["name"], one["metadata"].get("namespace", "")): one for one in present}
    assert len(found) == len(present)
    return found


def test_templates_are_what_the_overlays_make_of_them() -> None:
    """Run `python infra/chart/write.py` after a change of the overlays."""
    render("local")  # skips where there is no kubectl
    script = "import json, write; print(json.dumps([write.written(), write.schema()]))"
    done = subprocess.run([sys.executable, "-c", script], cwd=CHART, capture_output=True, text=True, check=True)

    committed = {path.name: path.read_text(encoding="utf-8") for path in (CHART / "templates").glob("*.yaml")}
    schema = (CHART / "values.schema.json").read_text(encoding="utf-8")
    assert json.loads(done.stdout) == [committed, schema]


@pytest.mark.parametrize("overlay", ["local", "staging", "production"])
def test_chart_sends_what_the_overlay_sends(overlay: str) -> None:
    assert objects({"overlay": overlay, "namespace": {"create": True}}) == by_key(render(overlay))


def test_chart_with_all_components_sends_what_the_overlay_with_all_sends() -> None:
    values = {"overlay": "production", "namespace": {"create": True}, "components": dict.fromkeys(FOLDERS, True)}

    assert objects(values) == by_key(rendered_on("production", list(FOLDERS.values()), namespace="modelsat"))


def test_release_in_another_namespace_reaches_every_object_and_leaves_the_namespace_alone() -> None:
    """A Kubeflow profile's namespace: the overlay `profile`, without the Namespace object."""
    assert objects({"overlay": "staging"}, namespace="my-profile") == by_key(render("profile"))


def test_images_reach_what_the_overlay_s_images_reach_and_the_steps_of_runs() -> None:
    names = ("pipeline", "serving", "training")
    new = {name: f"registry.example.com/modelsat/{name}@sha256:{'0' * 64}" for name in names}
    sent = objects({"overlay": "production", "namespace": {"create": True}, "images": new})
    images = [
        {
            "name": f"modelsat/{name}-python",
            "newName": f"registry.example.com/modelsat/{name}",
            "digest": f"sha256:{'0' * 64}",
        }
        for name in names
    ]

    upload = sent["CronJob", "upload-pipelines", "modelsat"]
    (container,) = upload["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    runs = [one for one in container["env"] if one["name"].endswith("_IMAGE")]
    assert runs == [
        {"name": "MODELSAT_PIPELINE_IMAGE", "value": new["pipeline"]},
        {"name": "MODELSAT_TRAINING_IMAGE", "value": new["training"]},
    ]
    container["env"] = [one for one in container["env"] if one not in runs]
    assert sent == by_key(rendered_on("production", images=images))


def test_settings_go_over_those_of_the_overlay_and_leave_the_others() -> None:
    values = {
        "overlay": "production",
        "settings": {"champions": "s3://mine/champions"},
        "runDefaults": {"train_recipe": "paper", "train_ranks": 8},
        "upstreams": {"upstreams": [{"candidate": "mine", "base_url": "http://llm.mine.svc/v1"}]},
    }

    sent = objects(values)

    settings = sent["ConfigMap", "modelsat-settings", "modelsat"]["data"]
    assert settings["champions"] == "s3://mine/champions"
    assert settings["bundles"] == "s3://modelsat/bundles"
    defaults = json.loads(sent["ConfigMap", "modelsat-run-defaults", "modelsat"]["data"]["run-defaults.json"])
    assert (defaults["train_recipe"], defaults["train_ranks"], defaults["train_nodes"]) == ("paper", 8, 1)
    upstreams = yaml.safe_load(sent["ConfigMap", "modelsat-upstreams", "modelsat"]["data"]["upstreams.yaml"])
    assert upstreams == values["upstreams"]


@pytest.mark.parametrize("overlay", ["local", "staging", "production"])
def test_helm_s_own_lint_finds_nothing_but_that_the_chart_has_no_icon(overlay: str) -> None:
    values = {"overlay": overlay, "components": dict.fromkeys(FOLDERS, True)}

    report = helm("lint", values=values)

    assert report["errors"] == []
    assert [one["error"] for one in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"overlay": "profile"}, "overlay"),
        ({"setings": {}}, "setings"),
        ({"settings": {"champion": "s3://x"}}, "champion"),
        ({"images": {"serving": ""}}, "serving"),
    ],
)
def test_values_that_mean_nothing_are_refused_by_name(values: dict[str, Any], word: str) -> None:
    with pytest.raises(RuntimeError, match=word):
        helm("template", values=values, namespace="modelsat")


def test_a_misspelt_default_of_runs_is_refused_with_the_parameters_that_the_form_has() -> None:
    with pytest.raises(RuntimeError, match="'train_recip'") as refused:
        helm("template", values={"runDefaults": {"train_recip": "paper"}}, namespace="modelsat")

    form = parameters(retrain)
    assert "train_recipe" in form
    assert [name for name in form if f"'{name}'" not in str(refused.value)] == []


@pytest.mark.parametrize(
    ("defaults", "word"), [({"train_ranks": "8"}, "train_ranks"), ({"gate_margin": 1.5}, "gate_margin")]
)
def test_a_default_of_runs_that_the_pipeline_would_refuse_is_refused_at_install(
    defaults: dict[str, Any], word: str
) -> None:
    with pytest.raises(RuntimeError, match=word):
        helm("template", values={"runDefaults": defaults}, namespace="modelsat")


def test_chart_has_the_version_and_the_images_of_the_project() -> None:
    version = json.loads(
        subprocess.run(
            [sys.executable, "-c", "import json, write; print(json.dumps(write.version()))"],
            cwd=CHART,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    images = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["images"]

    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert {images[name] for name in ("pipeline", "serving", "training")} == {
        f"modelsat/{name}-python:{version}" for name in ("pipeline", "serving", "training")
    }
