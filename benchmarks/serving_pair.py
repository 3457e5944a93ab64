"""An endpoint, a gateway before it and an upstream, each a process of its own, for what is measured over minutes."""

import multiprocessing
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import uvicorn
from endpoint_process import free_port, resident_bytes
from fastapi import Request, Response
from local_servers import Upstream
from starlette.requests import ClientDisconnect

_START_SECONDS = 600.0


@dataclass(frozen=True)
class Served:
    """A server process."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    grpc_port: int = 0

    @property
    def resident_mib(self) -> float:
        """Return the memory that it holds."""
        return resident_bytes(self.process.pid) / 2**20

    @property
    def tracebacks(self) -> int:
        """Return how many tracebacks its log has."""
        return self.log.read_text(encoding="utf-8", errors="replace").count("Traceback")


@contextmanager
def pair(
    bundle: Path, names: Sequence[str], scratch: Path, python: str, deadline_seconds: float = 1.0
) -> Iterator[dict[str, Served]]:
    """Serve a bundle, and put a gateway in front of it and of one upstream that answers for all candidates.

    Args:
        bundle: Folder.
        names: Candidates.
        scratch: Folder for configurations and logs.
        python: Interpreter of the environment that is measured.
        deadline_seconds: Of the endpoint.
    """
    with ExitStack() as stack:
        upstream = stack.enter_context(_upstream())
        rows = "".join(f"  - {{candidate: {name}, base_url: '{upstream}/v1'}}\n" for name in names)
        (scratch / "upstreams.yaml").write_text(f"upstreams:\n{rows}", encoding="utf-8")
        grpc_port = free_port()
        endpoint = stack.enter_context(
            _running(
                python,
                scratch / "endpoint.log",
                "/v2/health/ready",
                "serve",
                "--bundle",
                str(bundle),
                "--grpc-port",
                str(grpc_port),
                "--deadline",
                str(deadline_seconds),
            )
        )
        gateway = stack.enter_context(
            _running(
                python,
                scratch / "gateway.log",
                "/readyz",
                "gateway",
                "--upstreams",
                str(scratch / "upstreams.yaml"),
                "--endpoint",
                f"http://127.0.0.1:{endpoint.port}",
                "--deadline",
                str(10 * deadline_seconds),
            )
        )
        yield {"endpoint": replace(endpoint, grpc_port=grpc_port), "gateway": gateway}


class Forgetful(Upstream):
    """An upstream that keeps nothing of what it was asked."""

    async def answer(self, request: Request) -> Response:
        """Answer, and forget."""
        self.bodies.clear()
        self.headers.clear()
        try:
            return await super().answer(request)
        except ClientDisconnect:
            # The gateway has left, since its client has; nobody reads this.
            return Response()


def _serve(port: int) -> None:
    uvicorn.run(Forgetful().app(), port=port, ws="none", log_config=None, access_log=False)


@contextmanager
def _upstream() -> Iterator[str]:
    """Run an upstream that answers for all candidates; in this process it would share the interpreter with clients."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.join()


@contextmanager
def _running(python: str, log: Path, probe: str, *arguments: str) -> Iterator[Served]:
    port = free_port()
    command = [python, "-m", "modelsat.cli", *arguments, "--port", str(port)]
    with log.open("wb") as out:
        # From elsewhere, so that the environment's own code is run and not that of this checkout.
        process = subprocess.Popen(command, cwd=log.parent, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(f"http://127.0.0.1:{port}{probe}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{arguments[0]} does not come up:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        yield Served(port, process, log)
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
