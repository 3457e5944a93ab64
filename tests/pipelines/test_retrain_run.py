"""The whole retrain pipeline on this machine, with a real MLflow server and a language model of two layers.

One story: MLflow dies between training and registration; the same command goes on without training again and
promotes; a third run keeps the champion. Beside it, runs that never get as far.
"""

import contextlib
import io
import itertools
import json
import random
import re
import shutil
import threading
import time
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import pytest
from kfp.local.orchestrator import task_executor

from modelsat.bundle import bundle, champions
from modelsat.data import sample
from modelsat.data.collection import Collection
from modelsat.errors import InputError, ModelsatError, ServiceError, ValidationFailed
from pipelines import local

RECIPE = """
entry_layer: 1
max_tokens: 32
connector_steps: 40
connector_batch: 64
epochs: 0.25
lora_rank: 2
threads: 1
"""
ANY_GAIN = {"gate_margin": 1.0, "gate_saving": 0.0}
NO_GAIN = {"gate_confidence": 0.999, "gate_margin": 0.0, "gate_saving": 1.0}
STEPS = [
    "Check prerequisites",
    "Share out sources",
    "Read benchmark results",
    "Collect benchmark scores",
    "Validate scores",
    "Build capability instructions",
    "Fine-tune router",
    "Evaluate router",
    "Register router",
    "Promote router",
]
_SEEDS = itertools.count()


@dataclass
class Ran:
    """What came of a run: its error or the folder of its outputs, what the terminal showed, when it slept."""

    folder: Path
    error: ModelsatError | None = None
    tasks: Path = Path()
    shown: str = ""
    slept: list[float] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        """Return the log file of the newest run."""
        logs = sorted((self.folder / "logs").glob("pipeline-*.log"), key=lambda path: path.stat().st_mtime_ns)
        return logs[-1].read_text(encoding="utf-8")

    def steps(self) -> dict[str, str]:
        """Return the state of each step that the terminal showed with its seconds."""
        found = re.findall(r"^(\w[\w -]+?) +(done|failed) +\d+\.\d s$", self.shown, re.MULTILINE)
        return dict(found)

    def leftovers(self) -> list[Path]:
        """Return hidden names, which is what half-written things have, and empty champion records."""
        hidden = [path for path in self.folder.rglob(".*") if "pipeline" not in path.parts]
        return hidden + [path for path in (self.folder / "champions").glob("*") if not path.stat().st_size]


@dataclass(frozen=True)
class Machine:
    """A folder as `modelsat run` keeps it, with what its runs are given."""

    folder: Path
    arguments: dict[str, Any]

    def run(self, **changes: Any) -> Ran:
        """Run the pipeline, not waiting between the tries of a step."""
        ran, shown = Ran(self.folder), io.StringIO()
        # Keys of local runs are drawn by `random`, which the test runner seeds alike for every test.
        random.seed(f"run {next(_SEEDS)}")
        clock = types.SimpleNamespace(sleep=ran.slept.append)
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(shown),
            warnings.catch_warnings(record=True) as warned,
        ):
            patch.setattr(task_executor, "time", clock)
            try:
                ran.tasks = local.run(self.folder, {**self.arguments, **changes})
            except ModelsatError as error:
                ran.error = error
        ran.shown, ran.warned = shown.getvalue(), [str(warning.message) for warning in warned]
        return ran


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic results on 400 prompts."""
    folder = tmp_path_factory.mktemp("scores") / "sample"
    sample.write(folder, prompts=400)
    return folder


def machine(folder: Path, sources: list[str], backbone: Path, tracking_uri: str) -> Machine:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(RECIPE)
    arguments = {
        "collect_sources": sources,
        "instruct_tasks": 16,
        "instruct_questions": 160,
        "train_recipe": str(folder / "recipe.yaml"),
        "train_backbone": str(backbone),
        "train_work_root": str(folder / "work"),
        "register_bundle_store": str(folder / "bundles"),
        "promote_champion_store": str(folder / "champions"),
        "register_experiment": folder.name,
        "register_model_name": folder.name,
        "mlflow_tracking_uri": tracking_uri,
    }
    return Machine(folder, arguments)


@pytest.fixture(scope="module")
def mine(scores: Path, tiny_backbone: Path, mlflow_door: Any, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The machine of the story."""
    return machine(tmp_path_factory.mktemp("story"), [str(scores)], tiny_backbone, mlflow_door.url)


