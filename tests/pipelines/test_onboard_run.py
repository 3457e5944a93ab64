"""A candidate comes, changes its price and goes: the real pipeline on this machine with a real MLflow server."""

import contextlib
import io
import itertools
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest

from modelsat.bundle import bundle, champions
from modelsat.bundle.bundle import Bundle
from modelsat.errors import ConflictError, ModelsatError, UnsetVariable, ValidationFailed
from modelsat.onboarding.releases import ledger
from modelsat.onboarding.releases.ledger import Release
from pipelines import local, one_candidate
from pipelines.watch import watch

NEW = "sim-generalist-large"
_SEEDS = itertools.count()


@dataclass(frozen=True)
class Machine:
    """A folder as `modelsat run` leaves it, with a champion that does not know one candidate of the sample."""

    folder: Path
    scores: Path
    tracking_uri: str

    def onboard(self, **choices: Any) -> one_candidate.OnboardingOutcome:
        """Run the pipeline for the candidate; the champion's lineage names where the others' results lie."""
        # Keys of local runs are drawn by `random`, which the test runner seeds alike for every test.
        random.seed(f"onboarding {next(_SEEDS)}")
        where = {"register_experiment": self.folder.name, "register_model_name": self.folder.name}
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            outcome = one_candidate.pipeline(self.folder, NEW, {**where, **choices}, self.tracking_uri)
        steps.append(steps_in(shown))
        return outcome

    def watch(self) -> list[str]:
        """Run the recurring pipeline once; return its steps in the order in which they ended."""
        random.seed(f"watch {next(_SEEDS)}")
        stores = {
            "catalogue": "catalogue.csv",
            "answer_results": "results",
            "answer_store": "answers",
            "ledger_store": "ledger",
            "register_bundle_store": "bundles",
            "promote_champion_store": "champions",
        }
        where = {name: str(self.folder / path) for name, path in stores.items()}
        where |= {"register_model_name": self.folder.name, "mlflow_tracking_uri": self.tracking_uri}
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            local.run(self.folder, where, watch)
        return steps_in(shown)

    def champion(self) -> Bundle:
        """Return the champion's bundle."""
        record = champions.current(str(self.folder / "champions"))
        assert record is not None
        return bundle.read(Path(record.bundle_uri))


steps: list[list[str]] = []


def steps_in(shown: io.StringIO) -> list[str]:
    """Return the steps of which a run told that they ended."""
    return re.findall(r"^(\w[\w -]+?) +(?:done|failed) +\d+\.\d s$", shown.getvalue(), re.MULTILINE)


@pytest.fixture
def machine(
    scores: Path, write_bundle_without: Callable[[str, Path], Bundle], mlflow_door: Any, tmp_path: Path
) -> Machine:
    mlflow_door.open()
    made = write_bundle_without(NEW, tmp_path / "first")
    uri = bundle.publish(tmp_path / "first", str(tmp_path / "bundles"))
    champions.promote(str(tmp_path / "champions"), uri, made.digest, "router/0", "first", "promoted", 0)
    return Machine(tmp_path, scores, mlflow_door.url)


