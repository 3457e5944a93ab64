"""The gateway beside a direct call and beside LiteLLM's proxy, each a process of its own before one local upstream.

LiteLLM and the `openai` client are no dependencies of ours: they live in the environment whose interpreter is named.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml
from endpoint_process import free_port
from local_servers import Upstream, served
from serving_traffic import Connections, in_turns, milliseconds

from modelsat.errors import ServiceError
from serving.gateway import litellm_hook

CHAT = "/v1/chat/completions"
CLIENT = Path(__file__).resolve().parent / "serving_clients" / "openai_bytes.py"
# LiteLLM: prices from its own files, and no key of the proxy, as our gateway has none here.
OFFLINE = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
_START_SECONDS = 600.0


@dataclass(frozen=True)
class Server:
    """A server process: its address, and its number."""

    url: str
    pid: int


ASKED: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": [{"type": "text", "text": "Prove that sqrt(2) is irrational, \u00e9 \U0001f600."}]},
    ],
    "temperature": 0.1,
    "tools": [{"type": "function", "function": {"name": "prove", "parameters": {"type": "object"}}}],
}


def beside_direct(
    url: str, texts: Iterator[str], names: Sequence[str], scratch: Path, clients: Path | None
) -> dict[str, float]:
    """Return milliseconds to the first byte of a streamed answer, and what gateway and proxy add to it.

    Args:
        url: Of the endpoint.
        texts: Distinct prompts.
        names: Candidates.
        scratch: Folder for configurations and logs.
        clients: Interpreter of the environment with LiteLLM; None leaves the proxy out.
    """
    with ExitStack() as stack:
        upstream = stack.enter_context(served(Upstream().app()))
        runner = stack.enter_context(asyncio.Runner())
        gateway = stack.enter_context(gateway_process(scratch, url, upstream, names)).url
        ways = {"direct": (upstream, names[0]), "named": (gateway, names[0]), "auto": (gateway, "auto")}
        if clients is not None:
            proxy = stack.enter_context(litellm_process(scratch, upstream, names, clients, gateway)).url
            ways |= {"litellm": (proxy, names[0]), "litellm auto": (proxy, "auto")}
        kept = {way: Connections(address) for way, (address, _) in ways.items()}

        def ask(way: str, model: str) -> float:
            told = runner.run(kept[way].ask(_chat(model, next(texts)), CHAT, until_first_byte=True))
            if told.status != 200:
                raise ServiceError(f"{way} answered {told.status}; see the logs in {str(scratch)!r}")
            return told.seconds

        seconds = in_turns({way: partial(ask, way, model) for way, (_, model) in ways.items()})
    middle = {way: float(np.median(values)) for way, values in seconds.items()}
    added = {way: round(1000 * (middle[way] - middle["direct"]), 2) for way in ways}
    found = {
        "direct, ms to first byte": milliseconds(seconds["direct"]),
        "added for a named candidate, ms": added["named"],
        "added for auto, ms": added["auto"],
    }
    if clients is not None:
        found["added by LiteLLM's proxy for a named model, ms"] = added["litellm"]
        found["added by LiteLLM's proxy for auto, with our hook, ms"] = added["litellm auto"]
        found["LiteLLM's proxy / gateway, named"] = round(added["litellm"] / added["named"], 1)
    return found


def with_openai(url: str, names: Sequence[str], scratch: Path, clients: Path) -> dict[str, Any]:
    """Let the `openai` client ask directly and through the gateway; say what differs.

    Raises:
        ServiceError: The client failed.
    """
    heard = Upstream()
    with ExitStack() as stack:
        upstream = stack.enter_context(served(heard.app()))
        gateway = stack.enter_context(gateway_process(scratch, url, upstream, names)).url
        # Who answers `auto` is asked first, so that the direct call may name the same model.
        decision = httpx.post(f"{gateway}/v1/route", json=ASKED, timeout=30).raise_for_status().json()
        command = [str(clients), str(CLIENT), upstream, decision["model"], gateway]
        done = subprocess.run(command, input=json.dumps(ASKED), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"the openai client of {str(clients)!r} failed:\n{done.stderr[-2000:]}")
    told = json.loads(done.stdout)
    answers = {way: _without(told[way], "who answered") for way in ("direct", "named", "auto")}
    bodies = [json.dumps(body, sort_keys=True) for body in heard.bodies]
    calls = len(bodies) // 3
    return {
        "version of openai": told["version"],
        "calls each way": calls,
        "answers that differ from the direct ones, named": _differing(answers["direct"], answers["named"]),
        "answers that differ from the direct ones, auto": _differing(answers["direct"], answers["auto"]),
        "bodies that reached the upstream changed": sum(bodies[i] != bodies[i % calls] for i in range(len(bodies))),
        "bytes streamed": len(told["auto"]["bytes, stream True"]),
    }


def _without(told: dict[str, Any], start: str) -> dict[str, Any]:
    return {name: value for name, value in told.items() if not name.startswith(start)}


def _differing(direct: dict[str, Any], other: dict[str, Any]) -> int:
    return sum(direct[name] != other[name] for name in direct)


def _chat(model: str, text: str) -> bytes:
    return json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}).encode()


@contextmanager
def gateway_process(
    scratch: Path,
    endpoint: str,
    upstream: str,
    names: Sequence[str],
    python: str = sys.executable,
    more: Sequence[str] = (),
    environment: Mapping[str, str] = {},
) -> Iterator[Server]:
    """Run `modelsat gateway` with one upstream behind all candidates.

    Args:
        scratch: Folder for its configuration and its log.
        endpoint: Address.
        upstream: Address.
        names: Candidates.
        python: Interpreter of the environment whose gateway it is.
        more: Further options.
        environment: Further variables.
    """
    file = scratch / "upstreams.yaml"
    rows = [{"candidate": name, "base_url": f"{upstream}/v1"} for name in names]
    file.write_text(yaml.safe_dump({"upstreams": rows}), encoding="utf-8")
    port = free_port()
    arguments = ["--upstreams", str(file), "--endpoint", endpoint, "--port", str(port)]
    command = [python, "-m", "modelsat.cli", "gateway", *arguments, *more]
    with _running(command, scratch / "gateway.log", port, "/readyz", environment) as pid:
        yield Server(f"http://127.0.0.1:{port}", pid)


@contextmanager
def litellm_process(scratch: Path, upstream: str, names: Sequence[str], python: Path, gateway: str) -> Iterator[Server]:
    """Run LiteLLM's proxy with one upstream behind all names, and our hook for `auto`."""
    shutil.copy(litellm_hook.__file__, scratch)
    file, port = scratch / "litellm.yaml", free_port()
    parameters = {"api_base": f"{upstream}/v1", "api_key": "none"}
    models = [{"model_name": name, "litellm_params": {"model": f"openai/{name}", **parameters}} for name in names]
    settings = {"callbacks": "litellm_hook.hook"}
    file.write_text(yaml.safe_dump({"model_list": models, "litellm_settings": settings}), encoding="utf-8")
    command = [str(python.parent / "litellm"), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    with _running(command, scratch / "litellm.log", port, "/health/liveliness", {litellm_hook.URL: gateway}) as pid:
        yield Server(f"http://127.0.0.1:{port}", pid)


@contextmanager
def _running(
    command: list[str], log: Path, port: int, probe: str, environment: Mapping[str, str] = {}
) -> Iterator[int]:
    with log.open("wb") as out:
        # From elsewhere, so that the environment's own code is run and not that of this checkout.
        process = subprocess.Popen(
            command, cwd=log.parent, env=os.environ | OFFLINE | environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(f"http://127.0.0.1:{port}{probe}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(f"{command[0]!r} does not come up:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return bool(httpx.get(url, timeout=5).status_code == 200)
    except httpx.HTTPError:
        return False
