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

    A test may begin where its expected cost is left, and gets as much as it can cost at most, as far as that is left.

    Args:
        budget_usd: For all of them together, above 0.
        plans: Of the tests; None where nothing is asked.
    """
    left = budget_usd
    divided = []
    for plan in plans:
        if plan is None:
            divided.append(Share())
            continue
        expected, most = plan.estimate.usd, plan.estimate.usd_most
        if expected is None or most is None:
            divided.append(Share(waits="a budget needs prices; add price_in and price_out to its row"))
        elif expected > left:
            divided.append(
                Share(waits=f"its test costs about {expected:.4f} USD, and {left:.4f} USD of the budget are left")
            )
        else:
            given = min(most, left)
            left -= given
            divided.append(Share(usd=given + plan.spent_usd))
    return divided