@contextlib.contextmanager
def shut_once_trained(door: Any, folder: Path) -> Iterator[None]:
    """Shut the door to MLflow as soon as the fine-tuning step of a run has ended."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and not list(folder.glob("pipeline/*/*/finetune-router/executor_output.json")):
            time.sleep(0.05)
        door.shut()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@pytest.fixture(scope="module")
def died(mine: Machine, mlflow_door: Any) -> Ran:
    """The run during which MLflow dies, after training and before registration."""
    mlflow_door.open()
    with shut_once_trained(mlflow_door, mine.folder):
        return mine.run(**ANY_GAIN)


@dataclass(frozen=True)
class Went:
    """A run that ended well, with what was on the disk before it."""

    ran: Ran
    trained_before: dict[Path, int]
    trained_after: dict[Path, int]
    records: list[str]


def go_on(mine: Machine, mlflow_door: Any, **changes: Any) -> Went:
    mlflow_door.open()
    before = trainings(mine.folder)
    ran = mine.run(**changes)
    return Went(
        ran, before, trainings(mine.folder), sorted(path.name for path in (mine.folder / "champions").iterdir())
    )


def trainings(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("work/*/network.safetensors")}


@pytest.fixture(scope="module")
def promoted(died: Ran, mine: Machine, mlflow_door: Any) -> Went:
    """The second run, with MLflow up again."""
    return go_on(mine, mlflow_door, **ANY_GAIN)


@pytest.fixture(scope="module")
def kept(promoted: Went, mine: Machine, mlflow_door: Any) -> Went:
    """The third run: its challenger equals the champion, so that it cannot be surely better."""
    return go_on(mine, mlflow_door, **NO_GAIN)


@pytest.fixture(scope="module")
def client(mlflow_door: Any, mine: Machine) -> Any:
    mlflow_door.open()
    return mlflow.MlflowClient(mlflow_door.url, mlflow_door.url)


@pytest.mark.slow
def test_mlflow_that_dies_before_registration_is_named_with_what_to_do(died: Ran, mlflow_door: Any) -> None:
    assert isinstance(died.error, ServiceError), died.error
    assert str(died.error) == (
        f"MLflow at {mlflow_door.url} does not answer (ConnectionError); "
        "start it or correct its address (MLFLOW_TRACKING_URI)"
    )


@pytest.mark.slow
def test_steps_before_the_failure_are_done_and_their_pages_kept(died: Ran) -> None:
    assert died.steps() == {**dict.fromkeys(STEPS[:8], "done"), "Register router": "failed"}
    assert sorted(path.name for path in (died.folder / "pages").iterdir()) == [
        *("collected.html", "evaluated.html", "trained.html", "validated.html"),
    ]


@pytest.mark.slow
def test_failed_run_leaves_no_champion_and_nothing_half_written(died: Ran) -> None:
    assert died.leftovers() == []
    for folder in (died.folder / "bundles").glob("*"):
        assert bundle.verify(folder) == folder.name


@pytest.mark.slow
def test_run_after_a_failure_uses_the_training_that_is_there(promoted: Went) -> None:
    assert promoted.ran.error is None
    assert len(promoted.trained_before) == 1
    assert promoted.trained_after == promoted.trained_before
    assert "stage 1 step" not in promoted.ran.log


@pytest.mark.slow
def test_every_step_has_a_line_with_name_state_and_seconds(promoted: Went) -> None:
    assert list(promoted.ran.steps()) == STEPS
    assert set(promoted.ran.steps().values()) == {"done"}


@pytest.mark.slow
def test_promotion_leaves_a_record_of_a_bundle_that_loads(promoted: Went, mine: Machine) -> None:
    champion = champions._read(str(mine.folder / "champions"), promoted.records[0])

    assert promoted.records == ["000001.json"]
    assert (champion.epoch, champion.verdict, champion.model) == (1, "promoted", f"{mine.folder.name}/1")
    loaded = bundle.read(Path(champion.bundle_uri))
    assert loaded.digest == champion.bundle_digest
    assert loaded.success_probability(["What is 17 * 23?"]).shape == (
        1,
        11,
    )  # one of the sample was not run on enough to be judged


@pytest.mark.slow
def test_result_of_the_evaluation_is_left_for_the_terminal(promoted: Went) -> None:
    result = json.loads(local.output(promoted.ran.tasks, "evaluate-router", "result").read_text(encoding="utf-8"))

    names = [line["name"] for line in result["lines"]]
    references = ["best single", "best per category (true label)", "random", "oracle"]
    assert names[-4:] == references
    # The best end has a row where the bundle has a promise, which takes more validation prompts than may be here.
    others = set(names[:-4]) - {"modelsat router, auto:best"}
    members = {"Model-SAT", "fusion", *(row["name"] for row in result["members"] if row["weight"] > 0)} - {"levels"}
    stack = "stack of kNN and task classifier"
    assert others == {"modelsat router", stack, *(f"{one} alone" for one in members)}
    assert sum(row["weight"] for row in result["members"]) == pytest.approx(1)
    assert result["verdict"]["outcome"] == "promoted"
    assert result["prompts"] >= 50


@pytest.mark.slow
def test_run_of_mlflow_holds_parameters_live_metrics_data_and_verdict(
    promoted: Went, mine: Machine, client: Any
) -> None:
    experiment = client.get_experiment_by_name(mine.folder.name)
    record = json.loads((mine.folder / "champions" / "000001.json").read_text())
    (run,) = client.search_runs([experiment.experiment_id], f"tags.`modelsat.run_key` = '{record['run_id']}'")
    champion = champions._read(str(mine.folder / "champions"), "000001.json")

    assert run.info.status == "FINISHED"
    assert run.data.params["zero_stage"] == "1"
    assert run.data.params["connector_steps"] == "40"
    assert run.data.tags["verdict"] == "promoted"
    assert {"final_loss", "model_sat_weight", "routing_accuracy", "success_auc"} <= run.data.metrics.keys()
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.digest == bundle.read(Path(champion.bundle_uri), with_router=False).lineage["data_digest"]


@pytest.mark.slow
def test_training_was_seen_live_in_the_run_that_trained(died: Ran, mine: Machine, client: Any) -> None:
    experiment = client.get_experiment_by_name(mine.folder.name)
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])

    history = client.get_metric_history(runs[0].info.run_id, "train_loss")
    assert history
    assert [point.step for point in history] == sorted(point.step for point in history)


@pytest.mark.slow
def test_challenger_that_is_not_better_leaves_the_champion(kept: Went, mine: Machine) -> None:
    assert kept.ran.error is None
    assert kept.records == ["000001.json"]
    result = json.loads(local.output(kept.ran.tasks, "evaluate-router", "result").read_text(encoding="utf-8"))
    assert result["verdict"]["outcome"] == "kept"
    assert "against the champion of epoch 1" in result["verdict"]["sentence"]


@pytest.mark.slow
def test_nobody_is_promoted_where_the_champion_is_kept(kept: Went) -> None:
    assert list(kept.ran.steps()) == STEPS[:-1]
    assert not local.output(kept.ran.tasks, "promote-router", "page").exists()


@pytest.mark.slow
def test_aliases_tell_challenger_and_champion_apart(kept: Went, mine: Machine, client: Any) -> None:
    by_alias = {
        alias: client.get_model_version_by_alias(mine.folder.name, alias).version
        for alias in ("challenger", "champion")
    }

    assert by_alias == {"challenger": "2", "champion": "1"}


@pytest.mark.slow
def test_outputs_of_three_runs_are_kept_and_no_more(kept: Went, mine: Machine) -> None:
    assert 1 <= len(list((mine.folder / "pipeline").iterdir())) <= 3
    assert kept.ran.leftovers() == []


@pytest.fixture(scope="module")
def halted(scores: Path, tiny_backbone: Path, mlflow_door: Any, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run on results in two folders, each read by a task of its own; one score is a percentage."""
    mlflow_door.open()
    folder = tmp_path_factory.mktemp("halted")
    shutil.copytree(scores, folder / "bad")
    path = folder / "bad" / "scores.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    cells = lines[41].split(",")
    lines[41] = ",".join([cells[0], "85", *cells[2:]])
    path.write_text("\n".join(lines), encoding="utf-8")
    (folder / "more").mkdir()
    (folder / "more" / "prompts.csv").write_text("prompt_id,benchmark,prompt\np,more,What is more?\n")
    (folder / "more" / "scores.csv").write_text("prompt_id,model,score\np,sim-generalist-large,1\n")
    sources = [str(folder / "bad"), str(folder / "more")]
    return machine(folder, sources, tiny_backbone, mlflow_door.url).run(collect_shards=2)


