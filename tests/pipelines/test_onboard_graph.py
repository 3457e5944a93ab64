"""The compiled onboard and watch pipelines: what is in git is what the code says, and what a cluster is asked for."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import docstring_parser
import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from modelsat.io.key_variables import SETTING
from pipelines.onboard import onboard
from pipelines.retrain import retrain
from pipelines.watch import watch

COMPILED = Path(__file__).parents[2] / "pipelines" / "compiled"
PIPELINES = {"onboard": onboard, "watch": watch}


def graph(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text(encoding="utf-8")))
    return found


def tasks(name: str) -> dict[str, Any]:
    """Return every task of a graph by name, those of its parts included."""
    told = graph(name)
    dags = [told["root"], *told["components"].values()]
    return {task: facts for dag in dags for task, facts in dag.get("dag", {}).get("tasks", {}).items()}


@pytest.mark.parametrize("name", PIPELINES)
def test_compiled_pipeline_is_the_one_in_git(name: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "modelsat.cli",
        "compile",
        "--pipeline",
        name,
        "--into",
        str(tmp_path / "made.yaml"),
    ]
    subprocess.run(command, check=True, capture_output=True)

    assert (tmp_path / "made.yaml").read_bytes() == (COMPILED / f"{name}.yaml").read_bytes(), "run `make compile`"


@pytest.mark.parametrize("name", PIPELINES)
def test_parser_of_kfp_takes_the_graph_and_knows_every_field(name: str) -> None:
    spec = json_format.ParseDict(graph(name), pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)

    assert spec.pipeline_info.name == name


@pytest.mark.parametrize("name", PIPELINES)
def test_every_parameter_has_its_sentence(name: str) -> None:
    function = PIPELINES[name].pipeline_func
    documented = docstring_parser.parse(inspect.getdoc(function) or "").params

    assert [param.arg_name for param in documented] == list(inspect.signature(function).parameters)
    assert all(str(param.description).endswith(".") for param in documented)


@pytest.mark.parametrize("name", PIPELINES)
def test_shared_parameters_have_the_defaults_of_the_retraining(name: str) -> None:
    mine = inspect.signature(PIPELINES[name].pipeline_func).parameters
    theirs = inspect.signature(retrain.pipeline_func).parameters

    shared = mine.keys() & theirs.keys()
    assert {"promote_champion_store", "register_bundle_store", "mlflow_tracking_uri"} <= shared
    assert all(mine[parameter].default == theirs[parameter].default for parameter in shared)


def test_nothing_is_changed_before_the_answers_are_judged() -> None:
    found = tasks("onboard")

    assert "halt" in found["admit-candidate"]["dependentTasks"]
    assert found["halt"]["inputs"]["parameters"]["exit_code"]["runtimeValue"]["constant"] == 3
    assert set(found["register-router"]["dependentTasks"]) >= {"admit-candidate", "shadow-router"}


def test_only_what_the_gate_lets_through_is_promoted() -> None:
    found = tasks("onboard")

    conditions = {facts["triggerPolicy"]["condition"] for name, facts in found.items() if name.startswith("condition")}
    assert conditions == {
        "inputs.parameter_values['pipelinechannel--place-order-Output'] == true",
        "inputs.parameter_values['pipelinechannel--shadow-router-Output'] == true",
    }


@pytest.mark.parametrize("name", PIPELINES)
def test_only_the_asking_step_sees_the_keys_of_candidates(name: str) -> None:
    _, cluster = yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text(encoding="utf-8"))
    executors = cluster["platforms"]["kubernetes"]["deploymentSpec"]["executors"]

    mounted = {step: facts["secretAsVolume"] for step, facts in executors.items() if "secretAsVolume" in facts}
    assert list(mounted) == ["exec-take-answers"]
    (secret,) = mounted["exec-take-answers"]
    assert (secret["secretName"], secret["mountPath"], secret["optional"]) == (
        *("modelsat-upstream-keys", "/etc/modelsat/keys"),
        True,
    )


@pytest.mark.parametrize("name", PIPELINES)
def test_every_step_that_reads_a_catalogue_knows_which_variables_it_may_name(name: str) -> None:
    _, cluster = yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text(encoding="utf-8"))
    executors = cluster["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    readers = {"exec-place-order", "exec-take-answers", "exec-admit-candidate", "exec-find-releases"} & set(executors)

    assert readers
    for step in readers:
        told = {
            (secret["secretName"], key["secretKey"], key["envVar"])
            for secret in executors[step]["secretAsEnv"]
            for key in secret["keyToEnv"]
        }
        assert ("modelsat-upstream-keys", SETTING, SETTING) in told


def test_step_that_looks_outside_is_never_taken_from_the_cache() -> None:
    cached = {name for name, facts in tasks("onboard").items() if facts.get("cachingOptions", {}).get("enableCache")}

    assert {name for name in cached if not name.startswith("condition")} == set()


def test_releases_are_onboarded_one_at_a_time_and_then_the_training_is_planned() -> None:
    found = tasks("watch")

    (loop,) = [facts for name, facts in graph("watch")["root"]["dag"]["tasks"].items() if name.startswith("for-loop")]
    assert loop["iteratorPolicy"]["parallelismLimit"] == 1
    assert found["plan-retraining"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert found["settle-release"]["dependentTasks"] == ["onboard"]
    assert found["settle-release-2"]["dependentTasks"] == ["retrain"]
