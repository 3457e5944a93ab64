"""One onboarding on one machine: services up, pipeline run, endpoint at the new champion, result shown."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelsat.bundle import champions
from modelsat.errors import VerdictNo
from modelsat.steps import estimate as estimates
from modelsat.steps.estimate import OnboardingEstimate
from pipelines import local, services
from pipelines.onboard import onboard
from pipelines.whole_loop import await_champion, say, timed


@dataclass(frozen=True)
class OnboardingOutcome:
    """What came of an onboarding.

    Attributes:
        promoted: Whether a new champion was recorded.
        sentence: What was decided and why.
        result: The shadow evaluation, as in its JSON; empty where nothing was left to do.
        sources: Where the candidate's results are kept.
    """

    promoted: bool
    sentence: str
    result: Mapping[str, Any]
    sources: tuple[str, ...] = ()


def run(folder: Path, candidate: str, choices: Mapping[str, Any]) -> OnboardingOutcome:
    """Onboard a candidate at the champion of `folder` and show what came of it.

    Args:
        folder: Folder of `modelsat run`.
        candidate: Name of the candidate.
        choices: Parameters of the pipeline that differ from their defaults.

    Raises:
        ModelsatError: A step failed or refused; the endpoint keeps serving what it served.
        VerdictNo: The gate kept the champion.
    """
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    estimated = estimate(folder, candidate, choices)
    estimated.require_key()
    say(f"{estimated.sentence()}\n")
    mlflow = timed("Start MLflow", lambda: services.mlflow(folder))
    endpoint = timed("Start endpoint", lambda: services.endpoint(folder))
    outcome = pipeline(folder, candidate, choices, mlflow.url)
    champion = champions.current(str(folder / "champions"))
    if outcome.promoted and champion is not None:
        timed("Endpoint serves the champion", lambda: await_champion(endpoint.url, champion.bundle_digest))
    if outcome.result:
        say(f"\n{_shares(outcome.result)}")
    say(f"\n{outcome.sentence}")
    if outcome.result:
        say(f"\nPages  {folder / 'pages' / 'answers.html'}, card.html, shadow.html")
        if not outcome.promoted:
            raise VerdictNo(outcome.sentence)
    say(f"Done in {time.monotonic() - began:.0f} s.")
    return outcome


def estimate(folder: Path, candidate: str, choices: Mapping[str, Any]) -> OnboardingEstimate:
    """Say what an onboarding would do and cost; call nobody and write nothing.

    Args:
        folder: As of `run`, like the others.
        candidate: Likewise.
        choices: Likewise.

    Raises:
        InputError: There is no champion, no such candidate, or it cannot be asked.
    """
    folder = folder.resolve()
    return estimates.of(
        candidate,
        choices.get("action", "add"),
        choices.get("catalogue", ""),
        choices.get("answer_scores", []),
        str(folder / "champions"),
        estimates.settings(choices),
        folder / "work",
    )


def pipeline(folder: Path, candidate: str, choices: Mapping[str, Any], tracking_uri: str) -> OnboardingOutcome:
    """Run the pipeline alone, with services that are up."""
    tasks = local.run(folder, arguments(folder, candidate, choices, tracking_uri), onboard)
    result = local.output(tasks, "shadow-router", "result")
    if not result.is_file():
        order = json.loads(local.output(tasks, "place-order", "order").read_text(encoding="utf-8"))
        return OnboardingOutcome(False, f"nothing to do: {order['done']}", {})
    facts = json.loads(result.read_text(encoding="utf-8"))
    sources = json.loads(local.output(tasks, "take-answers", "results").joinpath("collection.json").read_text("utf-8"))
    verdict = facts["verdict"]
    return OnboardingOutcome(verdict["outcome"] == "promoted", verdict["sentence"], facts, tuple(sources["sources"]))


def arguments(folder: Path, candidate: str, choices: Mapping[str, Any], tracking_uri: str) -> dict[str, Any]:
    """Return the parameters of a run that keeps everything below `folder`."""
    return {
        "candidate": candidate,
        "answer_store": str(folder / "answers"),
        "ask_work_root": str(folder / "work"),
        "register_bundle_store": str(folder / "bundles"),
        "promote_champion_store": str(folder / "champions"),
        "mlflow_tracking_uri": tracking_uri,
        **choices,
    }


def _shares(result: Mapping[str, Any]) -> str:
    """Return who answers how much before and after, largest first."""
    before, after = result["before"], result["after"]
    names = sorted({*before, *after}, key=lambda name: -after.get(name, 0.0))
    shown = [name for name in names if name == result["change"]["candidate"] or name in names[:8]]
    width = max(map(len, shown))
    lines = [f"  {'share of prompts':<{width}}   champion   changed"]
    for name in shown:
        mark = "›" if name == result["change"]["candidate"] else " "
        shares = 100 * before.get(name, 0.0), 100 * after.get(name, 0.0)
        lines.append(f"{mark} {name:<{width}}  {shares[0]:>7.1f} %  {shares[1]:>6.1f} %")
    return "\n".join(lines)
