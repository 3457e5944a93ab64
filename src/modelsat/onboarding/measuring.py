"""Puts a team's own questions to every candidate of a catalogue and leaves results that `collect` reads."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelsat.data.answers_folder import REPORT
from modelsat.errors import InputError, ModelsatError
from modelsat.onboarding import asking
from modelsat.onboarding.asking import AskingProgress, AskingSettings, Plan
from modelsat.onboarding.asking.judge import JudgeModel
from modelsat.onboarding.asking.own_questions import OwnQuestions
from modelsat.text.rendering import digest

Candidate = Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """One candidate's outcome.

    Attributes:
        candidate: Its name.
        folder: Of its answers.
        report: What `asked.json` says; None where it could not be asked to the end.
        fault: Why not; what was answered by then is kept.
    """

    candidate: str
    folder: Path
    report: Mapping[str, Any] | None = None
    fault: ModelsatError | None = None


def plan(
    candidates: Sequence[Candidate],
    questions: OwnQuestions,
    into: Path,
    settings: AskingSettings,
    judge: JudgeModel | None = None,
) -> dict[str, Plan]:
    """Say what `measure` would do, by candidate; call nobody and write nothing.

    Raises:
        InputError: A question needs a judge and there is none, or the budget does not cover what is expected.
    """
    if questions.is_judged and judge is None:
        raise InputError("some questions have the scorer 'judge'; name the model that judges them (--judge)")
    plans = {
        str(one["candidate"]): asking.plan(questions, one, folder_of(into, one), settings, judge) for one in candidates
    }
    _require_budget(plans, settings)
    return plans


def measure(
    candidates: Sequence[Candidate],
    questions: OwnQuestions,
    into: Path,
    settings: AskingSettings,
    judge: JudgeModel | None = None,
    progress: Callable[[str], Callable[[AskingProgress], None]] | None = None,
) -> list[Measured]:
    """Ask one candidate after the other what it has not answered yet; who cannot be asked stops nobody else.

    Args:
        candidates: Rows of the contract `CANDIDATES`.
        questions: What to put.
        into: Folder with a results folder for each candidate. The same call goes on where an earlier one stopped.
        settings: How to ask; the budget is that of all candidates together, earlier runs included.
        judge: For the questions that need one.
        progress: Given a candidate's name, returns what is called after each of its answers.

    Raises:
        InputError: As of `plan`.
    """
    plans = plan(candidates, questions, into, settings, judge)
    spent = {name: planned.spent_usd for name, planned in plans.items()}
    out = []
    for one in candidates:
        name, folder = str(one["candidate"]), folder_of(into, one)
        others = sum(usd for other, usd in spent.items() if other != name)
        try:
            if not _is_done(plans[name], folder):
                mine = _with_what_is_left(settings, others)
                asking.ask(questions, one, folder, mine, progress(name) if progress is not None else None, judge)
        except ModelsatError as fault:
            out.append(Measured(name, folder, fault=fault))
            spent[name] = asking.plan(questions, one, folder, settings, judge).spent_usd
            continue
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        spent[name] = report["cost_usd"] or 0.0
        out.append(Measured(name, folder, report))
    return out


def folder_of(into: Path, candidate: Candidate) -> Path:
    """Return the folder of a candidate's answers, one for each revision; a digest keeps similar names apart."""
    name, revision = str(candidate["candidate"]), str(candidate.get("revision") or "")
    mark = digest(json.dumps([name, revision]))[:8]
    return into / f"{name.replace('/', '--')}-{mark}"


def _is_done(planned: Plan, folder: Path) -> bool:
    return planned.answered == planned.questions and (folder / REPORT).is_file()


def _with_what_is_left(settings: AskingSettings, others: float) -> AskingSettings:
    if settings.budget_usd is None:
        return settings
    if settings.budget_usd <= others:
        raise InputError("the budget is used up; raise it, and run again")
    return replace(settings, budget_usd=settings.budget_usd - others)


def _require_budget(plans: Mapping[str, Plan], settings: AskingSettings) -> None:
    """Refuse a budget that would run dry under way: the candidates asked last would have fewer answers, or none."""
    if settings.budget_usd is None or all(one.answered == one.questions for one in plans.values()):
        return
    unpriced = [name for name, planned in plans.items() if planned.estimate.usd is None]
    if unpriced:
        raise InputError(f"a budget needs prices, and {unpriced[0]!r} has none; add price_in and price_out to its row")
    needed = sum((planned.estimate.usd or 0.0) + planned.spent_usd for planned in plans.values())
    if needed > settings.budget_usd:
        most = max(planned.questions for planned in plans.values())
        covered = int(most * settings.budget_usd / needed)
        hint = f"raise it, or ask fewer (--first {covered})" if covered else "raise it"
        raise InputError(
            f"all questions to {len(plans)} candidates cost about {needed:.4f} USD, more than the budget of "
            f"{settings.budget_usd:g}; {hint}"
        )
