"""The best single candidate as far as the router has told: what answers while the router cannot be asked."""

from collections.abc import Collection

import numpy as np

from serving.gateway.endpoint import Routed


class BestSingle:
    """Averages the success probabilities of a router version over what it was asked; excluded counts as 0."""

    def __init__(self) -> None:
        self.router_version = ""
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def learn(self, routed: Routed, available: Collection[str] | None = None) -> None:
        """Add one answer; a new version starts anew.

        Args:
            routed: The answer.
            available: The only candidates that the router was asked about; None for all.
        """
        if routed.router_version != self.router_version:
            self.router_version, self._sums, self._counts = routed.router_version, {}, {}
        for name, probability in zip(
            routed.ranking.candidates[0], np.nan_to_num(routed.ranking.success_probability[0]), strict=True
        ):
            if available is None or name in available:
                self._sums[str(name)] = self._sums.get(str(name), 0.0) + float(probability)
                self._counts[str(name)] = self._counts.get(str(name), 0) + 1

    @property
    def name(self) -> str:
        """Return the best single candidate; empty before the first answer."""
        return (self.order() or [""])[0]

    def order(self) -> list[str]:
        """Return the candidates by falling mean; empty before the first answer."""
        return sorted(self._sums, key=lambda name: -self._sums[name] / self._counts[name])
