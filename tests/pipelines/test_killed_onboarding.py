"""An onboarding that is killed at random moments goes on: nothing is half done or done twice, the endpoint answers.

`MODELSAT_KILLS=50` kills more often; then the candidate comes again in further revisions, after a rollback each time.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from llm_server import LlmServer

from modelsat.bundle import bundle, champions
from modelsat.bundle.bundle import MANIFEST, Bundle
from modelsat.bundle.champions import Champion
from modelsat.cluster.rollout import deployed
from modelsat.io import mlflow_registry
from modelsat.onboarding.asking import questions
from modelsat.text import rendering
from pipelines import services
from pipelines.whole_loop import await_champion, infer

KILLS = int(os.environ.get("MODELSAT_KILLS", "1"))
NEW, MODEL = "sim-generalist-large", "modelsat-router"
QUESTIONS, CONCURRENCY = 60, 4
LINES, LINES_BEFORE_QUESTIONS = 10, 3
"""That `modelsat onboard` prints, one as each step ends."""
LONGEST_STEP_SECONDS = 4.0
PATIENCE_SECONDS = 60.0
NEVER = LINES, PATIENCE_SECONDS


@dataclass(frozen=True)
class Machine:
    """A folder as `modelsat run` leaves it, its services up, with a champion that does not know one candidate."""

    folder: Path
    endpoint: str
    where: deployed.RolloutTarget
    client: Any

    def champion(self) -> Champion:
        record = champions.current(self.where.store)
        assert record is not None
        return record

    def onboard(self, lines: int, seconds: float) -> bool:
        """Kill `modelsat onboard` so long after so many of its lines; say whether it had gone through by then."""
        command = [
            *(sys.executable, "-m", "modelsat.cli", "onboard", NEW, "--folder", str(self.folder), "--max-loss", "1"),
            *("--catalogue", str(self.folder / "catalogue.csv"), "--questions", str(QUESTIONS)),
            *("--concurrency", str(CONCURRENCY)),
        ]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        ) as process:
            assert process.stdout is not None
            told = list(itertools.islice(process.stdout, lines))
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return False
            assert process.returncode == 0, "".join([*told, *process.stdout])
        return True

    def check(self, before: Champion) -> None:
        """See that everything is as before the onboarding or as after it, and that nothing is there twice."""
        now = self.champion()
        assert now == before or now.epoch == before.epoch + 1
        assert bundle.read(Path(now.bundle_uri)).digest == now.bundle_digest
        for folder in Path(now.bundle_uri).parent.iterdir():
            if (folder / MANIFEST).exists():
                assert bundle.verify(folder) == folder.name
        alias = self.client.get_model_version_by_alias(MODEL, mlflow_registry.CHAMPION)
        assert f"{MODEL}/{alias.version}" in (before.model, now.model)
        assert bundle.verify(Path(alias.tags["bundle_uri"])) == alias.tags["bundle_digest"]
        keys = self.run_keys()
        assert len(set(keys)) == len(keys)

    def run_keys(self) -> list[str]:
        """Return the key of the run behind every registered version."""
        versions = self.client.search_model_versions(f"name = '{MODEL}'")
        return [self.client.get_run(version.run_id).data.tags[mlflow_registry.RUN_KEY] for version in versions]

    def logged_models(self) -> int:
        """Return how many models MLflow holds, those without a version among them."""
        experiment = self.client.get_experiment_by_name("modelsat")
        return len(self.client.search_logged_models([experiment.experiment_id]))


@pytest.fixture
def machine(
    write_bundle_without: Callable[[str, Path], Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    made = write_bundle_without(NEW, tmp_path / "first")
    uri = bundle.publish(tmp_path / "first", str(tmp_path / "bundles"))
    try:
        with warnings.catch_warnings():
            # The servers are meant to outlive the objects that started them.
            warnings.simplefilter("ignore", ResourceWarning)
            tracking_uri, endpoint = services.mlflow(tmp_path).url, services.endpoint(tmp_path).url
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        where = deployed.RolloutTarget(str(tmp_path / "champions"), tracking_uri)
        tags = {"bundle_uri": uri, "bundle_digest": made.digest}
        version = mlflow_registry.MlflowRun(tracking_uri, "modelsat", "first").register(
            tmp_path / "first", MODEL, "", tags
        )
        where.mirror(champions.promote(where.store, uri, made.digest, f"{MODEL}/{version}", "first", "promoted", 0))
        await_champion(endpoint, made.digest)
        yield Machine(tmp_path, endpoint, where, mlflow.MlflowClient(tracking_uri, tracking_uri))
    finally:
        services.stop(tmp_path)


@pytest.fixture
def llm(machine: Machine) -> Iterator[LlmServer]:
    """Server that plays the candidate: right on six of ten questions, always the same ones."""
    test = bundle.read(Path(machine.champion().bundle_uri)).aptitude_test
    gold = {questions.wording(one): str(one["answer"]) for one in questions.askable(test).to_pylist()}

    def answer(text: str) -> str:
        wrong = "0" if gold[text].isdigit() else "B" if gold[text] == "A" else "A"
        return f"Answer: {gold[text] if int(rendering.digest(text), 16) % 10 < 6 else wrong}"

    with LlmServer(answer, seconds=0.2).running() as server:
        yield server


@contextmanager
def asking_all_the_time(url: str) -> Iterator[list[str]]:
    """Ask the endpoint for a route ten times a second; yield the versions that answered, in the order of their turns.

    A request without an answer fails the test in the end.
    """
    over, served = threading.Event(), list[str]()

    def ask() -> None:
        while not over.wait(0.1):
            version = infer(url, "What is 17 plus 25?")["parameters"]["router_version"]
            if served[-1:] != [version]:
                served.append(version)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        try:
            yield served
        finally:
            over.set()
        asked.result()


def await_version(seen: list[str], digest: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while seen[-1:] != [digest[:12]]:
        assert time.monotonic() < deadline, f"the endpoint does not serve {digest[:12]}, the last it served is {seen}"
        time.sleep(0.05)


def moment(rng: np.random.Generator, killed: int, asked: int) -> tuple[int, float]:
    """Draw after how many lines and how many further seconds to kill; mostly amid the questions, while any are left."""
    if killed == KILLS:
        return NEVER
    amid = asked < QUESTIONS and rng.random() < 0.8
    return LINES_BEFORE_QUESTIONS if amid else int(rng.integers(LINES)), rng.uniform(0, LONGEST_STEP_SECONDS)


@pytest.mark.slow
def test_killed_onboarding_goes_on_and_leaves_nothing_half_done(machine: Machine, llm: LlmServer) -> None:
    rng, killed, served = np.random.default_rng(0), 0, [machine.champion().bundle_digest]
    with asking_all_the_time(machine.endpoint) as seen:
        for turn in itertools.count(1):
            row = f"candidate,revision,endpoint,price_in,price_out\n{NEW},r{turn},{llm.url},1,2\n"
            (machine.folder / "catalogue.csv").write_text(row)
            before, keys, kills, asked = machine.champion(), machine.run_keys(), killed, len(llm.asked)

            while not machine.onboard(*moment(rng, killed, len(llm.asked) - asked)):
                killed += 1
                machine.check(before)

            machine.check(before)
            now, alias = machine.champion(), machine.client.get_model_version_by_alias(MODEL, mlflow_registry.CHAMPION)
            assert (now.epoch, now.model) == (before.epoch + 1, f"{MODEL}/{alias.version}")
            assert len(machine.run_keys()) == machine.logged_models() == len(keys) + 1
            assert bundle.read(Path(now.bundle_uri)).names[-1] == NEW
            into = machine.folder / f"registered-{turn}"
            assert (
                bundle.verify(mlflow_registry.download_bundle(f"models:/{MODEL}@champion", into)) == now.bundle_digest
            )
            assert QUESTIONS <= len(llm.asked) - asked <= QUESTIONS + (killed - kills) * CONCURRENCY
            await_version(seen, now.bundle_digest)
            served.append(now.bundle_digest)
            if killed == KILLS:
                break
            back = deployed.roll_back(machine.where, epoch=1)
            assert back is not None
            await_version(seen, back.bundle_digest)
            served.append(back.bundle_digest)

    assert seen == [digest[:12] for digest in served]
