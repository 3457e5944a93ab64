"""Check prerequisites and halt: what ends a run before anything is spent, and how."""

import http.server
import inspect
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.check_prerequisites import check_prerequisites
from components.halt import halt
from modelsat.settings import RetrainSettings

Artifact = Callable[..., Any]
SETTINGS = {
    name: RetrainSettings.model_fields[name].default
    for name in inspect.signature(check_prerequisites.python_func).parameters
    if name in RetrainSettings.model_fields and name != "mlflow_tracking_uri"
}


@pytest.fixture
def closed_port() -> str:
    """Address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def some_web_server() -> Iterator[Callable[[int], str]]:
    """Return a function that starts a web server which gives every request the same status; it is no MLflow."""
    servers = []

    def start(status: int) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = b"<html>Welcome to the printer</html>"
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def check(artifact: Artifact, folder: Path, sources: list[str], mlflow: str) -> tuple[bool, str, str, dict[str, float]]:
    report, metrics = artifact(dsl.Markdown, "report"), artifact(dsl.Metrics, "metrics")
    stores = (str(folder / "champions"), str(folder / "bundles"), str(folder / "work"))
    ready, sentence = check_prerequisites.python_func(
        **SETTINGS,
        sources=sources,
        mlflow_tracking_uri=mlflow,
        champion_store=stores[0],
        bundle_store=stores[1],
        work_root=stores[2],
        report=report,
        metrics=metrics,
    )
    return ready, sentence, Path(report.path).read_text(encoding="utf-8"), metrics.metadata


def test_everything_that_is_there_holds(
    artifact: Artifact, tmp_path: Path, small_sample: Path, mlflow_server: str
) -> None:
    ready, sentence, page, metrics = check(artifact, tmp_path, [str(small_sample)], mlflow_server)

    assert ready, sentence
    assert sentence == "7 prerequisites hold"
    assert metrics == {"checks_passed": 7, "checks_failed": 0}
    assert "4 files" in page
    assert "no champion yet" in page
    assert "GiB free" in page


def test_all_faults_are_named_at_once(artifact: Artifact, tmp_path: Path, closed_port: str) -> None:
    (tmp_path / "empty").mkdir()
    sources = [str(tmp_path / "nowhere"), str(tmp_path / "empty")]

    ready, sentence, page, metrics = check(artifact, tmp_path, sources, closed_port)

    assert not ready
    assert metrics == {"checks_passed": 5, "checks_failed": 3}
    assert page.count("**missing**") == 3
    for fault in ("nowhere' does not exist", "empty' holds no files", f"MLflow at {closed_port} does not answer"):
        assert fault in sentence
        assert fault in page
    assert "\n" not in sentence


def test_a_check_says_what_to_do(artifact: Artifact, tmp_path: Path, small_sample: Path, closed_port: str) -> None:
    _, sentence, *_ = check(artifact, tmp_path, [str(small_sample)], closed_port)

    assert sentence == (
        f"MLflow at {closed_port} does not answer (ConnectionError); "
        "start it or correct its address (MLFLOW_TRACKING_URI)"
    )


def test_damaged_champion_record_is_found_before_anything_is_spent(
    artifact: Artifact, tmp_path: Path, small_sample: Path, mlflow_server: str
) -> None:
    (tmp_path / "champions").mkdir()
    (tmp_path / "champions" / "000001.json").write_text("{")

    ready, sentence, *_ = check(artifact, tmp_path, [str(small_sample)], mlflow_server)

    assert not ready
    assert "000001.json' is damaged" in sentence


def test_mlflow_that_wants_a_login_is_told_apart_from_one_that_is_down(
    artifact: Artifact, tmp_path: Path, small_sample: Path, some_web_server: Callable[[int], str]
) -> None:
    ready, sentence, *_ = check(artifact, tmp_path, [str(small_sample)], some_web_server(401))

    assert not ready
    assert "refuses this client (HTTP 401); set MLFLOW_TRACKING_USERNAME" in sentence


@pytest.mark.parametrize("status", [200, 404, 500])
def test_another_web_server_in_the_place_of_mlflow_is_noticed(
    artifact: Artifact, tmp_path: Path, small_sample: Path, some_web_server: Callable[[int], str], status: int
) -> None:
    ready, _, page, _ = check(artifact, tmp_path, [str(small_sample)], some_web_server(status))

    assert not ready
    assert "printer" not in page


def test_work_folder_that_cannot_be_made_is_one_of_the_faults(
    artifact: Artifact, tmp_path: Path, small_sample: Path, closed_port: str
) -> None:
    (tmp_path / "work").write_text("a file stands where the folder should be")

    ready, sentence, *_ = check(artifact, tmp_path, [str(small_sample)], closed_port)

    assert not ready
    assert f"{tmp_path}/work" in sentence
    assert "MLflow" in sentence


def test_run_goes_on_in_silence_where_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    halt.python_func(True, "7 prerequisites hold", 2)

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("code", [2, 3, 5])
def test_run_ends_with_the_sentence_as_last_line_and_the_exit_code(
    capsys: pytest.CaptureFixture[str], code: int
) -> None:
    with pytest.raises(SystemExit) as ended:
        halt.python_func(False, "scores.csv row 2: score 85.0; rescale it", code)

    assert ended.value.code == code
    assert capsys.readouterr().out.splitlines()[-1] == f"halted with {code}: scores.csv row 2: score 85.0; rescale it"
