"""One budget for the tests of several releases: who may begin, and with how much of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelsat.onboarding.asking import Plan


@dataclass(frozen=True)
class Share:
    """What one release may cost.

    Attributes:
        usd: Budget of its test with the answers of before; 0 where nothing is asked.
        waits: Why it has to wait; "" where it may begin.
    """

    usd: float = 0.0
    waits: str = ""


def shares(budget_usd: float, plans: Sequence[Plan | None]) -> list[Share]:
    """Divide a budget, first come, first served; the sum of the shares never exceeds it.

    A test may begin where its expected cost is left. It gets that and one question at its longest, without which the
    last one could not begin; what is left over then goes to them in order, up to what each can cost at most. So a
    single test that might become dear keeps no others waiting.

    Args:
        budget_usd: For all of them together, above 0.
        plans: Of the tests; None where nothing is asked.
    """
    left = budget_usd
    given: dict[int, float] = {}
    divided: list[Share] = []
    for i, plan in enumerate(plans):
        divided.append(Share())
        if plan is None:
            continue
        expected, most = plan.estimate.usd, plan.estimate.usd_most
        if expected is None or most is None:
            divided[i] = Share(waits="a budget needs prices; add price_in and price_out to its row")
        elif expected > left:
            divided[i] = Share(
                waits=f"its test costs about {expected:.4f} USD, and {left:.4f} USD of the budget are left for it"
            )
        else:
            longest = most / max(plan.questions - plan.answered, 1)
            given[i] = min(expected + longest, most, left)
            left -= given[i]
    for i, reserved in given.items():
        plan = plans[i]
        if plan is not None and plan.estimate.usd_most is not None:
            more = min(plan.estimate.usd_most - reserved, left)
            left -= more
            divided[i] = Share(usd=reserved + more + plan.spent_usd)
    return divided
