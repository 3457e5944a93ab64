"""The watch on one machine: each release once, retried where it failed, training last; the pipelines are scripted."""

import contextlib
import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelsat.bundle import bundle, champions
from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError, ModelsatError, ServiceError, UnsetVariable, ValidationFailed
from modelsat.io import processes
from modelsat.onboarding import order
from modelsat.onboarding.releases import ledger
from modelsat.onboarding.releases.ledger import Release
from modelsat.onboarding.releases.retraining import RetrainingRules
from modelsat.steps import watch
from pipelines import local, one_candidate, services
from pipelines.one_candidate import OnboardingOutcome
from pipelines.watch_here import Watch

CATALOGUE = """
- {candidate: good, endpoint: "http://localhost:1/v1"}
- {candidate: "no name for a candidate"}
- {candidate: bad, price_in: cheap}
- {candidate: idle}
- {candidate: better, endpoint: "http://localhost:1/v1"}
"""
PROMOTED = {"metrics": {"share_of_traffic": 0.4, "loss_bound": 0.01}}


@pytest.fixture
def folder(make_bundle: Callable[..., Bundle], tmp_path: Path) -> Path:
    """Folder with a champion that knows `old`, and a catalogue."""
    made = make_bundle({"old": 0.5}, lineage={"sources": ["behind"]}).write(tmp_path / "first")
    uri = bundle.publish(tmp_path / "first", str(tmp_path / "bundles"))
    champions.promote(str(tmp_path / "champions"), uri, made.digest, "router/1", "first", "promoted", 0)
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE)
    return tmp_path


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the pipelines do, by candidate: an outcome, or an error to raise; and the calls that they got."""
    script: dict[str, Any] = {"calls": [], "choices": [], "trained": []}

    def onboard(_: Path, candidate: str, choices: Any, tracking_uri: str) -> OnboardingOutcome:
        script["calls"].append(candidate)
        script["choices"].append(choices)
        told = script.get(candidate, OnboardingOutcome(True, f"{candidate} is in", PROMOTED, (f"answers/{candidate}",)))
        if isinstance(told, Exception):
            raise told
        return told

    def train(_: Path, arguments: Any) -> Path:
        script["trained"].append(arguments["collect_sources"])
        if "training" in script:
            raise script["training"]
        return Path()

    server = services.Service("mlflow", 1, 0.0, 1)
    estimated = type("Estimated", (), {"sentence": lambda _: "so much"})
    monkeypatch.setattr(one_candidate, "estimate", lambda *_: estimated())
    monkeypatch.setattr(one_candidate, "pipeline", onboard)
    monkeypatch.setattr(local, "run", train)
    monkeypatch.setattr(services, "mlflow", lambda _: server)
    return script


def look(folder: Path, rules: RetrainingRules | None = None) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        Watch(folder, str(folder / "catalogue.yaml"), str(folder / "ledger"), rules=rules).look()
    return shown.getvalue()


def ending(folder: Path, candidate: str) -> str | None:
    told = ledger.ending(str(folder / "ledger"), Release(candidate).key)
    return told and told["outcome"]


def test_broken_row_stops_nobody_else(folder: Path, edge: dict[str, Any]) -> None:
    shown = look(folder)

    assert sorted(edge["calls"]) == ["better", "good"]
    assert "row 2 of catalogue" in shown
    assert "row 3 of catalogue" in shown
    assert "'idle' has neither an endpoint nor results" in shown


def test_release_is_onboarded_once_however_often_it_is_looked_at(folder: Path, edge: dict[str, Any]) -> None:
    for _ in range(4):
        look(folder)

    assert sorted(edge["calls"]) == ["better", "good"]
    assert ending(folder, "good") == "onboarded"


@pytest.mark.parametrize("error", [ValidationFailed("copied"), InputError("no questions")])
def test_refusal_stands_while_the_row_is_the_same_and_tells_why(
    folder: Path, edge: dict[str, Any], error: Exception
) -> None:
    edge["good"] = error

    shown = look(folder) + look(folder)

    assert edge["calls"].count("good") == 1
    assert ending(folder, "good") == "refused"
    assert f"refused: {error}" in shown


def test_gate_that_keeps_the_champion_refuses(folder: Path, edge: dict[str, Any]) -> None:
    edge["good"] = OnboardingOutcome(False, "not promoted: might lose", PROMOTED)

    look(folder)

    assert ending(folder, "good") == "refused"


@pytest.mark.parametrize("change", ["endpoint: http://localhost:2/v1", "revision: '2'", "price_in: 3"])
def test_refused_release_is_tried_again_once_its_row_has_changed(
    folder: Path, edge: dict[str, Any], change: str
) -> None:
    edge["good"] = InputError("no")
    look(folder)
    edge.pop("good")
    rows = CATALOGUE.replace('{candidate: good, endpoint: "http://localhost:1/v1"}', "{candidate: good, ROW}")
    before = "" if change.startswith("endpoint") else 'endpoint: "http://localhost:1/v1", '
    (folder / "catalogue.yaml").write_text(
        rows.replace("ROW", before + change.replace("http://localhost:2/v1", '"http://localhost:2/v1"'))
    )

    look(folder)
    look(folder)

    assert edge["calls"].count("good") == 2
    assert "onboarded" in {
        one.status for one in watch.listing(str(folder / "ledger"), "", "", "")[0] if one.candidate == "good"
    }


def test_refused_release_is_not_tried_again_for_another_alias_or_another_row(
    folder: Path, edge: dict[str, Any]
) -> None:
    edge["good"] = InputError("no")
    look(folder)
    rows = CATALOGUE.replace("{candidate: good,", "{candidate: good, aliases: [org/good],").replace(
        "{candidate: bad, price_in: cheap}", "{candidate: bad, price_in: 1}"
    )
    (folder / "catalogue.yaml").write_text(rows)

    look(folder)

    assert edge["calls"].count("good") == 1


def test_catalogue_that_is_broken_while_a_release_is_worked_on_refuses_nothing(
    folder: Path, edge: dict[str, Any]
) -> None:
    whole = (folder / "catalogue.yaml").read_text()

    def broken(_: Path, candidate: str, *__: Any) -> OnboardingOutcome:
        (folder / "catalogue.yaml").write_text("- {candidate: good")
        order.place(candidate, "add", str(folder / "catalogue.yaml"), str(folder / "champions"))
        raise AssertionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_candidate, "pipeline", broken)
        shown = look(folder)
    (folder / "catalogue.yaml").write_text(whole)

    assert shown.count("the catalogue changed in between: the catalogue has no candidate") == 2
    assert (ending(folder, "good"), ending(folder, "better")) == (None, None)


def test_negative_price_of_one_row_refuses_no_other_release(folder: Path, edge: dict[str, Any]) -> None:
    """As a user lived it: every onboarding read the whole catalogue and failed at the row of somebody else."""
    (folder / "catalogue.yaml").write_text(CATALOGUE.replace("price_in: cheap", "price_in: -1"))

    def place(_: Path, candidate: str, choices: Any, tracking_uri: str) -> OnboardingOutcome:
        placed = order.place(candidate, choices["action"], choices["catalogue"], str(folder / "champions"))
        return OnboardingOutcome(True, f"{placed.change.candidate} is in", PROMOTED)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_candidate, "pipeline", place)
        shown = look(folder)
    assert "row 3 of catalogue" in shown
    assert (ending(folder, "good"), ending(folder, "better")) == ("onboarded", "onboarded")

    (folder / "catalogue.yaml").write_text(CATALOGUE.replace("price_in: cheap", 'endpoint: "http://localhost:1/v1"'))
    look(folder)

    assert edge["calls"] == ["bad"]


def test_release_waits_for_the_variable_of_its_key_and_is_taken_on_once_it_is_set(
    folder: Path, edge: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = '{candidate: good, api_key_env: GOOD_API_KEY, endpoint: "http://localhost:1/v1"}'
    (folder / "catalogue.yaml").write_text(f"- {row}")

    shown = look(folder)
    listed, _ = watch.listing(str(folder / "ledger"), str(folder / "catalogue.yaml"), "", str(folder / "champions"))
    assert edge["calls"] == []
    assert "'good' waits: the environment variable GOOD_API_KEY is not set" in shown
    assert [(one.status, one.candidate) for one in listed] == [("waiting", "good")]
    monkeypatch.setenv("GOOD_API_KEY", "a-key")

    look(folder)

    assert ending(folder, "good") == "onboarded"


def test_variable_that_is_unset_during_the_work_is_no_refusal(folder: Path, edge: dict[str, Any]) -> None:
    edge["good"] = UnsetVariable("the environment variable GOOD_API_KEY is not set")

    assert "waits, to be tried again in 60 s at the earliest: the environment variable" in look(folder)
    assert ending(folder, "good") is None


def test_endpoint_that_stays_away_is_waited_for_and_never_given_up(folder: Path, edge: dict[str, Any]) -> None:
    edge["good"] = ServiceError("the endpoint answers status 503")
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    for _ in range(8):
        look(folder)
        for path in (folder / "ledger").glob("*.waiting-*.json"):
            path.write_text(f'{{"reason": "away", "retry_at": "{past}"}}')
    edge.pop("good")

    look(folder)

    assert edge["calls"].count("good") == 9
    assert ending(folder, "good") == "onboarded"


def test_failure_is_reported_and_tried_again_after_a_while(folder: Path, edge: dict[str, Any]) -> None:
    edge["good"] = ModelsatError("a step of the pipeline failed")
    first = look(folder)
    too_early = look(folder)
    failed = next((folder / "ledger").glob(f"{Release('good').key}.failed-001.json"))
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    failed.write_text(f'{{"reason": "", "retry_at": "{past}"}}')
    edge.pop("good")

    look(folder)

    assert "attempt 1 failed, the next one comes in 60 s at the earliest: a step of the pipeline failed" in first
    assert "good" not in too_early
    assert edge["calls"].count("good") == 2
    assert ending(folder, "good") == "onboarded"


def test_training_comes_last_and_knows_every_release(folder: Path, edge: dict[str, Any]) -> None:
    rules = RetrainingRules(newcomers=2, least_seconds=0)

    shown = look(folder, rules)
    again = look(folder, rules)

    (trained,) = edge["trained"]
    assert sorted(trained) == ["answers/better", "answers/good", "behind"]
    assert shown.index("onboarded: good is in") < shown.index("2 releases since the last training")
    assert "retrained: trained on 3 sources" in shown
    assert "no call for a training" in again


def test_training_knows_a_candidate_whose_watch_was_killed_before_it_could_tell(
    folder: Path, edge: dict[str, Any], make_bundle: Callable[..., Bundle]
) -> None:
    lineage = {"sources": ["behind"], "answers_at": {"idle": ["answers/idle"]}}
    made = make_bundle({"old": 0.5, "idle": 0.5}, lineage=lineage).write(folder / "second")
    champions.promote(str(folder / "champions"), str(folder / "second"), made.digest, "router/2", "killed", "", 1)

    look(folder, RetrainingRules(newcomers=2, least_seconds=0))

    (trained,) = edge["trained"]
    assert sorted(trained) == ["answers/better", "answers/good", "answers/idle", "behind"]


def test_training_that_fails_is_tried_again_with_the_same_snapshot(folder: Path, edge: dict[str, Any]) -> None:
    edge["training"] = ServiceError("MLflow is down")
    rules = RetrainingRules(newcomers=2, least_seconds=0)

    shown = look(folder, rules)

    assert "waits, to be tried again in 60 s at the earliest: MLflow is down" in shown
    state = ledger.states(str(folder / "ledger"))["retraining-000001"]
    assert (state.attempts, state.failed, state.settled) == (1, True, False)


def test_look_without_a_champion_says_what_to_do_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no champion yet; train a first router with `modelsat run`"):
        Watch(tmp_path, "catalogue.yaml", str(tmp_path / "ledger")).run(every=1, once=True)


def test_worker_is_gone_when_its_process_is() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    mine = processes.worker()
    host = mine.split("/")[0]

    assert not processes.is_gone(mine)
    assert processes.is_gone(f"{host}/{process.pid}/1")
    process.kill()
    process.wait()
    assert processes.is_gone(f"{host}/{process.pid}/{time.time():.0f}")
    assert not processes.is_gone(f"elsewhere/{process.pid}/1")


def question(i: int) -> dict[str, object]:
    return {
        "version": "v1",
        "task": "sums",
        "category": "sums/plus",
        "keywords": [],
        "position": i,
        "prompt_id": f"q{i}",
        "stem_digest": f"{i}",
        "text": f"What is {i} plus {i}?",
        "answer": str(2 * i),
        "scorer": "number",
    }


def priced(folder: Path, **prices: float) -> None:
    """Write a catalogue of candidates with 1 USD of answers per question or so, and none without a price."""
    rows = [
        f'- {{candidate: {name}, endpoint: "http://localhost:1/v1", price_in: 0, price_out: {price}}}'
        for name, price in prices.items()
    ]
    (folder / "catalogue.yaml").write_text(
        "\n".join([*rows, '- {candidate: unpriced, endpoint: "http://localhost:1/v1"}'])
    )


def test_budget_of_a_look_is_for_all_its_releases_together(
    folder: Path, edge: dict[str, Any], make_bundle: Callable[..., Bundle]
) -> None:
    made = make_bundle({"old": 0.5}, aptitude_test=[question(i) for i in range(10)]).write(folder / "asked")
    champions.promote(str(folder / "champions"), str(folder / "asked"), made.digest, "router/2", "asked", "", 1)
    # Ten answers of 200 tokens are 2,000 tokens, at most 10,240: 0.02 and 0.1024 USD at 10 USD per million.
    priced(folder, good=10.0, better=10.0, best=10.0)

    def look_with(budget: float) -> str:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            Watch(folder, str(folder / "catalogue.yaml"), str(folder / "ledger"), rules=None, budget_usd=budget).look()
        return shown.getvalue()

    # A test gets what it is expected to cost and one longest question, 0.03024 USD; 0.00952 are left over and no test.
    first = look_with(0.07)
    budgets = [choices.get("ask_budget_usd") for choices in edge["choices"]]
    second = look_with(10.0)

    assert budgets == [pytest.approx(0.03976), pytest.approx(0.03024)]
    assert first.count("its test costs about 0.0200 USD, and 0.0095 USD of the budget are left for it") == 1
    assert "'unpriced' waits for the next look: a budget needs prices; add price_in and price_out" in first
    assert "'unpriced' waits" in second
    assert sorted(edge["calls"]) == ["best", "better", "good"]
    assert ending(folder, "unpriced") is None


def test_killed_watch_is_taken_over_by_the_next_one(folder: Path, edge: dict[str, Any]) -> None:
    code = (
        "import sys, time; from pathlib import Path; from pipelines import one_candidate, services, watch_here\n"
        "services.mlflow = lambda _: services.Service('mlflow', 1, 0.0, 1)\n"
        "def hang(*_): print('begun', flush=True); time.sleep(600)\n"
        "one_candidate.pipeline = hang\n"
        "one_candidate.estimate = lambda *_: type('Estimated', (), {'sentence': lambda _: 'so much'})()\n"
        "f = Path(sys.argv[1])\n"
        "watch_here.Watch(f, str(f / 'catalogue.yaml'), str(f / 'ledger'), rules=None).look()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while "begun" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    shown = look(folder)

    assert sorted(edge["calls"]) == ["better", "good"]
    assert "attempt 2" in shown
    assert {ending(folder, "good"), ending(folder, "better")} == {"onboarded"}
