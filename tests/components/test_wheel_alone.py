"""Components run from their compiled commands in an empty folder and environment, with nothing but the built wheel."""

import inspect
import json
import re
import socket
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.check_prerequisites import check_prerequisites
from modelsat.aptitude.instructions import Instructions
from modelsat.data.collection import Collection
from modelsat.settings import RetrainSettings

ROOT = Path(__file__).parents[2]
GRAPH = ROOT / "pipelines" / "compiled" / "retrain.yaml"
PATH_SAYS = "import json, sys, modelsat; print(json.dumps([modelsat.__file__, *sys.path]))"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Installed:
    """The unpacked wheel, and the environment in which it is all that is known of this project."""

    wheel: Path
    environment: dict[str, str]

    def run(self, command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
        """Run a command in a folder."""
        return subprocess.run(command, cwd=folder, env=self.environment, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel and unpack it beside links to the packages that it depends on.

    The checkout is installed as an editable package, whose path file would let it in: a folder of links to all other
    packages leaves that out, and the interpreter of the environment's base knows nothing of it.
    """
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    built = subprocess.run(build, capture_output=True, text=True, cwd=folder)
    if "No matching distribution found for hatchling" in built.stderr:
        pytest.skip("no package index serves the build backend hatchling here")
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("modelsat-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "wheel")
    (folder / "packages").mkdir()
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if "modelsat" not in package.name and package.suffix != ".pth":
            (folder / "packages" / package.name).symlink_to(package)
    (folder / "bin").mkdir()
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "bin" / "python3").symlink_to(base)
    environment = {
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": f"{folder / 'wheel'}:{folder / 'packages'}",
    }
    return Installed(folder / "wheel", environment)


@dataclass(frozen=True)
class Ran:
    """What a component said and where its outputs lie."""

    process: "subprocess.CompletedProcess[str]"
    folder: Path

    def scalar(self, name: str) -> Any:
        """Return one output parameter."""
        told = json.loads((self.folder / "executor_output.json").read_text(encoding="utf-8"))
        return told["parameterValues"][name]


def run(
    installed: Installed, name: str, folder: Path, parameters: dict[str, Any], artifacts: dict[str, Path] | None = None
) -> Ran:
    """Run the compiled command of a component in an empty folder, as the platform would."""
    graph = next(yaml.safe_load_all(GRAPH.read_text(encoding="utf-8")))
    container = graph["deploymentSpec"]["executors"][f"exec-{name}"]["container"]
    outputs = graph["components"][f"comp-{name}"].get("outputDefinitions", {})

    def placed(kind: str, path: Path) -> dict[str, Any]:
        return {"artifacts": [{"name": path.name, "type": {"schemaTitle": kind}, "uri": str(path)}]}

    executor_input = {
        "inputs": {
            "parameterValues": parameters,
            "artifacts": {key: placed("system.Dataset", path) for key, path in (artifacts or {}).items()},
        },
        "outputs": {
            "parameters": {key: {"outputFile": str(folder / "out" / key)} for key in outputs.get("parameters", {})},
            "artifacts": {
                key: placed(facts["artifactType"]["schemaTitle"], folder / "out" / key)
                for key, facts in outputs.get("artifacts", {}).items()
            },
            "outputFile": str(folder / "out" / "executor_output.json"),
        },
    }
    (folder / "empty").mkdir(parents=True)
    arguments = [json.dumps(executor_input) if word == "{{$}}" else word for word in container["args"]]
    done = installed.run([*container["command"], *arguments], folder / "empty")
    assert list((folder / "empty").iterdir()) == []
    return Ran(done, folder / "out")


@pytest.fixture(scope="module")
def data_steps(installed: Installed, small_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Collect, validate and build instructions, each on what the one before has written."""
    folder = tmp_path_factory.mktemp("steps")
    collected = run(installed, "collect-scores", folder / "collect", {"sources": [str(small_sample)]})
    scores = {"scores": collected.folder / "scores"}
    limits = {"champion_store": str(folder / "champions"), "max_rejected_share": 0.0, "max_drift": 0.1}
    sizes = {"tasks": 16, "questions": 160}
    return {
        "collect-scores": collected,
        "validate-scores": run(installed, "validate-scores", folder / "validate", limits, scores),
        "build-instructions": run(installed, "build-instructions", folder / "build", sizes, scores),
    }


def test_interpreter_knows_the_wheel_and_nothing_of_the_checkout(installed: Installed, tmp_path: Path) -> None:
    said = installed.run(["python3", "-c", PATH_SAYS], tmp_path)

    module, *path = json.loads(said.stdout)
    assert Path(module).is_relative_to(installed.wheel)
    assert [entry for entry in path if Path(entry).is_relative_to(ROOT)] == []


@pytest.mark.parametrize("name", ["collect-scores", "validate-scores", "build-instructions"])
def test_data_component_runs_from_its_compiled_command(data_steps: dict[str, Ran], name: str) -> None:
    ran = data_steps[name]

    assert ran.process.returncode == 0, ran.process.stdout + ran.process.stderr
    assert str(ROOT) not in ran.process.stdout + ran.process.stderr
    leaks = [p for p in ran.folder.rglob("*") if p.is_file() and str(ROOT).encode() in p.read_bytes()]
    assert leaks == []


def test_data_components_leave_what_the_next_step_reads(data_steps: dict[str, Ran]) -> None:
    collected, validated, built = data_steps.values()

    assert Collection.read(collected.folder / "scores").counts()["scores"] == 3760
    assert collected.scalar("Output").startswith("3,760 scores of 12 candidates")
    assert validated.scalar("valid") is True
    assert Instructions.read(built.folder / "instructions").counts()["candidates"] == 12
    assert "<html" in (collected.folder / "report").read_text(encoding="utf-8")


def test_prerequisites_are_checked_from_the_compiled_command(installed: Installed, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    stores = {f"{name}_store": str(tmp_path / name) for name in ("champion", "bundle")}
    places = {"sources": [str(tmp_path)], "mlflow_tracking_uri": nobody, "work_root": str(tmp_path / "work")}
    wanted = inspect.signature(check_prerequisites.python_func).parameters
    defaults = {name: field.default for name, field in RetrainSettings.model_fields.items() if name in wanted}
    parameters = defaults | places | {"train_ranks": 0}

    ran = run(installed, "check-prerequisites", tmp_path / "run", parameters | stores)

    assert ran.process.returncode == 0, ran.process.stdout + ran.process.stderr
    assert ran.scalar("ready") is False
    assert "does not answer" in ran.scalar("sentence")
    assert "train_ranks is 0" in ran.scalar("sentence")
    assert "gate_confidence" not in ran.scalar("sentence")


def test_halt_ends_its_pod_with_the_exit_code(installed: Installed, tmp_path: Path) -> None:
    parameters = {"sentence": "scores.csv row 2: score 85.0; rescale it", "exit_code": 3}

    goes_on = run(installed, "halt", tmp_path / "on", parameters | {"holds": True})
    ends = run(installed, "halt", tmp_path / "off", parameters | {"holds": False})

    assert goes_on.process.returncode == 0
    assert ends.process.returncode == 3
    assert ends.process.stdout.splitlines()[-1] == "halted with 3: scores.csv row 2: score 85.0; rescale it"


def test_recipes_travel_in_the_wheel(installed: Installed, tmp_path: Path) -> None:
    said = installed.run(["python3", "-m", "training.recipe", "cpu"], tmp_path)

    assert json.loads(said.stdout)["settings"]["zero_stage"] == 1


def test_wheel_leaves_the_protocols_of_the_benchmarks_out(installed: Installed, tmp_path: Path) -> None:
    imports = "import modelsat.cli, modelsat.steps.finetune, modelsat.studies"

    said = installed.run(["python3", "-c", imports], tmp_path)

    assert not (installed.wheel / "modelsat" / "studies").exists()
    assert said.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'modelsat.studies'"


def test_wheel_holds_the_code_and_nothing_else(installed: Installed) -> None:
    files = [path for path in installed.wheel.rglob("*") if path.is_file() and "__pycache__" not in path.parts]

    tops = {path.relative_to(installed.wheel).parts[0] for path in files}
    assert {name for name in tops if not re.fullmatch(r"modelsat-[\d.]+\.dist-info", name)} == {
        *("modelsat", "components", "pipelines", "training", "serving"),
    }
    assert {path.suffix for path in files if ".dist-info" not in str(path)} == {
        ".py",
        ".yaml",
        ".html",
        ".css",
        ".typed",
    }
