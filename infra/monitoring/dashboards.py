"""Writes the two Grafana dashboards: `python infra/monitoring/dashboards.py`. Names of metrics come from the code.

router.json       what endpoint and gateway do now: traffic, choices, times, cost, drift
retraining.json   how the champion ages: promotions, candidates that wait for a training, expected against real mix
"""

import json
from pathlib import Path
from typing import Any

from serving import metric_names as names

FOLDER = Path(__file__).parent / "dashboards"
_WIDTH, _HEIGHT, _COLUMNS = 8, 7, 3
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
FALLBACK = '{outcome="fallback"}'
Query = tuple[str, str]


def rate(name: str, by: str = "", only: str = "") -> str:
    """Return the rate of a counter, summed over processes."""
    return f"sum{f' by ({by})' if by else ''} (rate({name}{only}[$__rate_interval]))"


def share(part: str, whole: str) -> str:
    """Return a share of two rates."""
    return f"{part} / {whole}"


def quantile(q: float, name: str, by: str = "") -> str:
    """Return a quantile of a histogram, over all processes."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({name}_bucket[$__rate_interval])))"


def quantiles(name: str) -> list[Query]:
    """Return median and 95th percentile."""
    return [(quantile(q, name), f"p{100 * q:.0f}") for q in (0.5, 0.95)]


ROUTER: list[tuple[str, str, str, list[Query]]] = [
    ("Requests by outcome", "reqps", "stacked", [(rate(names.REQUESTS, "outcome"), "{{outcome}}")]),
    ("Share by candidate", "percentunit", "stacked", [
        (f"{rate(names.DECISIONS, 'model')} / on() group_left {rate(names.DECISIONS)}", "{{model}}"),
    ]),
    ("Fallback share", "percentunit", "line", [
        (share(f"({rate(names.REQUESTS, only=FALLBACK)} or vector(0))", rate(names.REQUESTS)), "fallback"),
    ]),
    ("Routing time", "s", "line", quantiles(names.ROUTING_SECONDS)),
    ("Decision time at the endpoint", "s", "line", quantiles(names.DECISION_SECONDS)),
    ("Time to an upstream's first byte, p95", "s", "line", [
        (quantile(0.95, names.UPSTREAM_SECONDS, "model"), "{{model}}"),
    ]),
    ("Expected cost per hour", "currencyUSD", "line", [
        (f"3600 * {rate(names.EXPECTED_COST)}", "routed"),
        (f"3600 * {rate(names.BEST_SINGLE_COST)}", "had all gone to the best single"),
    ]),
    ("Paid per hour", "currencyUSD", "line", [
        (f"3600 * {rate(names.PAID)}", "paid"),
        (f"3600 * {rate(names.PAID_COMPARED)}", "of it comparable"),
        (f"3600 * {rate(names.PAID_BEST_SINGLE)}", "the same at the best single"),
    ]),
    ("Tokens by model", "short", "stacked", [(rate(names.TOKENS, "model, kind"), "{{model}}: {{kind}}")]),
    ("Answers without usage", "reqps", "stacked", [(rate(names.UNCOUNTED, "model"), "{{model}}")]),
    ("Promised and realised success", "percentunit", "line", [
        (share(rate(names.PROMISED_SUCCESS), rate(names.RATED)), "promised"),
        (share(rate(names.REALISED_SUCCESS), rate(names.RATED)), "realised"),
    ]),
    ("Success probability of the chosen, median", "percentunit", "line", [
        (quantile(0.5, names.SUCCESS_PROBABILITY), "p50"),
    ]),
    ("Fallbacks by reason", "reqps", "stacked", [(rate(names.FALLBACKS, "model, reason"), "{{model}}: {{reason}}")]),
    ("Refused by reason", "reqps", "stacked", [(rate(names.REFUSED, "instance, reason"), "{{instance}}: {{reason}}")]),
    ("Prompts waiting", "short", "line", [(f"sum by (instance) ({names.PROMPTS_WAITING})", "{{instance}}")]),
    ("Foreign and truncated prompts", "percentunit", "line", [
        (share(rate(names.PROMPTS, only=f'{{kind="{kind}"}}'), rate(names.PROMPTS, only='{kind="all"}')), kind)
        for kind in ("foreign", "truncated")
    ]),
    ("Distance of the mix from the expected one", "percentunit", "line", [
        (f"max by (instance) ({names.MIX_DISTANCE})", "{{instance}}"),
    ]),
    ("Largest share of the dearest candidate of any client", "percentunit", "line", [
        (f"max({names.DEAREST_SHARE})", "largest share"),
        (rate(names.ESCALATIONS), "held back per second"),
    ]),
    ("Feedback log", "reqps", "line", [
        (rate(names.FEEDBACK, "event"), "{{event}}"), (rate(names.FEEDBACK_LOST), "lost"),
    ]),
    ("Upstream faults by reason", "reqps", "stacked", [
        (rate(names.UPSTREAM_FAULTS, "model, reason"), "{{model}}: {{reason}}"),
    ]),
    ("Upstreams and shared sessions that are out", "short", "line", [
        (f"max by (model) ({names.UPSTREAM_OUT})", "{{model}}"), (f"max({names.SESSIONS_OUT})", "shared sessions"),
    ]),
    ("Endpoints ready", "short", "line", [(f"sum({names.READY})", "ready"), (f"count({names.READY})", "all")]),
]  # fmt: skip

RETRAINING: list[tuple[str, str, str, list[Query]]] = [
    ("Age of the champion", "s", "line", [(f"time() - max({names.PROMOTED_AT} > 0)", "since its promotion")]),
    ("Epoch of the champion", "short", "line", [(f"max by (instance) ({names.EPOCH})", "{{instance}}")]),
    ("Candidates that training did not know", "short", "line", [(f"max({names.NOT_TRAINED_ON})", "wait")]),
    ("Router versions that serve", "short", "stacked", [
        (f"count by (version, kind) ({names.ROUTER_INFO})", "{{version}} {{kind}}"),
    ]),
    ("Champions that were refused", "short", "line", [
        (f"sum(increase({names.CHAMPIONS_REFUSED}[1h]))", "in the last hour"),
    ]),
    ("Expected share by candidate", "percentunit", "stacked", [
        (f"max by (model) ({names.EXPECTED_SHARE})", "{{model}}"),
    ]),
    ("Real minus expected share", "percentunit", "line", [
        (f"{rate(names.DECISIONS, 'model')} / on() group_left {rate(names.DECISIONS)} "
         f"- on(model) max by (model) ({names.EXPECTED_SHARE})", "{{model}}"),
    ]),
    ("Foreign prompts", "percentunit", "line", [
        (share(rate(names.PROMPTS, only='{kind="foreign"}'), rate(names.PROMPTS, only='{kind="all"}')), "foreign"),
    ]),
    ("Price of an answer", "currencyUSD", "line", [(f"max by (model) ({names.CANDIDATE_INFO})", "{{model}}")]),
]  # fmt: skip


def dashboard(uid: str, title: str, panels: list[tuple[str, str, str, list[Query]]]) -> dict[str, Any]:
    """Return a dashboard with its panels in rows of three."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["modelsat"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "annotations": {
            "list": [
                {
                    "name": "Another router serves",
                    "datasource": _DATASOURCE,
                    "enable": True,
                    "expr": f"changes({names.EPOCH}[1m]) > 0",
                    "titleFormat": "Another router serves",
                }
            ]
        },
        "panels": [_panel(i, *panel) for i, panel in enumerate(panels)],
    }


def _panel(number: int, title: str, unit: str, style: str, queries: list[Query]) -> dict[str, Any]:
    place = {"x": number % _COLUMNS * _WIDTH, "y": number // _COLUMNS * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
    stacked = style == "stacked"
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": _DATASOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "min": None if "minus" in title else 0,
                "custom": {"fillOpacity": 30 if stacked else 0, "stacking": {"mode": "normal" if stacked else "none"}},
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": _DATASOURCE, "expr": expression, "legendFormat": legend}
            for i, (expression, legend) in enumerate(queries)
        ],
    }


def files() -> dict[str, str]:
    """Return the content of each file by its name."""
    made = {
        "router.json": dashboard("modelsat-router", "modelsat: router", ROUTER),
        "retraining.json": dashboard("modelsat-retraining", "modelsat: retraining", RETRAINING),
    }
    return {name: json.dumps(content, indent=2) + "\n" for name, content in made.items()}


if __name__ == "__main__":
    for name, content in files().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
