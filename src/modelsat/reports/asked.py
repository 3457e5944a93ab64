"""What a terminal shows of a candidate that is asked: the plan, how far it is, and how it went."""

import time
from collections.abc import Mapping
from typing import Any, TextIO

from modelsat.onboarding.asking import AskingProgress, Plan

EVERY_SECONDS = 10.0


def announced(name: str, plan: Plan) -> str:
    """Return how many questions are left and what they will cost."""
    cost = plan.estimate
    before = f", {plan.answered} answered before" if plan.answered else ""
    usd = "cost unknown, as the catalogue has no prices"
    if cost.usd is not None and cost.usd_most is not None:
        usd = f"about {cost.usd:.4f} USD, at most {cost.usd_most:.4f} USD"
    left = plan.questions - plan.answered
    return f"{name}: {left} of {plan.questions} questions to ask{before}; about {cost.tokens_in:,} tokens in, {usd}"


class ProgressLine:
    """Shows how far a run is: in place on a terminal, else a line every ten seconds, and one in the end.

    Args:
        stream: Where it is shown.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._is_terminal = stream, stream.isatty()
        self._began = self._last = time.monotonic()
        self._done = 0

    def __call__(self, standing: AskingProgress) -> None:
        """Report progress."""
        self._done += 1
        now = time.monotonic()
        is_last = standing.answered + standing.without_answer == standing.planned
        if self._is_terminal or is_last or now - self._last >= EVERY_SECONDS:
            self._last = now
            text = standing_line(standing, self._done / max(now - self._began, 1e-9))
            start, end = ("\r", "\x1b[K") if self._is_terminal else ("", "\n")
            self._stream.write(f"{start}{text}{end}" + "\n" * (self._is_terminal and is_last))
            self._stream.flush()


def standing_line(standing: AskingProgress, per_second: float) -> str:
    """Return one line; `per_second` is the speed of this run."""
    left = (standing.planned - standing.answered - standing.without_answer) / max(per_second, 1e-9)
    parts = [f"{standing.answered}/{standing.planned} answered", f"{standing.unreadable} not readable"]
    if standing.without_answer:
        parts.append(f"{standing.without_answer} without an answer")
    if standing.usd is not None:
        parts.append(f"{standing.usd:.4f} USD")
    return " · ".join([*parts, f"{per_second:.1f} a second", f"{left:.0f} s left"])


def told(report: Mapping[str, Any]) -> str:
    """Return how it went, from `asked.json`."""
    cost = "at an unknown cost" if report["cost_usd"] is None else f"for {report['cost_usd']:.4f} USD"
    if report["cost_usd"] is not None and report["answers_without_cost"]:
        cost += f" and {report['answers_without_cost']} answers of unknown cost"
    lines = [
        f"{report['candidate']} answered {report['answered']} of {report['questions']} questions {cost}, "
        f"{report['accuracy']:.1%} of them right",
        f"{report['unreadable']} not readable, which count as wrong; {report['without_answer']} without an answer, "
        "which are left out",
    ]
    if report["is_over_budget"]:
        lines.append("the budget ended the run; raise it and run again to ask the rest")
    return "\n".join(lines)
