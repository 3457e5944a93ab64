"""Runs, models and aliases on a real MLflow server: each effect happens once per run, whatever is tried again."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import psutil
import pytest

from modelsat.bundle import bundle, opening
from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError, ServiceError
from modelsat.io import mlflow_left_runs, mlflow_registry, processes, stored_model
from modelsat.io.mlflow_registry import MlflowRun
from modelsat.text import rendering

PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
PICKLE_SUFFIXES = {".pkl", ".pickle", ".cloudpickle", ".joblib", ".pt", ".pth", ".bin"}


@pytest.fixture(autouse=True)
def _own_tracking_uri(mlflow_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mlflow.set_tracking_uri(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    yield
    mlflow.set_tracking_uri(None)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Name of an experiment and of a model that no other test uses."""
    return f"router-{rendering.digest(request.node.nodeid)[:12]}"


@pytest.fixture
def client(mlflow_server: str) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(mlflow_server, mlflow_server)


@pytest.fixture(scope="module")
def folder(make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundle that prefers `small`, unless cost does not matter: `large` is a little better and much dearer."""
    folder = tmp_path_factory.mktemp("registered") / "bundle"
    make_bundle({"small": 0.70, "large": 0.75}, prices={"small": 0.1, "large": 10.0}).write(folder)
    return folder


@pytest.fixture(scope="module")
def model(mlflow_server: str, folder: Path) -> str:
    """Name of a model with the bundle as its version 1, for tests that only read it."""
    MlflowRun(mlflow_server, "router-read", "run-1").register(folder, "router-read", "card", {"verdict": "promoted"})
    return "router-read"


@pytest.fixture
def registered(mlflow_server: str, name: str, folder: Path) -> str:
    """Version of the bundle, registered under the test's name."""
    return MlflowRun(mlflow_server, name, "run-1").register(folder, name, "card", {"verdict": "promoted"})


@pytest.fixture(scope="module")
def loaded(mlflow_server: str, model: str) -> Any:
    """The registered model as MLflow loads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
        return mlflow.pyfunc.load_model(f"models:/{model}@challenger")


def wait_for(question: Callable[[], Any], seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    return question()


def test_run_is_found_again_by_its_key(mlflow_server: str, name: str) -> None:
    first, again, other = (MlflowRun(mlflow_server, name, key).id for key in ("key-1", "key-1", "key-2"))

    assert first == again
    assert other != first


def test_same_key_in_another_experiment_is_another_run(mlflow_server: str, name: str) -> None:
    assert MlflowRun(mlflow_server, name, "key-1").id != MlflowRun(mlflow_server, f"{name}-b", "key-1").id


def test_logging_the_same_facts_twice_is_harmless(
    mlflow_server: str, name: str, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text("<p>page")
    for _ in range(2):
        run = MlflowRun(mlflow_server, name, "key-1")
        run.log(
            parameters={"rank": 8, "recipe": "cpu", "long": "x" * 600},
            metrics={"accuracy": 0.5},
            tags={"verdict": "kept"},
            files=[(tmp_path / "page.html", "evaluation")],
            dataset=("/data/scores", "0123456789abcdef0123456789abcdef"),
        )
        run.log_table({"prompt_id": ["p", "q"], "score": [0.0, 1.0]}, "decisions.json")
        run.finish()

    logged = client.get_run(run.id)
    assert logged.data.params == {"rank": "8", "recipe": "cpu", "long": "x" * 500}
    assert logged.data.metrics == {"accuracy": 0.5}
    assert logged.data.tags["verdict"] == "kept"
    assert logged.info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(run.id, "evaluation")] == ["evaluation/page.html"]
    assert len(logged.inputs.dataset_inputs) == 1
    table = json.loads(Path(mlflow.artifacts.download_artifacts(f"runs:/{run.id}/decisions.json")).read_text())
    assert table == {"columns": ["prompt_id", "score"], "data": [["p", 0.0], ["q", 1.0]]}


def test_data_behind_a_run_is_named_with_its_digest_and_place(
    mlflow_server: str, name: str, client: mlflow.MlflowClient
) -> None:
    run = MlflowRun(mlflow_server, name, "key-1")
    run.log(dataset=("s3://bucket/scores", "0123456789abcdef0123456789abcdef"))

    (found,) = client.get_run(run.id).inputs.dataset_inputs
    assert found.dataset.digest == "0123456789abcdef0123456789abcdef"
    assert found.dataset.source_type == "s3"
    assert json.loads(found.dataset.source) == {"uri": "s3://bucket/scores"}


def test_live_metrics_appear_while_the_run_is_going_on(
    mlflow_server: str, name: str, client: mlflow.MlflowClient
) -> None:
    run = MlflowRun(mlflow_server, name, "key-1")
    log = run.live()
    for step in (1, 2, 3):
        log({"step": step, "loss": 1.0 / step, "learning_rate": 0.001})

    history = wait_for(lambda: len(h := client.get_metric_history(run.id, "train_loss")) == 3 and h)
    assert history
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5), (3, 1.0 / 3)]
    assert client.get_run(run.id).info.status == "RUNNING"


def test_live_metrics_never_stop_training(mlflow_server: str, name: str) -> None:
    run = MlflowRun(mlflow_server, name, "key-1")

    run.live()({"loss": 1.0})


def test_registering_twice_gives_one_version_with_the_alias_challenger(
    mlflow_server: str, name: str, folder: Path, client: mlflow.MlflowClient
) -> None:
    tags = {"verdict": "promoted", "bundle_digest": bundle.verify(folder)}

    versions = [MlflowRun(mlflow_server, name, "run-1").register(folder, name, "the card", tags) for _ in range(2)]

    assert versions == ["1", "1"]
    (found,) = client.search_model_versions(f"name = '{name}'")
    assert found.description == "the card"
    assert found.tags == {**tags, mlflow_registry.RUN_KEY: "run-1"}
    assert client.get_model_version_by_alias(name, "challenger").version == "1"


def test_registration_that_was_cut_off_is_completed(
    mlflow_server: str, name: str, folder: Path, registered: str, client: mlflow.MlflowClient
) -> None:
    client.delete_registered_model_alias(name, "challenger")
    client.delete_model_version_tag(name, registered, mlflow_registry.RUN_KEY)

    assert MlflowRun(mlflow_server, name, "run-1").register(folder, name, "card", {}) == registered
    found = client.get_model_version_by_alias(name, "challenger")
    assert (found.version, found.tags[mlflow_registry.RUN_KEY]) == (registered, "run-1")


def test_model_that_a_killed_registration_left_goes_when_it_is_done_again(
    mlflow_server: str, name: str, folder: Path, client: mlflow.MlflowClient
) -> None:
    run = MlflowRun(mlflow_server, name, "run-1")
    experiment_id = client.get_run(run.id).info.experiment_id
    left = client.create_logged_model(experiment_id, "router", source_run_id=run.id)

    run.register(folder, name, "card", {})

    (kept,) = client.search_logged_models([experiment_id])
    assert kept.model_id != left.model_id


def test_challenger_is_the_version_of_the_newest_run(
    mlflow_server: str, name: str, folder: Path, registered: str, client: mlflow.MlflowClient
) -> None:
    assert MlflowRun(mlflow_server, name, "run-2").register(folder, name, "card", {}) == "2"
    assert client.get_model_version_by_alias(name, "challenger").version == "2"


def test_champion_alias_follows_the_record(
    mlflow_server: str, name: str, folder: Path, registered: str, client: mlflow.MlflowClient
) -> None:
    second = MlflowRun(mlflow_server, name, "run-2").register(folder, name, "card", {})

    for version, epoch in ((registered, 1), (second, 2), (second, 2)):
        mlflow_registry.mirror_champion(mlflow_server, name, version, epoch)
        found = client.get_model_version_by_alias(name, "champion")
        assert (found.version, found.tags["modelsat.epoch"]) == (version, str(epoch))


@pytest.mark.parametrize("which", ["@challenger", "/1"])
def test_bundle_comes_back_by_alias_and_by_version(model: str, folder: Path, which: str) -> None:
    with opening.opened(f"models:/{model}{which}") as opened:
        assert opened.digest == bundle.verify(folder)


@pytest.mark.parametrize("which", ["@nobody", "/7"])
def test_alias_or_version_that_does_not_exist_is_named(model: str, tmp_path: Path, which: str) -> None:
    with pytest.raises(InputError, match=r"MLflow at http://127.0.0.1:\d+ does not know what was asked for: .*"):
        mlflow_registry.download_bundle(f"models:/{model}{which}", tmp_path)


def test_model_that_does_not_exist_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=name):
        mlflow_registry.download_bundle(f"models:/{name}@champion", tmp_path)


def test_registry_is_asked_for_where_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(None)

    with pytest.raises(InputError, match=r"'models:/router@champion' needs a registry; set MLFLOW_TRACKING_URI"):
        mlflow_registry.download_bundle("models:/router@champion", tmp_path)


def test_registry_that_a_notebook_set_is_asked_where_the_environment_names_none(
    mlflow_server: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(mlflow_server)

    assert (mlflow_registry.download_bundle(f"models:/{model}@challenger", tmp_path) / "bundle.json").is_file()


def test_fetching_a_bundle_leaves_the_server_that_a_notebook_named(
    mlflow_server: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.set_tracking_uri("http://mine.example")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)

    mlflow_registry.download_bundle(f"models:/{model}@challenger", tmp_path)

    assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == "http://mine.example"
    assert os.environ["MLFLOW_TRACKING_URI"] == mlflow_server


@pytest.mark.usefixtures("registered")
def test_registering_names_no_server_for_the_rest_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")

    assert not mlflow.is_tracking_uri_set()


@pytest.mark.parametrize(("fault", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_run_ends_as_what_ended_it(
    mlflow_server: str, name: str, client: mlflow.MlflowClient, fault: type[BaseException], status: str
) -> None:
    run = MlflowRun(mlflow_server, name, "run-1")

    with pytest.raises(fault), run.ends_on_failure():
        raise fault

    assert client.get_run(run.id).info.status == status


def test_stored_model_brings_its_code_and_needs_only_what_is_on_an_index(model: str, tmp_path: Path) -> None:
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{model}@challenger", dst_path=str(tmp_path)))

    needed = (folder / "requirements.txt").read_text(encoding="utf-8").split()
    # One archive: MLflow's server takes the files of a model one by one.
    (archive,) = (folder / "code").iterdir()
    routed = f"print(modelsat.load({str(folder / 'artifacts' / 'bundle')!r}).route(['Hi']).to_pandas()['model'][0])"
    # As MLflow does. The process's path is as before, so what it starts later uses what is installed.
    loaded = f"import runpy, sys; before = list(sys.path); runpy.run_path({str(folder / 'mlflow_model.py')!r})"
    stored = f"{loaded}; assert sys.path == before; import modelsat; print(modelsat.__file__); {routed}"
    place, chosen = subprocess.run([sys.executable, "-c", stored], capture_output=True, check=True).stdout.split()
    assert place.decode() == str(archive / "modelsat" / "__init__.py")
    assert chosen
    assert not [line for line in needed if line.startswith("modelsat") or "+" in line or "==" not in line]
    assert {"torch", "transformers", "pyarrow"} <= {line.partition("==")[0] for line in needed}


@pytest.mark.parametrize(
    ("extra", "needs", "spares"),
    [("torch", {"torch", "transformers", "tokenizers"}, set()), ("light", {"safetensors", "tokenizers"}, {"torch"})],
)
def test_router_on_words_needs_no_torch_where_it_is_served(extra: str, needs: set[str], spares: set[str]) -> None:
    needed = {line.partition("==")[0] for line in stored_model.requirements(extra)}

    assert needs | {"numpy", "pyarrow"} <= needed
    assert not needed & spares
    assert not {"torch", "transformers", "safetensors"} & {
        line.partition("==")[0] for line in stored_model.requirements("")
    }


def test_artifact_without_a_suffix_is_logged_under_a_name_that_mlflow_shows(
    mlflow_server: str, name: str, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    (tmp_path / "report").write_text("<p>page</p>")
    run = MlflowRun(mlflow_server, name, "run-1")

    run.log_as(tmp_path / "report", "evaluation/evaluated.html")

    assert [file.path for file in client.list_artifacts(run.id, "evaluation")] == ["evaluation/evaluated.html"]


def test_model_that_is_no_router_is_refused(
    mlflow_server: str, name: str, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    run = MlflowRun(mlflow_server, name, "run-1")
    (tmp_path / "weights.txt").write_text("somebody else's model")
    client.log_artifact(run.id, str(tmp_path / "weights.txt"), "model")
    client.create_registered_model(name)
    client.create_model_version(name, f"{client.get_run(run.id).info.artifact_uri}/model", run.id)

    with pytest.raises(InputError, match="holds no router bundle; register one with the retrain pipeline"):
        mlflow_registry.download_bundle(f"models:/{name}/1", tmp_path / "copy")


def test_registered_model_answers_with_and_without_a_weight_on_cost(loaded: Any) -> None:
    prompts = pd.DataFrame({"prompt": ["What is 17 * 23?", "Spell 'rhythm'"]})

    free, dear = loaded.predict(prompts), loaded.predict(prompts, params={"cost_weight": 0.5})

    assert free["model"].tolist() == ["large", "large"]
    assert free["success_probability"].tolist() == pytest.approx([0.75, 0.75])
    assert dear["model"].tolist() == ["small", "small"]
    assert dear["success_probability"].tolist() == pytest.approx([0.70, 0.70])


@pytest.mark.parametrize("prompts", [{"prompt": ["What is 17 * 23?", "Spell 'rhythm'"]}, {"prompt": [None]}])
def test_registered_model_never_routes_the_spelling_of_what_is_no_text(
    loaded: Any, prompts: dict[str, list[str | None]]
) -> None:
    try:
        answers = len(loaded.predict(prompts))
    except (InputError, mlflow.MlflowException):
        return
    assert answers == 2


def test_registered_model_says_what_goes_in_and_what_comes_out(model: str) -> None:
    signature = mlflow.models.get_model_info(f"models:/{model}@challenger").signature

    assert [(column.name, column.type.name) for column in signature.inputs] == [("prompt", "string")]
    assert [(column.name, column.type.name) for column in signature.outputs] == [
        ("model", "string"),
        ("success_probability", "double"),
    ]
    assert [(p.name, p.dtype.name, p.default) for p in signature.params] == [
        ("cost_weight", "double", 0.0),
        ("policy", "string", "auto"),
    ]


def test_nothing_that_the_server_keeps_is_a_pickle(model: str, mlflow_folder: Path) -> None:
    kept = [path for path in (mlflow_folder / "mlflow-artifacts").rglob("*") if path.is_file()]

    assert any(path.name == "MLmodel" for path in kept)
    assert [path for path in kept if path.suffix in PICKLE_SUFFIXES] == []
    # The first bytes of safetensors are the length of a header, any number.
    others = [path for path in kept if path.suffix != ".safetensors"]
    assert [path for path in others if path.read_bytes()[:2] in PICKLES] == []


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []
        stop = threading.Event()

        def hold() -> None:
            server.settimeout(0.1)
            while not stop.is_set():
                try:
                    held.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        thread.join()
        for connection in held:
            connection.close()


@pytest.fixture
def nobody() -> str:
    """Address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.timeout(30, func_only=True)
def test_run_cannot_be_opened_where_the_server_is_down(nobody: str) -> None:
    with pytest.raises(ServiceError, match=f"MLflow at {nobody} does not answer .*; start it or correct its address"):
        MlflowRun(nobody, "modelsat", "key")


@pytest.mark.slow
@pytest.mark.timeout(30, func_only=True)
def test_run_cannot_be_opened_where_the_server_hangs(silent_server: str) -> None:
    with pytest.raises(ServiceError, match=f"MLflow at {silent_server} does not answer"):
        MlflowRun(silent_server, "modelsat", "key")


@pytest.mark.timeout(30, func_only=True)
def test_alias_cannot_be_set_where_the_server_is_down(nobody: str) -> None:
    with pytest.raises(ServiceError, match=f"MLflow at {nobody} .*; (start it|check the server) and run again"):
        mlflow_registry.mirror_champion(nobody, "modelsat-router", "1", 1)


@pytest.mark.timeout(30, func_only=True)
def test_bundle_cannot_be_fetched_where_the_server_is_down(
    nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nobody)

    with pytest.raises(ServiceError, match=f"MLflow at {nobody} .*; (start it|check the server) and run again"):
        mlflow_registry.download_bundle("models:/modelsat-router@champion", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_run_that_a_killed_pipeline_left_open_is_ended_by_the_next_run(
    mlflow_server: str, name: str, client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    mine = processes.worker()
    began = f"{psutil.Process(pipeline.pid).create_time():.0f}"
    monkeypatch.setenv("MODELSAT_WORKER", f"{mine.split('/')[0]}/{pipeline.pid}/{began}")
    left = MlflowRun(mlflow_server, name, "key-1").id
    monkeypatch.setenv("MODELSAT_WORKER", mine)

    beside = MlflowRun(mlflow_server, name, "key-2").id
    assert client.get_run(left).info.status == "RUNNING"
    pipeline.kill()
    pipeline.wait()
    own = MlflowRun(mlflow_server, name, "key-3").id

    status = {run: client.get_run(run).info.status for run in (left, beside, own)}
    assert status == {left: "KILLED", beside: "RUNNING", own: "RUNNING"}


def test_runs_of_others_and_finished_runs_are_left_alone(
    mlflow_server: str, name: str, client: mlflow.MlflowClient
) -> None:
    done = MlflowRun(mlflow_server, name, "key-1")
    done.finish()
    experiment_id = client.get_run(done.id).info.experiment_id
    of_others = client.create_run(experiment_id, start_time=1).info.run_id
    of_0_1_0 = client.create_run(experiment_id, start_time=1, tags={mlflow_registry.RUN_KEY: "old"}).info.run_id

    MlflowRun(mlflow_server, name, "key-2")

    status = {run: client.get_run(run).info.status for run in (done.id, of_others, of_0_1_0)}
    assert status == {done.id: "FINISHED", of_others: "RUNNING", of_0_1_0: "KILLED"}


NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("worker", "silent", "is_left"),
    [
        ("gone", timedelta(0), True),
        ("alive", timedelta(days=9), False),
        ("elsewhere", timedelta(hours=24), False),
        ("elsewhere", timedelta(hours=24, seconds=1), True),
        ("", timedelta(hours=1), False),
        ("", timedelta(days=2), True),
    ],
)
def test_open_run_is_over_when_its_worker_is_gone_or_silent_for_a_day(
    worker: str, silent: timedelta, is_left: bool
) -> None:
    tags = {mlflow_left_runs.WORKER: worker, mlflow_left_runs.SEEN_AT: (NOON - silent).isoformat()}
    ask = mlflow_left_runs.is_left

    assert ask(tags, NOON, NOON, lambda name: name == "gone", lambda name: name == "alive") is is_left


def test_run_without_a_readable_time_is_judged_by_its_beginning() -> None:
    for tags in ({}, {mlflow_left_runs.SEEN_AT: "yesterday"}, {mlflow_left_runs.SEEN_AT: "2026-11-30"}):
        assert not mlflow_left_runs.is_left(tags, NOON, NOON)
        assert mlflow_left_runs.is_left(tags, NOON - timedelta(days=2), NOON)
