"""Claude Code and Codex through the gateway, where they are installed: they come from npm and are no dependency.

npm install -g @anthropic-ai/claude-code @openai/codex
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_upstream import AgentUpstream
from endpoint_process import Endpoint
from local_servers import served

from serving import tokens
from serving.gateway import upstreams
from serving.gateway.app import create_app
from serving.gateway.gateway_settings import GatewaySettings
from serving.gateway.protocols import messages, responses

CODEX = """
model = "auto"
model_provider = "modelsat"

[model_providers.modelsat]
name = "modelsat"
base_url = "{url}/v1"
env_key = "MODELSAT_TOKEN"
wire_api = "responses"
"""


@pytest.fixture
def gateway(endpoint: Endpoint) -> Iterator[tuple[str, AgentUpstream]]:
    upstream = AgentUpstream()
    with served(upstream.app()) as url:
        spoken = {"strong": ("chat",), "cheap": ("messages", "responses"), "weak": ("messages", "responses")}
        catalogue = {
            name: upstreams.Upstream(f"{url}/v1", name, protocols={one: {} for one in protocols})
            for name, protocols in spoken.items()
        }
        settings = GatewaySettings(frozenset({tokens.digest("sesame")}))
        with served(create_app(catalogue, endpoint.url, settings)) as address:
            yield address, upstream


def run(program: str, *arguments: str, folder: Path, **environment: str) -> str:
    """Run a client that must find nothing of the machine's own settings, and return what it prints."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed; npm has it")
    home = folder / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [path, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(home)} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_claude_code_calls_a_tool_and_answers(gateway: tuple[str, AgentUpstream], tmp_path: Path) -> None:
    url, upstream = gateway

    told = run(
        "claude", "-p", "Greet me from the capital of Switzerland.", "--allowedTools", "Bash", folder=tmp_path,
        ANTHROPIC_BASE_URL=url, ANTHROPIC_AUTH_TOKEN="sesame", ANTHROPIC_MODEL="auto",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
    )  # fmt: skip

    assert told.strip() == "Grüße aus Bern"
    assert upstream.models == ["cheap", "cheap"]
    first, second = (messages.conversation(body) for _, _, body in upstream.calls)
    assert second[: len(first)] == first
    results = [one for one in upstream.calls[1][2]["messages"][-2:] if "tool_result" in str(one)]
    assert "'content': 'Bern'" in str(results)


def test_codex_calls_a_tool_and_answers(gateway: tuple[str, AgentUpstream], tmp_path: Path) -> None:
    url, upstream = gateway
    settings = tmp_path / "home" / ".codex"
    settings.mkdir(parents=True)
    (settings / "config.toml").write_text(CODEX.format(url=url))

    told = run(
        "codex", "exec", "--skip-git-repo-check", "Greet me from the capital of Switzerland.", folder=tmp_path,
        MODELSAT_TOKEN="sesame",
    )  # fmt: skip

    assert told.strip().endswith("Grüße aus Bern")
    assert upstream.models == ["cheap", "cheap"]
    first, second = (responses.conversation(body) for _, _, body in upstream.calls)
    assert second[: len(first)] == first
    assert "Bern" in str([item for item in upstream.calls[1][2]["input"] if item["type"] == "function_call_output"])
