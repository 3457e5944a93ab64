"""Draws a dashboard as a picture from a Prometheus server: `python infra/monitoring/picture.py URL router.png router`.

Grafana draws the same expressions; this shows without it that each one finds data.
"""

import json
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_COLUMNS = 3
_INTERVAL = "30s"


def query(url: str, expression: str, seconds: float, step: float) -> list[dict[str, Any]]:
    """Return the series of an expression over the last seconds, as Prometheus tells them."""
    now = time.time()
    asked = {
        "query": expression.replace("$__rate_interval", _INTERVAL),
        "start": now - seconds,
        "end": now,
        "step": step,
    }
    address = f"{url}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def draw(url: str, dashboard: dict[str, Any], path: Path, seconds: float = 180, step: float = 5) -> list[str]:
    """Draw all panels; return the titles of those without data."""
    panels = dashboard["panels"]
    rows = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(6 * _COLUMNS, 3 * rows), layout="constrained")
    empty = []
    for panel, axes in zip(panels, figure.subplots(rows, _COLUMNS).ravel(), strict=False):
        axes.set_title(panel["title"], fontsize=10)
        drawn = 0
        for target in panel["targets"]:
            for series in query(url, target["expr"], seconds, step):
                times, values = zip(*series["values"], strict=True)
                legend = target["legendFormat"]
                for label, value in series["metric"].items():
                    legend = legend.replace("{{" + label + "}}", value)
                axes.plot([t - times[-1] for t in times], [float(v) for v in values], label=legend)
                drawn += 1
        if drawn:
            axes.legend(fontsize=7, loc="upper left")
        else:
            empty.append(panel["title"])
        axes.tick_params(labelsize=7)
    figure.savefig(path, dpi=70)
    return empty


if __name__ == "__main__":
    server, target, name = sys.argv[1:]
    content = json.loads((Path(__file__).parent / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))
    print("without data:", draw(server.rstrip("/"), content, Path(target)) or "none")  # noqa: T201
