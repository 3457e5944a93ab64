"""The samples of Prometheus metrics by name: of a registry of this process, or as another one exports them."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from prometheus_client import Metric


class MetricSamples:
    """Samples that can be added up.

    Args:
        metrics: As a registry collects them or a parser reads them.
    """

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        self._found: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
        for metric in metrics:
            for sample in metric.samples:
                if math.isfinite(sample.value):
                    self._found[sample.name].append((sample.labels, sample.value))

    def total(self, name: str, **labels: str) -> float | None:
        """Return the sum over all samples of a name with these labels; None where there are none."""
        values = [value for has, value in self._found.get(name, ()) if labels.items() <= dict(has).items()]
        return sum(values) if values else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """Return the sums by the values of a label."""
        sums: dict[str, float] = defaultdict(float)
        for has, value in self._found.get(name, ()):
            if label in has:
                sums[has[label]] += value
        return dict(sums)

    def label(self, name: str, label: str) -> str:
        """Return a label of the only sample of a name; empty where there is none."""
        return next((has.get(label, "") for has, _ in self._found.get(name, ())), "")
