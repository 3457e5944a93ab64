"""modelsat in the ten days: its services as processes, and the steps of its pipelines as their components call them."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import httpx
import yaml

from modelsat.bundle import champions
from modelsat.errors import ModelsatError
from modelsat.steps import collect, evaluate, finetune, instruct, onboard, promote, register, validate
from pipelines import services
from pipelines.whole_loop import await_champion
from versus import untrained
from versus.traffic import CLIENTS, OURS, Answer
from versus.untrained import Untrained
from versus.upstreams import score

TOKENS = tuple(f"client-{i:02d}" for i in range(CLIENTS))
_KEY = "versus " * 6
_FLUSHED_SECONDS = 34.0


@dataclass
class Ours:
    """The running product.

    Attributes:
        folder: Of `modelsat run`: services, bundles, champion records.
        upstreams: Address of the models.
        prices: USD per million tokens by model, as the catalogue has them.
        untrained: Stands in training's place.
    """

    folder: Path
    upstreams: str
    prices: dict[str, float]
    untrained: Untrained
    gateway: str = ""
    runs: int = 0

    @contextmanager
    def running(self, timeout: float) -> Iterator[None]:
        """Start MLflow, endpoint and gateway, and end them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mlflow, endpoint = services.mlflow(self.folder), services.endpoint(self.folder)
        self.mlflow, self.endpoint = mlflow.url, endpoint.url
        rows = [
            {"candidate": name, "base_url": f"{self.upstreams}/{OURS}/{name}/v1", "timeout_seconds": timeout}
            for name in self.prices
        ]
        (self.folder / "upstreams.yaml").write_text(yaml.safe_dump({"upstreams": rows}), encoding="utf-8")
        port = services._port(self.folder, "gateway")
        command = [sys.executable, "-m", "modelsat.cli", "gateway", "--upstreams", str(self.folder / "upstreams.yaml")]
        command += ["--endpoint", endpoint.url, "--port", str(port), "--feedback-log", str(self.folder / "feedback")]
        secrets = {"MODELSAT_GATEWAY_TOKENS": ",".join(TOKENS), "MODELSAT_FEEDBACK_KEY": _KEY}
        try:
            self.gateway = services._ensure(
                self.folder, "gateway", port, [*command, "--feedback-text"], secrets, "/healthz"
            ).url
            yield
        finally:
            services.stop(self.folder)

    def ask(self, http: httpx.Client, text: str, client: int) -> Answer:
        """Ask as a user does."""
        body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
        login = {"authorization": f"Bearer {TOKENS[client % CLIENTS]}"}
        answer = http.post(f"{self.gateway}/v1/chat/completions", json=body, headers=login)
        if answer.status_code != httpx.codes.OK:
            return Answer.lost()
        head = answer.headers
        return Answer(
            score(answer.json()["choices"][0]["message"]["content"]),
            head["x-modelsat-selected-model"],
            head["x-modelsat-outcome"],
            foreign=float(head.get("x-modelsat-foreign", "nan")),
            feedback=head.get("x-modelsat-feedback-id", ""),
        )

    def rate(self, http: httpx.Client, answer: Answer, client: int, value: float) -> None:
        """Say of an answer whether it was good."""
        login = {"authorization": f"Bearer {TOKENS[client % CLIENTS]}"}
        if answer.feedback:
            body = {"feedback_id": answer.feedback, "score": value}
            http.post(f"{self.gateway}/v1/feedback", json=body, headers=login).raise_for_status()

    def learn(self, sources: Sequence[Path]) -> str:
        """Retrain, as the pipeline does: validated, judged by the gate, registered, promoted; returns what came of it.

        Args:
            sources: Folders of results, and of the feedback log.
        """
        self.runs += 1
        work = self.folder / "retrain" / f"{self.runs:02d}"
        work.mkdir(parents=True)
        store, page = str(self.folder / "champions"), work / "page"
        collect.run([str(source) for source in sources], work / "scores", page)
        valid, sentence, _ = validate.run(work / "scores", store, 0.0, 0.10, page)
        if not valid:
            return f"halted at validation: {sentence}"
        instruct.run(work / "scores", 50, 1000, work / "instructions", page)
        settings = finetune.FinetuneSettings("cpu")
        made = (work / "router", work / "predictions", page, work / "training")
        with patch.dict(finetune._CHALLENGERS, joint=untrained.__name__):
            finetune.run(work / "instructions", *made, settings, launch=self.untrained.launch)
        contest = evaluate.run(work / "scores", work / "router", work / "predictions", store)
        evaluate.write_fallback(contest, work / "router", work / "fallback")
        evaluate.write_pages(contest, work / "report", work / "decisions", work / "result")
        verdict = str(contest.verdict.outcome)
        self._register(work, work / "fallback", f"versus-{self.runs}", verdict, contest.against_epoch, contest.promotes)
        return contest.sentence()

    def change(self, candidate: str, action: Literal["add", "remove", "reprice"], scores: Sequence[Path] = ()) -> str:
        """Let a candidate come, go or change its price, as `modelsat onboard` does; returns what came of it.

        Args:
            candidate: Its name.
            action: What is to change.
            scores: Folders with the results of a candidate that comes.
        """
        self.runs += 1
        work = self.folder / "onboard" / f"{self.runs:02d}"
        work.mkdir(parents=True)
        store, page = str(self.folder / "champions"), work / "page"
        order = onboard.place(candidate, action, self._catalogue(), store, self.mlflow, work / "order.json")
        sources = onboard.Sources([str(folder) for folder in scores], (), str(work / "answers"), work)
        key, unreadable, _ = onboard.gather(order, sources, onboard.AskingSettings(), work / "results")
        against, _ = onboard.validate(order, work / "results", unreadable, False, page)
        if against:
            return f"halted at validation: {against}"
        onboard.admit(order, work / "results", work / "router", page)
        judged = onboard.compare(order, work / "results", work / "router", 0.05)
        onboard.write_pages(judged, order, work / "report", work / "decisions", work / "result")
        self._register(work, work / "router", key, str(judged.verdict.outcome), order.epoch, judged.promotes)
        return judged.sentence()

    def _register(self, work: Path, fallback: Path, key: str, verdict: str, against_epoch: int, promotes: bool) -> None:
        """Register what was judged, and promote it where the verdict says so."""
        files = register.Files(work / "router", fallback, *(work / name for name in ("report", "decisions", "result")))
        where = register.RegistrationTarget(self.mlflow, "versus", "versus", str(self.folder / "bundles"))
        one = register.register(files, verdict, where, key)
        if promotes:
            wanted = promote.Rollout(
                key, against_epoch, one.bundle_uri, one.bundle_digest, f"versus/{one.version}", verdict
            )
            target = promote.RolloutTarget(str(self.folder / "champions"), self.mlflow)
            promote.run(wanted, target, None, None, work / "page")
            self.settle()

    def roll_back(self, epoch: int) -> None:
        """Type `modelsat rollback`.

        Raises:
            ModelsatError: It failed.
        """
        command = [sys.executable, "-m", "modelsat.cli", "rollback", "--yes", "--to", str(epoch)]
        done = subprocess.run([*command, "--folder", str(self.folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ModelsatError(f"rollback ended with {done.returncode}: {done.stderr[-1500:]}")
        self.settle()

    @property
    def epoch(self) -> int:
        """Return the epoch of the champion."""
        return champions.required(str(self.folder / "champions")).epoch

    def _catalogue(self) -> str:
        """Write the catalogue with the prices of now; returns its path."""
        rows = [{"candidate": name, "price_in": price, "price_out": price} for name, price in self.prices.items()]
        path = self.folder / "catalogue.yaml"
        path.write_text(yaml.safe_dump({"candidates": rows}), encoding="utf-8")
        return str(path)

    def settle(self) -> None:
        """Wait until the endpoint serves the champion."""
        await_champion(self.endpoint, champions.required(str(self.folder / "champions")).bundle_digest)

    def feedback_log(self) -> Path:
        """Return the feedback log, once the gateway has written what waits."""
        time.sleep(_FLUSHED_SECONDS)
        return self.folder / "feedback"