def test_sources_that_two_tasks_read_are_merged(halted: Ran) -> None:
    (collected,) = halted.folder.glob("pipeline/*/*/collect-scores/scores")

    assert halted.shown.count("Read benchmark results") == 2
    assert Collection.read(collected).counts()["benchmarks"] == 5


def test_bad_score_halts_the_run_with_its_file_and_row(halted: Ran) -> None:
    assert isinstance(halted.error, ValidationFailed), halted.error
    assert halted.error.exit_code == 3
    assert f"{halted.folder}/bad/scores.csv row 42" in str(halted.error)
    assert "85.0" in str(halted.error)
    assert "rescale" in str(halted.error)
    assert "\n" not in str(halted.error)


def test_page_of_the_step_that_found_it_is_kept(halted: Ran) -> None:
    page = (halted.folder / "pages" / "validated.html").read_text(encoding="utf-8")

    assert "The run stops here" in page
    assert f"{halted.folder}/bad/scores.csv" in page


def test_halted_run_spends_nothing_and_leaves_nothing(halted: Ran) -> None:
    assert halted.steps() == dict.fromkeys(STEPS[:5], "done")
    assert halted.slept == []
    assert halted.leftovers() == []
    assert not (halted.folder / "champions").exists()
    assert not (halted.folder / "bundles").exists()
    assert list((halted.folder / "work").iterdir()) == []


