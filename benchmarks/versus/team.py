"""The rival in the ten days: its process, and what its team does by hand where it has no command for an event."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from modelsat.errors import ServiceError
from modelsat.text.backbone import default_backbone
from pipelines import services
from versus.traffic import RIVAL, Answer
from versus.untrained import as_json
from versus.upstreams import score
from versus.world import Results

PROGRAM = Path(__file__).with_name("rival.py")
# LiteLLM stands behind the packages of this environment, of which it would bring others.
_WITH_LITELLM = (
    "import runpy, sys; sys.argv.pop(0); sys.path.append(sys.argv.pop(0)); "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
_OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
_PATIENCE_SECONDS = 600.0


@dataclass
class Rival:
    """The rival's process and files.

    Attributes:
        folder: Of its files.
        upstreams: Address of the models.
        prices: USD per million tokens by model.
        vectors: NPZ file of vectors that were computed earlier.
        litellm: Folder of the packages of an environment with LiteLLM.
        tables: All tables of outcomes that it has served, the newest last: the team keeps them in Git.
    """

    folder: Path
    upstreams: str
    prices: dict[str, float]
    vectors: Path
    litellm: Path
    timeout: float = 2.0
    url: str = ""
    tables: list[dict[str, dict[str, float]]] = field(default_factory=list)

    @contextmanager
    def running(self, results: Results) -> Iterator[None]:
        """Start it with what is known, and end it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.tables.append(results.as_json())
        self._write()
        port = services._port(self.folder, "rival")
        command = [sys.executable, "-c", _WITH_LITELLM, str(self.litellm), str(PROGRAM)]
        with (self.folder / "rival.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, str(self.folder / "config.json"), str(port)],
                env=os.environ | _OFFLINE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.url = f"http://127.0.0.1:{port}"
        try:
            self.settle()
            yield
        finally:
            self.process.terminate()
            self.process.wait()

    def ask(self, http: httpx.Client, text: str, client: int) -> Answer:
        """Ask as a user does."""
        del client
        body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
        answer = http.post(f"{self.url}/v1/chat/completions", json=body)
        if answer.status_code != httpx.codes.OK:
            return Answer.lost()
        told = answer.json()
        return Answer(score(told["choices"][0]["message"]["content"]), told["model"], feedback=text)

    def rate(self, http: httpx.Client, answer: Answer, client: int, value: float) -> None:
        """Say of an answer whether it was good."""
        del client
        if answer.model:
            body = {"prompt": answer.feedback, "model": answer.model, "score": value}
            http.post(f"{self.url}/feedback", json=body).raise_for_status()

    def serve(self, table: dict[str, dict[str, float]]) -> None:
        """Put a table of outcomes into service: the night's, or an earlier one from Git."""
        self.tables.append(table)
        self.reconfigure()

    def learn_feedback(self) -> int:
        """Add what users said of answers to the outcomes; returns how many ratings there were."""
        rows = [json.loads(line) for line in (self.folder / "feedback.jsonl").read_text("utf-8").splitlines()]
        said: dict[tuple[str, str], list[float]] = {}
        for row in rows:
            said.setdefault((row["prompt"], row["model"]), []).append(row["score"])
        table = {text: dict(scores) for text, scores in self.tables[-1].items()}
        for (text, model), scores in said.items():
            table.setdefault(text, {})[model] = sum(scores) / len(scores)
        self.serve(table)
        return len(rows)

    def reconfigure(self) -> None:
        """Take changed prices, or models that are gone, into service."""
        self._write()
        self.settle()

    def settle(self) -> None:
        """Wait until it serves its files.

        Raises:
            ServiceError: It does not in good time; its log says why.
        """
        wanted = "-".join(str((self.folder / name).stat().st_mtime_ns) for name in ("config.json", "outcomes.json"))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/healthz", timeout=5).json()["version"] == wanted:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise ServiceError(f"the rival does not serve its files; {str(self.folder / 'rival.log')!r} says why")

    def _write(self) -> None:
        table = self.tables[-1]
        as_json(
            self.folder / "outcomes.json",
            {text: {name: one for name, one in row.items() if name in self.prices} for text, row in table.items()},
        )
        run = {name for row in table.values() for name in row}
        models = {
            name: {"base_url": f"{self.upstreams}/{RIVAL}/{name}/v1", "price": price}
            for name, price in self.prices.items()
            if name in run
        }
        facts = {
            "models": models,
            "outcomes": str(self.folder / "outcomes.json"),
            "vectors": str(self.vectors),
            "encoder": str(default_backbone()),
            "feedback": str(self.folder / "feedback.jsonl"),
            "timeout": self.timeout,
        }
        as_json(self.folder / "config.json", facts)
