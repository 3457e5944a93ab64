"""Dashboards and alerts ask for metrics that the processes really export, and alerts fire when they should."""

import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from endpoint_process import Endpoint, promote
from local_servers import served
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelsat.bundle.bundle import Bundle
from modelsat.bundle.ranking import route
from modelsat.policy.preferences import Preferences
from serving.gateway.app import create_app
from serving.telemetry import EndpointTelemetry

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "infra" / "monitoring"
RULES = yaml.safe_load((MONITORING / "prometheus-rule.yaml").read_text())["spec"]["groups"][0]["rules"]
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in (MONITORING / "dashboards").glob("*.json")}


def expressions() -> list[str]:
    asked = [rule["expr"] for rule in RULES]
    for dashboard in DASHBOARDS.values():
        asked += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        asked += [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    return asked


def exported(scrape: str) -> dict[str, set[str]]:
    """Return the names of all samples that a process can export, with the labels that are seen."""
    names: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(scrape):
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        for suffix in suffixes:
            names[family.name + suffix] = {label for sample in family.samples for label in sample.labels}
    return names


@pytest.fixture(scope="module")
def scrapes(endpoint: Endpoint) -> dict[str, set[str]]:
    """What a running endpoint and a running gateway export together."""
    with served(create_app({}, endpoint.url)) as url:
        gateway = exported(httpx.get(f"{url}/metrics").text)
    return gateway | exported(endpoint.get("/metrics").body.decode())


def test_every_metric_that_is_asked_for_is_exported(scrapes: dict[str, set[str]]) -> None:
    asked = {name for expression in expressions() for name in re.findall(r"\bmodelsat_\w+", expression)}

    assert len(asked) > 15
    assert asked - scrapes.keys() == set()


def test_every_metric_of_ours_is_on_a_dashboard(scrapes: dict[str, set[str]]) -> None:
    asked = " ".join(expressions())
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in scrapes if name.startswith("modelsat_")}

    assert {name for name in ours if name not in asked and not name.endswith("_created")} == set()


def test_dashboards_are_those_that_the_script_writes() -> None:
    written = runpy.run_path(str(MONITORING / "dashboards.py"))["files"]()

    assert written == {path.name: path.read_text() for path in (MONITORING / "dashboards").glob("*.json")}


def test_panels_have_titles_of_their_own_and_do_not_overlap() -> None:
    for dashboard in DASHBOARDS.values():
        panels = dashboard["panels"]
        assert len({panel["title"] for panel in panels}) == len(panels)
        assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


def test_every_alert_names_a_panel_and_a_heading_of_the_runbook() -> None:
    headings = {
        line.strip("# ").lower() for line in (ROOT / "docs" / "alerts.md").read_text().splitlines() if line[:1] == "#"
    }
    titles = {panel["title"] for dashboard in DASHBOARDS.values() for panel in dashboard["panels"]}

    assert len(RULES) == 5
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert rule["alert"].lower() in headings
        named = set(re.findall(r"'([^']+)'", rule["annotations"]["description"])) - {
            dashboard["title"] for dashboard in DASHBOARDS.values()
        }
        assert named
        assert named <= titles


def test_component_refers_to_files_that_exist() -> None:
    component = yaml.safe_load((MONITORING / "kustomization.yaml").read_text())
    named = [*component["resources"], *component["configMapGenerator"][0]["files"]]

    assert component["kind"] == "Component"
    assert [name for name in named if not (MONITORING / name).is_file()] == []