@pytest.fixture(scope="module")
def missing(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run in a folder with the outputs of five others, without results and without MLflow."""
    folder = tmp_path_factory.mktemp("missing")
    for number in range(5):
        (folder / "pipeline" / f"old-{number}" / "retrain").mkdir(parents=True)
    sources = [str(folder / "nowhere"), str(folder / "nothing")]
    return machine(folder, sources, Path("unused"), "http://127.0.0.1:1").run()


def test_missing_prerequisites_end_the_run_with_all_of_them(missing: Ran) -> None:
    assert isinstance(missing.error, InputError), missing.error
    assert missing.error.exit_code == 2
    for part in ("nowhere' does not exist", "nothing", "MLflow at http://127.0.0.1:1 does not answer"):
        assert part in str(missing.error)
    assert missing.steps() == {"Check prerequisites": "done"}


def test_outputs_of_old_runs_make_room(missing: Ran) -> None:
    assert len(list((missing.folder / "pipeline").iterdir())) == 3


def test_run_warns_of_nothing_that_a_user_could_change(missing: Ran) -> None:
    assert missing.warned == []


@pytest.fixture(scope="module")
def unreadable(tiny_backbone: Path, mlflow_door: Any, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run on a folder that holds a file, but no results, beside one that another task reads."""
    mlflow_door.open()
    folder = tmp_path_factory.mktemp("unreadable")
    (folder / "letters").mkdir()
    (folder / "letters" / "letter.txt").write_text("Dear sirs,")
    (folder / "more").mkdir()
    (folder / "more" / "prompts.csv").write_text("prompt_id,benchmark,prompt\np,more,What is more?\n")
    (folder / "more" / "scores.csv").write_text("prompt_id,model,score\np,someone,1\n")
    sources = [str(folder / "letters"), str(folder / "more")]
    return machine(folder, sources, tiny_backbone, mlflow_door.url).run(collect_shards=2)


def test_error_of_a_task_among_several_keeps_its_class_and_sentence(unreadable: Ran) -> None:
    assert isinstance(unreadable.error, InputError), unreadable.error
    assert "letters' holds no benchmark results that modelsat can read" in str(unreadable.error)


def test_step_that_fails_for_good_is_not_waited_for_on_one_machine(unreadable: Ran) -> None:
    assert unreadable.slept == []


@pytest.mark.parametrize(
    ("name", "value"), [("gate_confidence", 2.0), ("train_ranks", 0), ("validate_max_drift", -1.0)]
)
def test_parameter_out_of_its_bounds_is_refused_before_anything_is_spent(
    tmp_path: Path, name: str, value: float
) -> None:
    ran = machine(tmp_path, [str(tmp_path / "nowhere")], Path("unused"), "http://127.0.0.1:1").run(**{name: value})

    assert isinstance(ran.error, InputError)
    assert name in str(ran.error)
