"""MLflow and the endpoint as background processes of one machine: free ports, pid files, health checks, an end.

Each service has a file `.run/NAME.json` with pid, start time and port; a process of the same pid but another start
time is a stranger and never touched.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from modelsat.errors import ServiceError
from modelsat.io.atomic import write_json

_START_SECONDS = 90
_STOP_SECONDS = 15


@dataclass(frozen=True)
class Service:
    """A running background process."""

    name: str
    pid: int
    started: float
    port: int

    @property
    def url(self) -> str:
        """Return its address on this machine."""
        return f"http://127.0.0.1:{self.port}"

    def alive(self) -> bool:
        """Say whether this very process runs."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def mlflow(folder: Path) -> Service:
    """Start MLflow with SQLite and local artifacts below `folder`, or find it running."""
    port = _port(folder, "mlflow")
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder.resolve()}/mlflow.db"),
        *("--artifacts-destination", str(folder.resolve() / "mlflow-artifacts")),
    ]
    # Its job runner takes eight processes and 1.3 GB that nothing here uses.
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return _ensure(folder, "mlflow", port, command, environment, "/health")


def endpoint(folder: Path) -> Service:
    """Start the KServe endpoint that follows the champion records below `folder`, or find it running."""
    port = _port(folder, "endpoint")
    command = [sys.executable, "-m", "modelsat.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--champions", str(folder.resolve() / "champions")]
    return _ensure(folder, "endpoint", port, command, {}, "/v2/health/live")


def running(folder: Path) -> list[Service]:
    """Return the services whose processes run."""
    found = [_recorded(path) for path in sorted(folder.glob("*.json"))]
    return [service for service in found if service is not None and service.alive()]


def stop(folder: Path) -> list[str]:
    """End all services and their children; return the names of those that ran."""
    stopped = []
    for service in running(folder):
        # It may end by itself at any moment.
        with contextlib.suppress(psutil.NoSuchProcess):
            _end(psutil.Process(service.pid))
        stopped.append(service.name)
    for path in folder.glob("*.json"):
        if _recorded(path) is not None:
            path.unlink()
    return stopped


def _end(process: psutil.Process) -> None:
    family = [process, *process.children(recursive=True)]
    process.terminate()
    _, left = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for stubborn in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            stubborn.kill()
    psutil.wait_procs(left, timeout=_STOP_SECONDS)


def _ensure(
    folder: Path, name: str, port: int, command: list[str], environment: dict[str, str], health: str
) -> Service:
    known = _recorded(folder / f"{name}.json")
    if known is not None and known.alive():
        _wait(known, folder, health)
        return known
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    with (folder / "logs" / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Service(name, process.pid, psutil.Process(process.pid).create_time(), port)
    write_json(folder / f"{name}.json", asdict(service))
    _wait(service, folder, health)
    return service


def _wait(service: Service, folder: Path, health: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    log = folder / "logs" / f"{service.name}.log"
    while time.monotonic() < deadline:
        if not service.alive():
            raise ServiceError(f"{service.name} ended while it started; {str(log)!r} says why")
        try:
            with urllib.request.urlopen(f"{service.url}{health}", timeout=5):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise ServiceError(
        f"{service.name} did not answer {service.url}{health} in {_START_SECONDS} s; {str(log)!r} says why"
    )


def _recorded(path: Path) -> Service | None:
    try:
        return Service(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _port(folder: Path, name: str) -> int:
    known = _recorded(folder / f"{name}.json")
    if known is not None and known.alive():
        return known.port
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