FIRING = {
    "ModelsatFallbacks": [
        ('modelsat_requests_total{model="a",outcome="routed"}', "0+94x60"),
        ('modelsat_requests_total{model="b",outcome="fallback"}', "0+6x60"),
        ("modelsat_ready", "1+0x60"),
    ],
    "ModelsatRoutingSlow": [
        ('modelsat_routing_seconds_bucket{le="0.5"}', "0+90x60"),
        ('modelsat_routing_seconds_bucket{le="1.0"}', "0+100x60"),
        ('modelsat_routing_seconds_bucket{le="+Inf"}', "0+100x60"),
        ("modelsat_ready", "1+0x60"),
    ],
    "ModelsatNoChampionReady": [("modelsat_ready", "0+0x60")],
    "ModelsatRetrainOverdue": [
        ("modelsat_champion_promoted_timestamp_seconds", "1+0x900"),
        ("modelsat_candidates_not_trained_on", "3+0x900"),
        ("modelsat_ready", "1+0x900"),
    ],
}
QUIET = [
    ('modelsat_requests_total{model="a",outcome="routed"}', "0+96x60"),
    ('modelsat_requests_total{model="b",outcome="fallback"}', "0+4x60"),
    ('modelsat_routing_seconds_bucket{le="0.5"}', "0+96x60"),
    ('modelsat_routing_seconds_bucket{le="+Inf"}', "0+100x60"),
    ("modelsat_ready", "1+0x60"),
    ("modelsat_champion_promoted_timestamp_seconds", "0+0x60"),
    ("modelsat_candidates_not_trained_on", "3+0x60"),
]


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed; it comes with Prometheus")
    return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("alert", [*FIRING, None])
def test_alert_fires_when_it_should_and_not_before(tmp_path: Path, alert: str | None) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "modelsat", "rules": RULES}]}))
    series = [{"series": name, "values": values} for name, values in (FIRING[alert] if alert else QUIET)]
    # The overdue one looks back for a month, the others for minutes.
    step, at = ("1h", "740h") if alert == "ModelsatRetrainOverdue" else ("1m", "40m")
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": step,
        "tests": [
            {
                "interval": step,
                "input_series": series,
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": at,
                        "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if alert else [],
                    }
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))

    ran = promtool("test", "rules", str(tmp_path / "test.yaml"))

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_counters_tell_choices_drift_and_the_distance_from_the_expected_mix(
    make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    """Of four choices three are `strong` where half were expected: a quarter would have to change."""
    made = make_bundle(
        {"cheap": 0.7, "strong": 0.8},
        prices={"cheap": 1.0},
        lineage={"expected_share": {"cheap": 0.5, "strong": 0.5}, "trained_on": ["cheap"]},
    ).write(tmp_path / "bundle")
    registry = CollectorRegistry()
    telemetry = EndpointTelemetry(registry)

    telemetry.serves(made)
    telemetry.decided(route(made, ["x", "y", "z"]))
    telemetry.decided(route(made, ["x"], Preferences(("cheap",))))

    lines = generate_latest(registry).decode().splitlines()
    for line in (
        'modelsat_decisions_total{model="strong"} 3.0',
        'modelsat_decisions_total{model="cheap"} 1.0',
        'modelsat_prompts_total{kind="all"} 4.0',
        'modelsat_prompts_total{kind="foreign"} 0.0',
        "modelsat_mix_distance 0.25",
        'modelsat_expected_share{model="strong"} 0.5',
        f'modelsat_router_info{{kind="constant",version="{made.digest[:12]}"}} 1.0',
        'modelsat_candidate_info{model="strong"} NaN',
        "modelsat_candidates_not_trained_on 1.0",
        "modelsat_ready 1.0",
    ):
        assert line in lines


def test_endpoint_tells_which_champion_it_follows_and_which_it_refused(
    start_endpoint: Callable[..., Endpoint], three: tuple[Path, Bundle], tmp_path: Path
) -> None:
    store = str(tmp_path / "champions")
    promote(store, three[0], three[1].digest)
    endpoint = start_endpoint("--champions", store)
    endpoint.wait_until_serving(three[1].digest)
    promote(store, tmp_path / "nothing", "digest")
    endpoint.wait_until_said("champion of epoch 2 is refused")

    told: dict[str, Any] = {}
    for family in text_string_to_metric_families(endpoint.get("/metrics").body.decode()):
        told |= {sample.name: sample.value for sample in family.samples}

    assert told["modelsat_champion_epoch"] == 1
    assert told["modelsat_champions_refused_total"] == 1
    assert told["modelsat_champion_promoted_timestamp_seconds"] > 1.7e9
