"""Uploading and starting runs: what is sent keeps the contract of Kubeflow's API, read by its own typed models.

Tier "contract": the answers come from a few lines below, not from a Kubeflow backend.
"""

import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kfp_server_api
import pytest
from typer.testing import CliRunner

from modelsat.cli import app
from modelsat.errors import InputError, ServiceError
from modelsat.io.notification import send, sentence
from pipelines import on_cluster
from pipelines.retrain import retrain
from pipelines.submission import Kubeflow, Login


class Backend:
    """Keeps pipelines, versions, experiments and runs; every request with its headers is written down."""

    def __init__(self) -> None:
        self.pipelines: dict[str, str] = {}
        self.versions: list[dict[str, str]] = []
        self.experiments: list[dict[str, str]] = []
        self.runs: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.status = 200

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Any:
        where = path.removeprefix("/apis/v2beta1")
        if where == "/healthz":
            return {"multi_user": True}
        if where == "/pipelines/upload":
            name = query["name"][0]
            self.pipelines[name] = f"p-{name}"
            return {"pipeline_id": f"p-{name}", "display_name": name}
        if where == "/pipelines/upload_version":
            made = {"pipeline_version_id": f"v{len(self.versions)}", "display_name": query["name"][0]}
            self.versions.append(made)
            return made
        if where == "/pipelines":
            return {"pipelines": [{"pipeline_id": i, "display_name": name} for name, i in self.pipelines.items()]}
        if where.endswith("/versions"):
            return {"pipeline_versions": self.versions}
        if where == "/experiments" and method == "POST":
            self.experiments.append(json.loads(body) | {"experiment_id": "e-1"})
            return self.experiments[-1]
        if where == "/experiments":
            return {"experiments": self.experiments}
        if where == "/runs" and method == "POST":
            self.runs.append(json.loads(body))
            return self.runs[-1] | {"run_id": "r-1"}
        raise AssertionError(f"{method} {path}")


