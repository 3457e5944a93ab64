"""Uploading and starting runs: what is sent keeps the contract of Kubeflow's API, read by its own typed models.

Tier "contract": the answers come from a few lines below, not from a Kubeflow backend.
"""

import contextlib
import http.server
import io
import json
import re
import socket
import subprocess
import sys
import threading
import urllib.parse
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kfp_server_api
import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from typer.testing import CliRunner

from modelsat import cli
from modelsat.cli import app
from modelsat.errors import InputError, ServiceError
from modelsat.io.notification import send, sentence
from pipelines import kubeflow_server, on_cluster
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
        self.page = ""

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Any:
        where = path.removeprefix("/apis/v2beta1")
        if where == "/healthz":
            return {"tag_name": "2.16.0", "multi_user": True}
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
            text = kept.page.encode() or json.dumps(answer).encode()
            self.send_response(kept.status)
            self.send_header("Content-Type", "text/html" if kept.page else "application/json")
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


def all_documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def graph(path: Path) -> dict[str, Any]:
    return all_documents(path)[0]


def fields(message: Any) -> set[str]:
    """Return `Message.field` of every field that is set in a message or below it; well-known types are not entered."""
    found: set[str] = set()
    for field, value in message.ListFields():
        found.add(f"{message.DESCRIPTOR.name}.{field.name}")
        entry = field.message_type if field.message_type and field.message_type.GetOptions().map_entry else None
        below = list(value.values()) if entry else list(value) if field.is_repeated else [value]
        for one in below:
            if hasattr(one, "ListFields") and not one.DESCRIPTOR.full_name.startswith("google."):
                found |= fields(one)
    return found