def test_onboarding_whose_key_is_not_set_is_refused_before_anything_starts(
    write_bundle_without: Callable[[str, Path], Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEW_API_KEY", raising=False)
    made = write_bundle_without(NEW, tmp_path / "first")
    uri = bundle.publish(tmp_path / "first", str(tmp_path / "bundles"))
    champions.promote(str(tmp_path / "champions"), uri, made.digest, "router/0", "first", "promoted", 0)
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(f'- {{candidate: {NEW}, api_key_env: NEW_API_KEY, endpoint: "http://localhost:1/v1"}}\n')

    with pytest.raises(UnsetVariable, match="NEW_API_KEY is not set"):
        one_candidate.run(tmp_path, NEW, {"catalogue": str(catalogue)})

    assert not (tmp_path / "logs").exists()


@pytest.mark.slow
def test_candidate_comes_once_changes_its_price_and_goes(machine: Machine, tmp_path: Path) -> None:
    sources = [str(machine.scores)]

    came = machine.onboard(answer_scores=sources, gate_max_loss=1.0)

    assert came.promoted, came.sentence
    assert steps[-1] == [
        *("Check candidate and champion", "Take or ask for answers", "Validate answers", "Change the router"),
        *("Compare with the champion", "Register router", "Promote router"),
    ]
    assert machine.champion().names[-1] == NEW
    assert came.result["metrics"]["scored_prompts"] >= 50
    assert {path.name for path in (tmp_path / "pages").iterdir()} == {"answers.html", "card.html", "shadow.html"}
    client = mlflow.MlflowClient(machine.tracking_uri, machine.tracking_uri)
    version = client.get_model_version_by_alias(tmp_path.name, "champion")
    assert version.tags["onboarding_candidate"] == NEW
    assert len(version.tags["onboarding_parent"]) == len(machine.champion().digest)
    assert version.tags["onboarding_answers"]

    again = machine.onboard(answer_scores=sources)

    assert (again.promoted, again.result) == (False, {})
    assert again.sentence == f"nothing to do: candidate {NEW!r} is routed to already, as {NEW!r}"
    assert len(list((tmp_path / "champions").iterdir())) == 2

    (tmp_path / "catalogue.csv").write_text(f"candidate,price_in,price_out\n{NEW},123,456\n")
    assert machine.onboard(action="reprice", catalogue=str(tmp_path / "catalogue.csv")).promoted
    assert machine.champion().candidates.to_pylist()[-1]["price_out"] == 456.0

    gone = machine.onboard(action="remove")

    assert gone.promoted
    assert NEW not in machine.champion().names
    assert len(list((tmp_path / "champions").iterdir())) == 4


@pytest.mark.slow
def test_recurring_run_onboards_a_row_of_the_catalogue_once(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "catalogue.csv").write_text(f"candidate,price_in,price_out\n{NEW},123,456\n")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / NEW).symlink_to(machine.scores)

    first, second = machine.watch(), machine.watch()

    assert [first[0], *first[-3:]] == ["Find releases", "Promote router", "Settle release", "Plan retraining"]
    assert second == ["Find releases", "Plan retraining"]
    assert machine.champion().names[-1] == NEW
    ending = ledger.ending(str(tmp_path / "ledger"), Release(NEW).key)
    assert ending is not None
    assert (ending["outcome"], ending["attempt"]) == ("onboarded", 1)


@pytest.mark.slow
def test_refused_answers_end_the_run_before_anything_is_made(machine: Machine, tmp_path: Path) -> None:
    text = (machine.scores / "scores.csv").read_text(encoding="utf-8").splitlines()
    column = text[0].split(",").index(NEW)
    rows = [line.split(",") for line in text]
    for row in rows[1:]:
        row[column] = "1"
    folder = tmp_path / "perfect"
    folder.mkdir()
    (folder / "scores.csv").write_text("\n".join(f"{row[0]},{row[column]}" for row in rows), encoding="utf-8")
    (folder / "prompts.csv").write_bytes((machine.scores / "prompts.csv").read_bytes())

    with pytest.raises(ValidationFailed, match=r"the answers of .* are refused: all .* answers score 1") as refused:
        machine.onboard(answer_scores=[str(folder)])

    assert refused.value.exit_code == 3
    assert "refused" in (tmp_path / "pages" / "answers.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "champions").iterdir())) == len(list((tmp_path / "bundles").iterdir())) == 1


@pytest.mark.slow
def test_promotion_in_between_is_a_conflict_and_the_same_command_goes_on(machine: Machine, tmp_path: Path) -> None:
    record = champions.current(str(tmp_path / "champions"))
    assert record is not None
    other = (record.bundle_uri, record.bundle_digest, "router/other", "somebody else", "promoted")
    with _promoted_meanwhile(tmp_path, other), pytest.raises(ModelsatError) as conflict:
        machine.onboard(answer_scores=[str(machine.scores)], gate_max_loss=1.0)
    assert isinstance(conflict.value, ConflictError), conflict.value

    assert machine.onboard(answer_scores=[str(machine.scores)], gate_max_loss=1.0).promoted
    assert machine.champion().names[-1] == NEW


@contextlib.contextmanager
def _promoted_meanwhile(folder: Path, other: tuple[str, ...]) -> Iterator[None]:
    """Let somebody else promote as soon as the run has made its bundle."""
    over = threading.Event()

    def promote() -> None:
        while not over.is_set() and not list(folder.glob("pipeline/**/admit-candidate/executor_output.json")):
            time.sleep(0.02)
        champions.promote(str(folder / "champions"), *other, 1)

    thread = threading.Thread(target=promote)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
