"""The guard against cost escalation: how often each client's prompts go to the dearest candidate.

Text can be made that looks hard to any router. Where a client's share of the dearest candidate passes the limit, that
candidate is held back from it until the share has fallen; by default nobody is held back and the share is only counted.
"""

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import Any

RECENT, LEAST = 200, 50
"""How many decisions of a client count, and from how many on its share says something."""
_MOST_CLIENTS = 10_000


class Escalation:
    """Counts per client.

    Args:
        most_share: Share of the dearest candidate that a client may reach, in [0, 1]; 1 holds nobody back.
    """

    def __init__(self, most_share: float = 1.0) -> None:
        self._most_share = most_share
        self._recent: OrderedDict[str, deque[bool]] = OrderedDict()

    def holds_back(self, client: str) -> bool:
        """Say whether the dearest candidate is held back from a client."""
        return self.share(client) > self._most_share

    def share(self, client: str) -> float:
        """Return the share of the dearest candidate among a client's last decisions; 0 before there are enough."""
        recent = self._recent.get(client, ())
        return sum(recent) / len(recent) if len(recent) >= LEAST else 0.0

    def largest_share(self) -> float:
        """Return the largest share of any client."""
        return max(map(self.share, self._recent), default=0.0)

    def count(self, client: str, wanted_dearest: bool) -> None:
        """Count a decision: whether the router wanted the dearest candidate, also where it was held back."""
        recent = self._recent.pop(client, None) or deque(maxlen=RECENT)
        recent.append(wanted_dearest)
        self._recent[client] = recent
        if len(self._recent) > _MOST_CLIENTS:
            self._recent.popitem(last=False)


def dearest(ranked: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the candidate that costs most; None where fewer than two prices are known or all are equal."""
    costs = {row["candidate"]: row["expected_cost_usd"] for row in ranked if row["expected_cost_usd"] is not None}
    if len(set(costs.values())) < 2:
        return None
    return str(max(costs, key=lambda name: costs[name]))
