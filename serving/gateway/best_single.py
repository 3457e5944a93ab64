"""The best single candidate as far as the router has told: what answers while the router cannot be asked."""

import numpy as np

from serving.gateway.endpoint import Routed


class BestSingle:
    """Averages the success probabilities of a router version over what it was asked."""

    def __init__(self) -> None:
        self.router_version = ""
        self._sums: dict[str, float] = {}

    def learn(self, routed: Routed) -> None:
        """Add one answer; a new version starts anew."""
        if routed.router_version != self.router_version:
            self.router_version, self._sums = routed.router_version, {}
        for name, probability in zip(
            routed.ranking.candidates[0], np.nan_to_num(routed.ranking.success_probability[0]), strict=True
        ):
            self._sums[str(name)] = self._sums.get(str(name), 0.0) + float(probability)

    @property
    def name(self) -> str:
        """Return the best single candidate; empty before the first answer."""
        return (self.order() or [""])[0]

    def order(self) -> list[str]:
        """Return the candidates by falling mean; empty before the first answer."""
        return sorted(self._sums, key=lambda name: -self._sums[name])