@pytest.fixture
def backend() -> Iterator[tuple[Backend, str]]:
    kept = Backend()

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept.requests.append(
                (self.command, parts.path, {key.lower(): value for key, value in self.headers.items()})
            )
            answer = kept.answer(self.command, parts.path, urllib.parse.parse_qs(parts.query), body)
            text = json.dumps(answer).encode()
            self.send_response(kept.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield kept, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "retrain.yaml"
    on_cluster.write(retrain, path, {"train_nodes": 2})
    return path


def graph(path: Path) -> dict[str, Any]:
    import yaml

    first: dict[str, Any] = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    return first


def test_a_version_is_uploaded_once_and_found_again(backend: tuple[Backend, str], package: Path) -> None:
    kept, host = backend

    first = Kubeflow(Login(host, "profile")).upload(package, "retrain", "d")
    second = Kubeflow(Login(host, "profile")).upload(package, "retrain", "d")

    assert first.new
    assert not second.new
    assert (first.pipeline_id, first.version_id) == (second.pipeline_id, second.version_id)
    assert len(kept.versions) == 1
    assert first.link == f"{host}/#/pipelines/details/p-retrain/version/v0"


def test_a_run_carries_version_values_and_account(backend: tuple[Backend, str], package: Path) -> None:
    kept, host = backend
    kubeflow = Kubeflow(Login(host, "profile", ui="https://kubeflow.example/pipeline/"))
    uploaded = kubeflow.upload(package, "retrain", "d")

    _, link = kubeflow.start(uploaded, "modelsat", "job", {"train_nodes": 4}, "modelsat-runner")

    (sent,) = kept.runs
    run = kfp_server_api.V2beta1Run(**sent)
    assert run.pipeline_version_reference == {"pipeline_id": "p-retrain", "pipeline_version_id": "v0"}
    assert run.runtime_config["parameters"] == {"train_nodes": 4}
    assert run.service_account == "modelsat-runner"
    assert run.experiment_id == "e-1"
    assert kfp_server_api.V2beta1Experiment(**kept.experiments[0]).namespace == "profile"
    assert link == "https://kubeflow.example/pipeline/#/runs/details/r-1"


def test_a_service_account_s_token_is_sent_as_bearer(
    backend: tuple[Backend, str], package: Path, tmp_path: Path
) -> None:
    kept, host = backend
    (tmp_path / "token").write_text("projected")

    Kubeflow(Login(host, token_file=str(tmp_path / "token"))).upload(package, "retrain", "d")

    sent = [headers.get("authorization") for _, path, headers in kept.requests if path.endswith("/pipelines")]
    assert set(sent) == {"Bearer projected"}


def test_a_login_page_s_cookie_is_sent(backend: tuple[Backend, str], package: Path) -> None:
    kept, host = backend

    Kubeflow(Login(host, cookie="authservice_session=abc")).upload(package, "retrain", "d")

    assert {headers.get("cookie") for *_, headers in kept.requests} == {"authservice_session=abc"}


def test_without_a_login_nothing_is_sent(backend: tuple[Backend, str], package: Path) -> None:
    kept, host = backend

    Kubeflow(Login(host)).upload(package, "retrain", "d")

    assert not any({"authorization", "cookie"} & headers.keys() for *_, headers in kept.requests)


def test_a_refused_login_says_what_to_set(backend: tuple[Backend, str], package: Path) -> None:
    kept, host = backend
    kubeflow = Kubeflow(Login(host))
    kept.status = 401

    with pytest.raises(ServiceError, match="MODELSAT_KFP_COOKIE"):
        kubeflow.upload(package, "retrain", "d")


def test_a_missing_token_file_is_an_error_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pipelines\.kubeflow\.org"):
        Kubeflow(Login("http://127.0.0.1:9", token_file=str(tmp_path / "none")))


def test_the_form_shows_the_overlay_s_defaults_and_every_sentence(package: Path) -> None:
    parameters = graph(package)["root"]["inputDefinitions"]["parameters"]

    assert parameters["train_nodes"]["defaultValue"] == 2
    assert parameters["train_recipe"]["defaultValue"] == "cpu"
    assert [name for name, one in parameters.items() if not one["description"].endswith(".")] == []


def test_a_default_of_no_parameter_is_refused(package: Path) -> None:
    with pytest.raises(InputError, match="train_node_gpu"):
        on_cluster.with_defaults(graph(package), {"train_node_gpu": 1})


def test_the_uploaded_graph_tells_of_a_failure_whatever_becomes_of_the_steps(package: Path) -> None:
    task = graph(package)["root"]["dag"]["tasks"]["notify"]

    assert task["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert task["inputs"]["parameters"]["status"] == {"taskFinalStatus": {"producerTask": "exit-handler-1"}}


def test_parser_of_kfp_knows_every_field_of_the_uploaded_graph(package: Path) -> None:
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    spec = json_format.ParseDict(graph(package), pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)

    assert spec.pipeline_info.name == "retrain"


def test_submit_uploads_starts_and_prints_both_links(backend: tuple[Backend, str]) -> None:
    kept, host = backend

    done = CliRunner().invoke(app, ["submit", "--host", host, "--namespace", "profile", "--set", "train_recipe=tiny"])

    assert done.exit_code == 0, done.output
    assert f"{host}/#/pipelines/details/p-retrain/version/v0" in done.output
    assert f"{host}/#/runs/details/r-1" in done.output
    assert kept.runs[0]["runtime_config"]["parameters"] == {"train_recipe": "tiny"}


def test_a_value_out_of_its_bounds_is_refused_before_anything_is_sent() -> None:
    done = CliRunner().invoke(app, ["submit", "--host", "http://127.0.0.1:9", "--set", "gate_confidence=1.5"])

    assert isinstance(done.exception, InputError)
    assert "gate_confidence" in str(done.exception)


def test_a_dry_run_talks_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "defaults.json").write_text('{"train_nodes": 2}')

    done = CliRunner().invoke(
        app, ["submit", "--dry-run", "--host", "http://127.0.0.1:9", "--defaults", str(tmp_path / "defaults.json")]
    )

    assert json.loads(done.output) == {"pipeline": "retrain", "train_nodes": 2}


def test_a_run_that_succeeded_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence("SUCCEEDED", "retrain-1", None) == ""
    assert not send("", "http://127.0.0.1:9")
    assert capsys.readouterr().out == ""


def test_a_receiver_that_is_gone_fails_no_run_and_its_address_is_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = sentence("FAILED", "retrain-1", "halted")

    assert not send(text, "http://127.0.0.1:9/secret-path")
    said = capsys.readouterr().out
    assert "retrain-1 ended as FAILED: halted" in said.splitlines()[0]
    assert "secret-path" not in said