@contextlib.contextmanager
def answering(status: int, content_type: str, body: str, headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the address of a server that gives one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def modelsat(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does: what is printed is all that there is to see."""
    command = [sys.executable, "-m", "modelsat.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def modelsat_here(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, where Kubeflow's packages are loaded already."""
    shown, said = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(sys, "argv", ["modelsat", *words])
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
            try:
                cli.main()
            except SystemExit as over:
                return subprocess.CompletedProcess(words, int(over.code or 0), shown.getvalue(), said.getvalue())
    raise AssertionError("the command line always exits")


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


NO_ANSWER = [
    (
        401,
        "application/json",
        '{"message": "no token"}',
        {},
        "wants a login (HTTP 401: no token); log in with MODELSAT",
    ),
    (
        403,
        "text/plain",
        "RBAC: access denied",
        {},
        "(HTTP 403: RBAC: access denied); name your profile with --namespace",
    ),
    (404, "text/plain", "404 page not found", {}, "has no Kubeflow Pipelines API"),
    (500, "application/json", '{"error": "database is away"}', {}, "failed (HTTP 500: database is away)"),
    (503, "text/html", "<h1>no upstream</h1>", {}, "failed (HTTP 503); look at its log"),
    (200, "text/html; charset=utf-8", "<title>Log in</title>", {}, "answers with a web page instead of the API"),
    (302, "text/html", "", {"location": "/dex/auth?client_id=x"}, "sends to a login page (/dex/auth); log in with"),
    (200, "text/plain", "hello", {}, "is no Kubeflow Pipelines API (its answer is not JSON)"),
    (200, "application/json", "{}", {}, "is no Kubeflow Pipelines API (its answer does not describe one)"),
    (200, "application/json", '{"tag_name": "2.5.0"}', {}, "is version 2.5.0, these pipelines need 2.16 or newer"),
]


@pytest.mark.parametrize(("status", "content_type", "body", "headers", "sentence"), NO_ANSWER)
def test_submit_says_in_one_sentence_what_it_met_instead_of_kubeflow(
    status: int, content_type: str, body: str, headers: dict[str, str], sentence: str
) -> None:
    with answering(status, content_type, body, headers) as host:
        done = modelsat_here("submit", "--host", host, "--namespace", "profile")

    assert done.returncode == ServiceError.exit_code
    assert (done.stdout, done.stderr.count("\n")) == ("", 1), done.stderr
    assert sentence in done.stderr


def test_submit_says_in_one_sentence_that_nothing_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        done = modelsat("submit", "--host", f"http://127.0.0.1:{bound.getsockname()[1]}")

    assert done.returncode == ServiceError.exit_code
    assert "nothing answers at http://127.0.0.1" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("host", ["localhost:8888", "ftp://kubeflow", ""])
def test_submit_to_what_is_no_address_is_wrong_usage(host: str) -> None:
    done = modelsat_here("submit", "--host", host)

    assert done.returncode == InputError.exit_code
    assert "write http://HOST:PORT" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("version", ["2.16.0", "2.17.3", "3.0.0", "unknown"])
def test_kubeflow_of_the_distribution_and_newer_ones_are_taken(version: str) -> None:
    answer = kubeflow_server.ServerAnswer(200, "application/json", body=json.dumps({"tag_name": version}))

    assert kubeflow_server.fault_of("http://kubeflow", answer) is None


@pytest.mark.parametrize("status", [401, 403, 404, 409, 500])
def test_fault_after_the_first_answer_is_one_sentence_too(
    backend: tuple[Backend, str], package: Path, status: int
) -> None:
    kept, host = backend
    kubeflow = Kubeflow(Login(host))
    kept.status = status

    with pytest.raises(ServiceError, match=f"HTTP {status}"):
        kubeflow.upload(package, "retrain", "d")


def test_a_page_in_the_middle_of_a_submission_is_one_sentence(backend: tuple[Backend, str], package: Path) -> None:
    kept, host = backend
    kubeflow = Kubeflow(Login(host))
    kept.page = "<title>Your session has ended</title>"

    with pytest.raises(ServiceError, match="answers what its API does not"):
        kubeflow.upload(package, "retrain", "d")


def test_parser_of_the_distribution_s_kubeflow_knows_every_field_of_the_uploaded_graph(package: Path) -> None:
    """tests/data/kfp_2_16_fields.json lists the fields of the parser that Kubeflow Pipelines 2.16.0 has."""
    known = json.loads((Path(__file__).parents[1] / "data" / "kfp_2_16_fields.json").read_text(encoding="utf-8"))
    first, *platforms = all_documents(package)
    spec = json_format.ParseDict(first, pipeline_spec_pb2.PipelineSpec())
    executors = [
        json_format.ParseDict(executor, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
        for one in platforms
        for executor in one["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
    ]
    deployment = json_format.ParseDict(
        first["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig(), ignore_unknown_fields=False
    )

    used = set().union(*(fields(one) for one in (spec, deployment, *executors)))
    assert "PipelineTaskSpec.trigger_policy" in used
    assert used <= set(known)


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
    assert parameters["train_recipe"]["defaultValue"] == "auto"
    assert [name for name, one in parameters.items() if not one["description"].endswith(".")] == []


def test_a_default_of_no_parameter_is_refused(package: Path) -> None:
    with pytest.raises(InputError, match="train_node_gpu"):
        on_cluster.with_defaults(graph(package), {"train_node_gpu": 1})


def test_the_uploaded_graph_tells_of_a_failure_whatever_becomes_of_the_steps(package: Path) -> None:
    task = graph(package)["root"]["dag"]["tasks"]["notify"]

    assert task["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert task["inputs"]["parameters"]["status"] == {"taskFinalStatus": {"producerTask": "exit-handler-1"}}


def test_parser_of_kfp_knows_every_field_of_the_uploaded_graph(package: Path) -> None:
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


@pytest.mark.parametrize("overlay", ["local", "staging", "production"])
def test_defaults_of_each_overlay_pass_the_dry_run(overlay: str) -> None:
    defaults = Path(__file__).parents[2] / "infra" / "overlays" / overlay / "run-defaults.json"

    done = modelsat_here("submit", "--dry-run", "--defaults", str(defaults))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pipeline"] == "retrain"


@pytest.mark.parametrize("pipeline", ["retrain", "watch"])
def test_a_dry_run_refuses_defaults_that_cannot_train(pipeline: str) -> None:
    done = modelsat_here("submit", "--dry-run", "--pipeline", pipeline, "--set", "train_recipe=paper")

    assert done.returncode == InputError.exit_code
    assert "train_recipe 'paper' needs train_backbone" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("pipeline", "value", "word"),
    [
        ("retrain", 'collect_sources=["results"]', "collect_sources names 'results', which pods do not have"),
        ("watch", "ledger_store=ledger", "ledger_store names 'ledger', which pods do not have"),
    ],
)
def test_a_dry_run_refuses_what_pods_do_not_have(pipeline: str, value: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        CliRunner().invoke(app, ["submit", "--pipeline", pipeline, "--dry-run", "--set", value], catch_exceptions=False)


@pytest.mark.parametrize(
    ("pipeline", "values", "word"),
    [
        ("onboard", [], "onboard needs candidate; write --set candidate=..."),
        ("onboard", ["candidate="], "candidate is empty"),
        ("onboard", ["candidate=a", "ask_rate=fast"], "ask_rate is 'fast' and has to be a number"),
        ("onboard", ["candidate=a", "ask_adaptive=1"], "ask_adaptive is 1 and has to be true or false"),
        ("onboard", ["candidate=a", "answer_scores=s3://b/a"], "answer_scores is 's3://b/a' and has to be a JSON list"),
        ("watch", ["ask_budget_usd=-3"], "ask_budget_usd is -3 and cannot be negative"),
        ("watch", ["ask_questions=true"], "ask_questions is True and has to be a whole number"),
    ],
)
def test_a_dry_run_refuses_values_that_end_the_first_step(pipeline: str, values: list[str], word: str) -> None:
    words = [one for value in values for one in ("--set", value)]

    refused = CliRunner().invoke(app, ["submit", "--pipeline", pipeline, "--dry-run", *words])

    assert isinstance(refused.exception, InputError)
    assert word in str(refused.exception)


def test_text_that_looks_like_a_number_needs_no_quotes() -> None:
    ran = CliRunner().invoke(app, ["submit", "--dry-run", "--set", "train_gpu_limit=1"])

    assert json.loads(ran.output) == {"pipeline": "retrain", "train_gpu_limit": "1"}


def test_unknown_parameter_is_answered_with_similar_ones_and_where_all_are_listed() -> None:
    refused = CliRunner().invoke(app, ["submit", "--dry-run", "--set", "train_node=2"])
    listed = CliRunner().invoke(app, ["submit", "--parameters"])

    assert "has no parameter 'train_node' (similar names: train_nodes," in str(refused.exception)
    assert "`modelsat submit --pipeline retrain --parameters` lists them" in str(refused.exception)
    assert re.search(r"^ +train_nodes +0 +Nodes of a Kubeflow TrainJob", listed.output, re.MULTILINE)


def test_dry_run_of_each_pipeline_shows_the_defaults_that_it_has(tmp_path: Path) -> None:
    (tmp_path / "defaults.json").write_text('{"train_nodes": 1, "promote_inference_service": "router"}')

    ran = CliRunner().invoke(
        app, ["submit", "--dry-run", "--upload-only", "--defaults", str(tmp_path / "defaults.json")]
    )

    assert [json.loads(line) for line in ran.output.splitlines()] == [
        {"pipeline": "retrain", "train_nodes": 1, "promote_inference_service": "router"},
        {"pipeline": "onboard", "promote_inference_service": "router"},
        {"pipeline": "watch", "promote_inference_service": "router"},
    ]


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
