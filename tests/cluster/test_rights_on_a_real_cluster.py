"""Promotions with the tokens and roles of infra/base on a real API server: each right taken away in turn, and back."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from real_cluster import INFRA, Real, kubectl, needed
from test_rollout_promotion import World

from modelsat.errors import ServiceError

ROLE = "modelsat-promote"
pytestmark = needed


def grant(namespace: str) -> None:
    for manifest in ("accounts.yaml", "rbac.yaml"):
        kubectl("-n", namespace, "apply", "-f", str(INFRA / "base" / manifest))


@pytest.fixture
def act_as(
    real_world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], None]:
    """Apply accounts and roles; return a function that lets promoters act with an account's token from then on."""
    namespace = real_world.objects.namespace  # type: ignore[attr-defined]
    grant(namespace)

    def act(account: str) -> None:
        config = yaml.safe_load(kubectl("config", "view", "--minify", "--flatten"))
        config["users"][0]["user"] = {"token": kubectl("-n", namespace, "create", "token", account).strip()}
        path = tmp_path / account
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        # The hand that plays KServe keeps its own client, and so its own rights.
        real_world.objects = Real(namespace)  # type: ignore[assignment]

    return act


def allow(namespace: str, verbs: list[str]) -> None:
    rule: dict[str, Any] = json.loads(kubectl("-n", namespace, "get", "role", ROLE, "-o", "json"))["rules"][0]
    kubectl(
        "-n", namespace, "patch", "role", ROLE, "--type=merge", "-p", json.dumps({"rules": [rule | {"verbs": verbs}]})
    )


def test_the_account_of_runs_may_promote_and_that_of_the_reconciler_may_finish(
    real_world: World,
    act_as: Callable[[str], None],
) -> None:
    act_as("modelsat-runner")
    assert real_world.promote("new", 1).epoch == 2

    act_as("modelsat-reconciler")
    real_world.promoter().bring()
    assert real_world.agrees_on("new")


@pytest.mark.parametrize("missing", ["get", "update"])
def test_a_right_that_is_taken_away_is_named_and_the_reconciler_finishes_once_it_is_back(
    real_world: World,
    act_as: Callable[[str], None],
    missing: str,
) -> None:
    namespace = real_world.objects.namespace  # type: ignore[attr-defined]
    act_as("modelsat-runner")
    rights = ["get", "update"]
    real_world.at_sleep = lambda: (real_world.kserve.reconcile(), allow(namespace, [x for x in rights if x != missing]))  # type: ignore[func-returns-value]

    with pytest.raises(ServiceError, match=rf"may not {missing} inferenceservices 'router'.*modelsat-runner"):
        real_world.promote("new", 1)

    allow(namespace, rights)
    real_world.at_sleep = real_world.kserve.reconcile
    act_as("modelsat-reconciler")
    real_world.promoter().bring()
    assert real_world.agrees_on("new")


@pytest.mark.parametrize("account", ["modelsat-endpoint", "modelsat-gateway", "modelsat-mlflow", "modelsat-training"])
def test_no_other_account_may_do_anything_to_the_endpoint(namespace: str, account: str) -> None:
    grant(namespace)
    name = f"system:serviceaccount:{namespace}:{account}"

    for verb in ("get", "update", "delete"):
        asked = ["kubectl", "-n", namespace, "auth", "can-i", verb, "inferenceservices/router", "--as", name]
        assert subprocess.run(asked, capture_output=True, text=True).stdout.strip() == "no"
