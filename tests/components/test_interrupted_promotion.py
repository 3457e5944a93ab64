"""The champion record and MLflow's alias, which follows it: no run ends between them for good."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from kfp import dsl

from components.place_order import place_order
from modelsat.bundle import bundle, champions
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.champions import Champion
from modelsat.cluster.rollout import deployed
from modelsat.cluster.rollout.plan import Rollout
from modelsat.cluster.rollout.probing import Probes
from modelsat.errors import InputError, ServiceError
from modelsat.io import mlflow_registry

MODEL = "interrupted-router"


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "champions")


@pytest.fixture
def recorded(mlflow_server: str, make_bundle: Callable[..., Bundle], store: str, tmp_path: Path) -> Iterator[Champion]:
    """A champion with a record and a registered version, of which the alias does not know yet."""
    made = make_bundle({"ada": 0.5}).write(tmp_path / "made")
    uri = bundle.publish(tmp_path / "made", str(tmp_path / "bundles"))
    version = mlflow_registry.MlflowRun(mlflow_server, MODEL, "run-1").register(tmp_path / "made", MODEL, "card", {})
    yield champions.promote(store, uri, made.digest, f"{MODEL}/{version}", "run-1", "promoted", 0)
    mlflow.MlflowClient(mlflow_server, mlflow_server).delete_registered_model(MODEL)


@pytest.mark.slow
def test_alias_that_a_killed_run_left_behind_is_set_by_the_next_one(
    mlflow_server: str, recorded: Champion, store: str, artifact: Callable[..., Any]
) -> None:
    order = artifact(dsl.Artifact, "order")
    left, sentence, epoch = place_order.python_func("ada", "add", "", store, mlflow_server, order)

    assert (left, epoch) == (False, 1)
    assert sentence == "candidate 'ada' is routed to already, as 'ada'"
    found = mlflow.MlflowClient(mlflow_server, mlflow_server).get_model_version_by_alias(
        MODEL, mlflow_registry.CHAMPION
    )
    assert f"{MODEL}/{found.version}" == recorded.model


def test_nobody_is_promoted_while_mlflow_is_down(store: str) -> None:
    wanted = Rollout("run-1", 0, "uri", "digest", f"{MODEL}/1", "promoted")

    with pytest.raises(ServiceError, match="does not answer"):
        deployed.promote(wanted, deployed.RolloutTarget(store, "http://127.0.0.1:9"), Probes((), np.empty((0, 2))))

    assert champions.current(store) is None


def test_alias_shows_that_a_record_was_deleted(
    mlflow_server: str, recorded: Champion, store: str, tmp_path: Path
) -> None:
    where = deployed.RolloutTarget(store, mlflow_server)
    deployed.bring(where)
    again = champions.promote(
        store, recorded.bundle_uri, recorded.bundle_digest, recorded.model, "run-2", "promoted", 1
    )
    where.mirror(again)
    # Another run that mirrors an older record late takes nothing back.
    where.mirror(recorded)
    (tmp_path / "champions" / "000002.json").unlink()

    with pytest.raises(InputError, match="the alias of 'interrupted-router' at MLflow has followed epoch 2, but the"):
        deployed.bring(where)
    deployed.roll_back(where, 1)
    assert champions.current(store).epoch == 2
