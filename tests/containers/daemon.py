"""The docker daemon that MODELSAT_DOCKER_HOST names; without one, the tests of this tier are skipped."""

import os
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import pytest

SOCKET = os.environ.get("MODELSAT_DOCKER_HOST", "")
HOST = f"unix://{SOCKET}" if SOCKET.startswith("/") else SOCKET

# What the manifests give every container of ours: a read-only disk but for /tmp, and no rights beyond its user's.
RESTRICTED = (
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),  # noqa: S108
    *("--security-opt", "no-new-privileges"),
)

needed = [
    pytest.mark.docker,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not SOCKET, reason="MODELSAT_DOCKER_HOST names no docker socket"),
]


def docker(*words: str) -> str:
    """Run the docker command on the daemon of these tests and return what it printed."""
    command = [*shlex.split(os.environ.get("DOCKER", "docker")), *words]
    done = subprocess.run(command, env={**os.environ, "DOCKER_HOST": HOST}, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"
    return done.stdout.strip()


@contextmanager
def container(*words: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start a container that runs beside the test, give its id, and remove it in the end."""
    settings = [word for name, value in (environment or {}).items() for word in ("--env", f"{name}={value}")]
    started = docker("run", "--detach", *settings, *words)
    try:
        yield started
    finally:
        docker("rm", "--force", "--volumes", started)


def address(of: str, port: int) -> str:
    """Return where this machine reaches a published port of a container."""
    return f"http://localhost:{docker('port', of, str(port)).splitlines()[0].rpartition(':')[2]}"


def answers(url: str, seconds: float = 120) -> None:
    """Wait until an address answers with success."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310
            return
        time.sleep(0.1)
    pytest.fail(f"{url} did not answer in {seconds:.0f} s")
