"""Parameters of a run that no pod could use are refused where they are given."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from modelsat.cluster import pod_reach
from modelsat.errors import InputError

OVERLAYS = Path(__file__).parents[2] / "infra" / "overlays"


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"collect_sources": ["s3://a", "results"]}, "collect_sources names 'results', which pods do not have"),
        ({"promote_champion_store": "/home/me/champions"}, "a folder below /mnt/modelsat"),
        ({"promote_champion_store": "/mnt/modelsat2/champions"}, "a folder below /mnt/modelsat"),
        ({"ledger_store": "ledger"}, "ledger_store names 'ledger'"),
        ({"catalogue": "catalogue.yaml"}, "catalogue names 'catalogue.yaml'"),
        ({"train_recipe": "mine.yaml"}, "train_recipe names 'mine.yaml', relative to a folder that pods do not have"),
        ({"train_backbone": "models/phi"}, "train_backbone names 'models/phi', relative"),
        ({"mlflow_tracking_uri": "sqlite:///mlflow.db"}, "which pods cannot reach"),
        ({"train_tolerations": [{"efect": "NoSchedule"}]}, "has a field 'efect'"),
        ({"train_tolerations": [{"key": "gpu", "effect": "Never"}]}, "has the effect 'Never'; it is one of NoSchedule"),
        ({"train_tolerations": [{"key": "gpu", "operator": "In"}]}, "has the operator 'In'"),
    ],
)
def test_what_pods_cannot_use_is_named_with_what_to_do(chosen: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        pod_reach.require(chosen)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(InputError, match=r"collect_sources .*; and ledger_store "):
        pod_reach.require({"collect_sources": ["results"], "ledger_store": "ledger"})


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"collect_sources": ["s3://bucket/scores", "/mnt/modelsat/scores"], "catalogue": ""},
        {"train_recipe": "paper-text-cpu", "train_backbone": "/models/in-my-image"},
        {"train_tolerations": [{"key": "gpu", "operator": "Equal", "value": "a", "effect": "NoExecute"}]},
        {"mlflow_tracking_uri": "https://mlflow.example.com"},
        *(json.loads(path.read_text(encoding="utf-8")) for path in sorted(OVERLAYS.glob("*/run-defaults.json"))),
    ],
)
def test_what_pods_can_use_passes(chosen: dict[str, Any]) -> None:
    pod_reach.require(chosen)
