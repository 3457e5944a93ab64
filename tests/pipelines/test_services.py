"""Background services of one machine, a harmless web server in their place: found, waited for, ended, not mixed up."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from modelsat.errors import ServiceError
from pipelines import services
from pipelines.services import Service

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Folder of services; whatever was started there is ended, also where a test fails."""
    path = tmp_path / "run"
    path.mkdir()
    yield path
    services.stop(path)


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Callable[..., Service]:
    """Return a function that starts a web server as a service, or finds it."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "health").write_text("well")

    def run(name: str = "web", health: str = "/health") -> Service:
        port = services._port(folder, name)
        command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
        command += ["--directory", str(tmp_path / "pages")]
        return services._ensure(folder, name, port, command, {}, health)

    return run


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process of somebody else."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def record(folder: Path, name: str, pid: int, started: float, port: int = 1) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, "pid": pid, "started": started, "port": port}))
    return path


def test_started_service_answers_and_is_on_record(folder: Path, start: Callable[..., Service]) -> None:
    service = start()

    with urllib.request.urlopen(f"{service.url}/health", timeout=5) as answer:  # noqa: S310
        assert answer.read() == b"well"
    assert services.running(folder) == [service]
    assert service.alive()


def test_service_that_runs_is_found_and_not_started_again(folder: Path, start: Callable[..., Service]) -> None:
    assert start() == start()
    assert len(services.running(folder)) == 1


def test_any_answer_but_a_fault_of_the_server_is_a_sign_of_life(start: Callable[..., Service]) -> None:
    assert start(health="/nothing-is-here").alive()


def test_each_name_is_a_service_of_its_own(folder: Path, start: Callable[..., Service]) -> None:
    first, second = start("first"), start("second")

    assert first.port != second.port
    assert services.running(folder) == [first, second]
    assert services.stop(folder) == ["first", "second"]
    assert not first.alive()
    assert not second.alive()


def test_stopped_service_is_gone_with_its_record(folder: Path, start: Callable[..., Service]) -> None:
    service = start()

    assert services.stop(folder) == ["web"]
    assert not service.alive()
    assert not psutil.pid_exists(service.pid)
    assert list(folder.glob("*.json")) == []
    assert services.running(folder) == []
    assert services.stop(folder) == []


def test_service_that_ends_while_it_is_stopped_is_stopped(
    folder: Path, start: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start()
    running = services.running(folder)
    process = psutil.Process(service.pid)
    process.kill()
    process.wait()
    monkeypatch.setattr(services, "running", lambda _: running)

    assert services.stop(folder) == ["web"]
    assert list(folder.glob("*.json")) == []


def test_service_can_be_started_again_after_its_end(folder: Path, start: Callable[..., Service]) -> None:
    first = start()
    services.stop(folder)

    assert start().pid != first.pid


def test_service_that_was_killed_is_started_anew(folder: Path, start: Callable[..., Service]) -> None:
    first = start()
    process = psutil.Process(first.pid)
    process.kill()
    process.wait()

    assert services.running(folder) == []
    second = start()
    assert second.pid != first.pid
    assert services.running(folder) == [second]


def test_children_of_a_service_end_with_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_STOP_SECONDS", 1)
    port = services._port(folder, "family")
    child = f"{sys.executable} -m http.server {port} --bind 127.0.0.1 --directory {tmp_path}"
    service = services._ensure(folder, "family", port, ["sh", "-c", f"{child} & wait"], {}, "/")
    (below,) = psutil.Process(service.pid).children()

    services.stop(folder)

    assert not below.is_running() or below.status() == psutil.STATUS_ZOMBIE


def test_stranger_with_the_pid_of_a_stale_record_is_left_alone(
    folder: Path, stranger: "subprocess.Popen[bytes]"
) -> None:
    path = record(folder, "mlflow", stranger.pid, psutil.Process(stranger.pid).create_time() - 3600)

    assert services.running(folder) == []
    assert services.stop(folder) == []

    assert stranger.poll() is None
    assert not path.exists()


def test_stale_record_does_not_keep_a_service_from_starting(
    folder: Path, start: Callable[..., Service], stranger: "subprocess.Popen[bytes]"
) -> None:
    record(folder, "web", stranger.pid, 0.0)

    service = start()

    assert service.pid != stranger.pid
    assert services.running(folder) == [service]
    services.stop(folder)
    assert stranger.poll() is None


def test_file_that_is_no_record_is_left_alone(folder: Path) -> None:
    for name, content in (("notes.json", '{"mine": true}'), ("cut.json", '{"name": "mlfl'), ("list.json", "[]")):
        (folder / name).write_text(content)

    assert services.running(folder) == []
    assert services.stop(folder) == []

    assert sorted(path.name for path in folder.iterdir()) == ["cut.json", "list.json", "notes.json"]


def test_nothing_runs_in_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert services.running(tmp_path / "nowhere") == []
    assert services.stop(tmp_path / "nowhere") == []


def test_service_that_dies_at_its_start_is_an_error_that_names_its_log(folder: Path) -> None:
    began = time.monotonic()
    command = [sys.executable, "-c", "raise SystemExit('the port is taken')"]

    with pytest.raises(ServiceError, match=r"mlflow ended while it started; '.*logs/mlflow.log' says why"):
        services._ensure(folder, "mlflow", 1, command, {}, "/")

    assert "the port is taken" in (folder / "logs" / "mlflow.log").read_text()
    assert time.monotonic() - began < 10
    assert services.running(folder) == []


def test_service_that_never_answers_is_an_error_that_says_how_long_it_was_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_START_SECONDS", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "import time; time.sleep(600)"]

    with pytest.raises(ServiceError, match=rf"web did not answer http://127.0.0.1:{port}/health in 1 s; '.*web.log'"):
        services._ensure(folder, "web", port, command, {}, "/health")

    assert services.stop(folder) == ["web"]


def test_log_grows_with_every_start(folder: Path) -> None:
    for _ in range(2):
        with pytest.raises(ServiceError):
            services._ensure(folder, "web", 1, [sys.executable, "-c", "print('a start')"], {}, "/")

    assert (folder / "logs" / "web.log").read_text().splitlines() == ["a start", "a start"]


def test_service_sees_the_environment_and_what_was_added(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "seen")
    command = [sys.executable, "-c", "import os; print(os.environ['FROM_OUTSIDE'], os.environ['ADDED'])"]

    with pytest.raises(ServiceError):
        services._ensure(folder, "web", 1, command, {"ADDED": "too"}, "/")

    assert (folder / "logs" / "web.log").read_text() == "seen too\n"
    assert "ADDED" not in os.environ
