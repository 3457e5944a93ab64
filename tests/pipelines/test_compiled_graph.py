"""The compiled retrain pipeline: what is in git is what the code says, and what a cluster will be asked for."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp import components as kfp_components
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from components import images
from modelsat.io.key_variables import SETTING
from pipelines import local

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "pipelines" / "compiled" / "retrain.yaml"
GRAPH, PLATFORM = list(yaml.safe_load_all(GOLDEN.read_text(encoding="utf-8")))
GROUPS = ("for-loop-1", "condition-2")
TASKS: dict[str, Any] = dict(GRAPH["root"]["dag"]["tasks"])
for group in GROUPS:
    TASKS |= GRAPH["components"][f"comp-{group}"]["dag"]["tasks"]
STEPS = {name: task for name, task in TASKS.items() if name not in GROUPS}
EXECUTORS: dict[str, Any] = GRAPH["deploymentSpec"]["executors"]
ON_CLUSTER: dict[str, Any] = PLATFORM["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
OUTSIDE = {
    *("check-prerequisites", "read-sources", "collect-scores", "validate-scores", "finetune-router", "evaluate-router"),
    *("register-router", "promote-router"),
}
HALTS = {"halt", "halt-2"}


def compile_elsewhere(path: Path, **environment: str) -> str:
    """Compile in a process of its own and return the text."""
    command = [sys.executable, "-m", "modelsat.cli", "compile", "--into", str(path)]
    subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)
    return path.read_text(encoding="utf-8")


def source_of(executor: str) -> str:
    """Return the Python source that the command of a step carries."""
    text: str = EXECUTORS[executor]["container"]["command"][-1]
    return text


def test_compiled_pipeline_is_the_one_in_git(tmp_path: Path) -> None:
    local.compile_to(tmp_path / "retrain.yaml")

    assert (tmp_path / "retrain.yaml").read_bytes() == GOLDEN.read_bytes(), "run `make compile` and commit the YAML"


def test_compiling_gives_the_same_bytes_whatever_the_process(tmp_path: Path) -> None:
    assert compile_elsewhere(tmp_path / "again.yaml", PYTHONHASHSEED="7") == GOLDEN.read_text(encoding="utf-8")


def test_images_may_be_named_by_the_environment_of_whoever_compiles(tmp_path: Path) -> None:
    pipeline, training = "registry.example/pipeline@sha256:0", "registry.example/training@sha256:1"

    text = compile_elsewhere(
        tmp_path / "other.yaml", MODELSAT_PIPELINE_IMAGE=pipeline, MODELSAT_TRAINING_IMAGE=training
    )

    named = text.replace(pipeline, "modelsat/pipeline-python:0.2.0").replace(training, "modelsat/training-python:0.2.0")
    assert named == GOLDEN.read_text(encoding="utf-8")
    assert text.count(pipeline) + text.count(training) == len(EXECUTORS)


def test_parser_of_kfp_takes_the_graph_and_knows_every_field() -> None:
    spec = json_format.ParseDict(GRAPH, pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)
    platform = json_format.ParseDict(PLATFORM, pipeline_spec_pb2.PlatformSpec(), ignore_unknown_fields=False)

    assert spec.pipeline_info.name == "retrain"
    assert set(platform.platforms) == {"kubernetes"}


@pytest.mark.parametrize("executor", ON_CLUSTER)
def test_parser_of_kubernetes_settings_knows_every_field(executor: str) -> None:
    json_format.ParseDict(
        ON_CLUSTER[executor], kubernetes_executor_config_pb2.KubernetesExecutorConfig(), ignore_unknown_fields=False
    )


def test_file_can_be_loaded_as_kubeflow_loads_it() -> None:
    loaded = kfp_components.load_component_from_file(str(GOLDEN))

    assert loaded.name == "retrain"
    assert set(loaded.component_spec.inputs) == set(GRAPH["root"]["inputDefinitions"]["parameters"])


def test_steps_have_names_in_plain_words() -> None:
    assert {name: task["taskInfo"]["name"] for name, task in STEPS.items()} == {
        "check-prerequisites": "Check prerequisites",
        "halt": "Halt if something is missing",
        "share-sources": "Share out sources",
        "read-sources": "Read benchmark results",
        "collect-scores": "Collect benchmark scores",
        "validate-scores": "Validate scores",
        "halt-2": "Halt if invalid",
        "build-instructions": "Build capability instructions",
        "finetune-router": "Fine-tune router",
        "evaluate-router": "Evaluate router",
        "register-router": "Register router",
        "promote-router": "Promote router",
    }


def test_nothing_costly_starts_before_the_checks() -> None:
    def before(name: str) -> set[str]:
        direct = set(TASKS[name].get("dependentTasks", ()))
        return direct | {further for task in direct for further in before(task)}

    assert before("share-sources") == {"check-prerequisites", "halt"}
    assert before("collect-scores") == {"check-prerequisites", "halt", "share-sources", "for-loop-1"}
    assert before("finetune-router") >= {"validate-scores", "halt-2", "build-instructions"}
    assert before("condition-2") >= {"evaluate-router", "register-router"}


def test_judges_hand_their_verdict_to_a_halt_of_its_own() -> None:
    for halt, judge, holds in (("halt", "check-prerequisites", "ready"), ("halt-2", "validate-scores", "valid")):
        inputs = TASKS[halt]["inputs"]["parameters"]
        for name, key in (("holds", holds), ("sentence", "sentence")):
            assert inputs[name]["taskOutputParameter"] == {"outputParameterKey": key, "producerTask": judge}
    codes = [TASKS[halt]["inputs"]["parameters"]["exit_code"]["runtimeValue"]["constant"] for halt in sorted(HALTS)]
    assert codes == [2, 3]


def test_sources_are_read_by_as_many_tasks_as_there_are_shares_and_merged_by_one() -> None:
    loop, one = TASKS["for-loop-1"], TASKS["collect-scores"]

    assert loop["parameterIterator"]["items"] == {"inputParameter": "pipelinechannel--share-sources-Output"}
    assert "iteratorPolicy" not in loop
    assert one["inputs"]["artifacts"]["harvests"]["taskOutputArtifact"]["producerTask"] == "for-loop-1"


def test_only_a_new_champion_is_promoted() -> None:
    condition = TASKS["condition-2"]["triggerPolicy"]["condition"]

    assert condition == "inputs.parameter_values['pipelinechannel--evaluate-router-Output'] == true"
    assert set(GRAPH["components"]["comp-condition-2"]["dag"]["tasks"]) == {"promote-router"}


@pytest.mark.parametrize("name", sorted(OUTSIDE | HALTS))
def test_step_that_looks_outside_is_never_taken_from_the_cache(name: str) -> None:
    assert not STEPS[name]["cachingOptions"].get("enableCache", False)


def test_step_that_depends_on_its_inputs_alone_may_come_from_the_cache() -> None:
    cached = {name for name, task in STEPS.items() if task["cachingOptions"].get("enableCache")}

    assert cached == STEPS.keys() - OUTSIDE - HALTS == {"share-sources", "build-instructions"}


@pytest.mark.parametrize("name", sorted(OUTSIDE))
def test_step_that_looks_outside_is_tried_again(name: str) -> None:
    policy = STEPS[name]["retryPolicy"]

    assert policy["maxRetryCount"] == (3 if name == "finetune-router" else 2)
    assert policy["backoffDuration"] == ("60s" if name == "finetune-router" else "30s")
    assert policy["backoffFactor"] == 2.0


@pytest.mark.parametrize("name", sorted(HALTS))
def test_halt_is_not_tried_again(name: str) -> None:
    assert "retryPolicy" not in STEPS[name]


@pytest.mark.parametrize("name", sorted(STEPS.keys() - HALTS))
def test_step_asks_for_processors_and_memory(name: str) -> None:
    resources = EXECUTORS[f"exec-{name}"]["container"]["resources"]

    asked = {"resourceCpuRequest", "resourceCpuLimit", "resourceMemoryRequest", "resourceMemoryLimit"}
    assert asked <= resources.keys()
    assert resources["memoryRequest"] <= resources["memoryLimit"]
    assert resources["cpuRequest"] <= resources["cpuLimit"]


def test_gpus_nodes_and_tolerations_of_the_fine_tuning_are_parameters_of_the_run() -> None:
    resources = EXECUTORS["exec-finetune-router"]["container"]["resources"]
    on_cluster = ON_CLUSTER["exec-finetune-router"]

    assert resources["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert "train_gpu_limit" in resources["accelerator"]["resourceCount"]
    assert on_cluster["nodeSelector"] == {"nodeSelectorJson": {"componentInputParameter": "train_node_selector"}}
    assert on_cluster["tolerations"] == [{"tolerationJson": {"componentInputParameter": "train_tolerations"}}]


def test_only_the_fine_tuning_asks_for_gpus() -> None:
    with_gpu = {name for name, executor in EXECUTORS.items() if "accelerator" in str(executor["container"])}

    assert with_gpu == {"exec-finetune-router"}


@pytest.mark.parametrize("name", sorted(OUTSIDE))
def test_credentials_come_from_secrets_that_may_be_absent(name: str) -> None:
    secrets = [one for one in ON_CLUSTER[f"exec-{name}"]["secretAsEnv"] if one["secretName"] != "modelsat-tokens"]

    assert {secret["secretName"]: secret["optional"] for secret in secrets} == {
        "modelsat-s3": True,
        "modelsat-mlflow": True,
        "modelsat-signing": True,
        "modelsat-upstream-keys": True,
    }
    assert [key["envVar"] for secret in secrets for key in secret["keyToEnv"]] == [
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"),
        *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MODELSAT_SIGNING_KEY"),
        *("MODELSAT_SIGNING_PRIVATE_KEY", "MODELSAT_SIGNING_PUBLIC_KEYS", SETTING),
    ]


def test_only_the_promotion_may_ask_the_endpoint() -> None:
    with_token = {name for name, executor in ON_CLUSTER.items() if "modelsat-tokens" in str(executor)}

    assert with_token == {"exec-promote-router"}


def test_what_is_kept_between_runs_lies_on_a_volume_that_the_check_has_seen() -> None:
    mounted = {name: executor["pvcMount"] for name, executor in ON_CLUSTER.items() if "pvcMount" in executor}

    assert set(mounted) == {
        *("exec-check-prerequisites", "exec-read-sources", "exec-collect-scores", "exec-finetune-router")
    }
    assert {(one["constant"], one["mountPath"]) for (one,) in mounted.values()} == {("modelsat-work", "/mnt/modelsat")}


def test_no_secret_is_a_parameter() -> None:
    names = set(GRAPH["root"]["inputDefinitions"]["parameters"])
    for component in GRAPH["components"].values():
        names |= set(component.get("inputDefinitions", {}).get("parameters", {}))

    assert [name for name in names if re.search(r"secret|password|token|credential|access_key", name)] == []


@pytest.mark.parametrize("executor", EXECUTORS)
def test_image_is_one_of_the_two(executor: str) -> None:
    expected = images.TRAINING if executor in ("exec-finetune-router", "exec-evaluate-router") else images.PIPELINE

    assert EXECUTORS[executor]["container"]["image"] == expected


@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_step_installs_anything(executor: str) -> None:
    assert "pip install" not in str(EXECUTORS[executor]["container"])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_body_of_a_component_imports_the_library_and_nothing_heavy(executor: str) -> None:
    (function,) = [node for node in ast.parse(source_of(executor)).body if isinstance(node, ast.FunctionDef)]
    modules = {
        name
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }

    assert {module.split(".")[0] for module in modules} <= {"modelsat", "pathlib", "sys"}
    assert len(function.body) - 1 - len([node for node in function.body if isinstance(node, ast.ImportFrom)]) <= 10


@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_path_of_a_machine_is_in_a_step(executor: str) -> None:
    text = str(EXECUTORS[executor])

    assert str(ROOT) not in text
    assert "site-packages" not in text


@pytest.mark.parametrize(
    "component", [name for name in GRAPH["components"] if "executorLabel" in str(GRAPH["components"][name])]
)
def test_inputs_of_a_component_are_described(component: str) -> None:
    inputs = GRAPH["components"][component].get("inputDefinitions", {})
    described = [*inputs.get("parameters", {}).items(), *inputs.get("artifacts", {}).items()]

    assert [name for name, facts in described if not facts.get("description", "").strip().endswith(".")] == []
