"""What a terminal shows of a candidate that is asked: the plan, and how it went."""

from collections.abc import Mapping
from typing import Any

from modelsat.onboarding.asking import Plan


def announced(name: str, plan: Plan) -> str:
    """Return how many questions are left and what they will cost."""
    cost = plan.estimate
    before = f", {plan.answered} answered before" if plan.answered else ""
    usd = "cost unknown, as the catalogue has no prices"
    if cost.usd is not None and cost.usd_most is not None:
        usd = f"about {cost.usd:.4f} USD, at most {cost.usd_most:.4f} USD"
    left = plan.questions - plan.answered
    return f"{name}: {left} of {plan.questions} questions to ask{before}; about {cost.tokens_in:,} tokens in, {usd}"


def told(report: Mapping[str, Any]) -> str:
    """Return how it went, from `asked.json`."""
    cost = "at an unknown cost" if report["cost_usd"] is None else f"for {report['cost_usd']:.4f} USD"
    if report["cost_usd"] is not None and report["answers_without_cost"]:
        cost += f" and {report['answers_without_cost']} answers of unknown cost"
    because = f" (the last one {report['last_without_answer']})" if report.get("last_without_answer") else ""
    lines = [
        f"{report['candidate']} answered {report['answered']} of {report['questions']} questions {cost}, "
        f"{report['accuracy']:.1%} of them right",
        f"{report['unreadable']} not readable, which count as wrong; {report['without_answer']} without an answer, "
        f"which are left out{because}",
    ]
    if report.get("cut_off"):
        lines.append(f"{report['cut_off']} of them were cut off at the longest length; raise max_tokens (--max-tokens)")
    if report["is_over_budget"]:
        lines.append("the budget ended the run; raise it and run again to ask the rest")
    return "\n".join(lines)
