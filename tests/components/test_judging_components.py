"""Evaluate, register and promote, as KFP calls them, with a router that always prefers the same candidate."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pyarrow.parquet as pq
import pytest
from kfp import dsl

from components.evaluate_router import evaluate_router
from components.promote_router import promote_router
from components.register_router import register_router
from modelsat import __version__
from modelsat.aptitude import instructions
from modelsat.bundle import bundle, champions
from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.data.collection import Collection
from modelsat.errors import ConflictError, InputError
from modelsat.evaluation import arena
from modelsat.routers.constant import Constant
from modelsat.text import rendering

Artifact = Callable[..., Any]
LENIENT = {"confidence": 0.95, "margin": 1.0, "saving": 0.0}
STRICT = {"confidence": 0.95, "margin": 0.0, "saving": 1.0}


@dataclass(frozen=True)
class Challenger:
    """A bundle folder, its predictions of the held-out prompts, and the candidate that it prefers."""

    folder: Path
    predictions: Path
    favourite: str


@pytest.fixture(scope="session")
def challenger(collected: Path, tmp_path_factory: pytest.TempPathFactory) -> Challenger:
    """A constant router that prefers a candidate which is a third as dear as the best single one."""
    folder = tmp_path_factory.mktemp("challenger")
    collection = Collection.read(collected)
    built = instructions.build(collection, 16, 160)
    means = {name: float(np.mean([v for _, v in rows.values()])) for name, rows in built.facts["summary"].items()}
    favourite = "sim-generalist-medium"
    made = Bundle(
        router=Constant(built.names, np.asarray([0.9 if name == favourite else 0.4 for name in built.names])),
        candidates=built.candidates,
        aptitude_test=built.aptitude_test,
        cards=built.cards,
        lineage={
            "data_digest": built.facts["data_digest"],
            "sources": built.facts["sources"],
            "summary": built.facts["summary"],
            "aptitude_test": built.facts["story"],
            "tokens_out": built.facts["tokens_out"],
            "trained_on": list(built.names),
            "mean_score": means,
        },
    ).write(folder / "router")
    ids = arena.build(collection).prompt_ids
    row = made.success_probability(["any"])[0].tolist()
    rows: list[dict[str, object]] = [
        {"router": "modelsat router", "bundle_digest": made.digest, "prompt_id": i, "success_probability": row}
        for i in ids
    ]
    contracts.write(
        contracts.from_rows(rows, contracts.PREDICTIONS), folder / "predictions.parquet", contracts.PREDICTIONS
    )
    return Challenger(folder / "router", folder / "predictions.parquet", favourite)


@dataclass(frozen=True)
class Judged:
    """What the component returned and wrote."""

    answer: Any
    outputs: dict[str, Any]

    @property
    def result(self) -> dict[str, Any]:
        """Return the table and the verdict."""
        loaded: dict[str, Any] = json.loads(Path(self.outputs["result"].path).read_text(encoding="utf-8"))
        return loaded


@pytest.fixture
def judge(artifact: Artifact, collected: Path, challenger: Challenger, tmp_path: Path) -> Callable[..., Judged]:
    """Return a function that judges the challenger against the champion below `tmp_path / "champions"`."""

    def run(rules: dict[str, float], predictions: Path = challenger.predictions) -> Judged:
        kinds = {
            "fallback": dsl.Model,
            "report": dsl.HTML,
            "decisions": dsl.Dataset,
            "result": dsl.Artifact,
            "metrics": dsl.Metrics,
            "roc": dsl.ClassificationMetrics,
            "choices": dsl.ClassificationMetrics,
        }
        outputs = {name: artifact(kind, name) for name, kind in kinds.items()}
        answer = evaluate_router.python_func(
            scores=artifact(dsl.Dataset, "scores", collected),
            router=artifact(dsl.Model, "router", challenger.folder),
            predictions=artifact(dsl.Dataset, "predictions", predictions),
            champion_store=str(tmp_path / "champions"),
            **rules,
            **outputs,
        )
        return Judged(answer, outputs)

    return run


@pytest.fixture
def register(
    artifact: Artifact, challenger: Challenger, mlflow_server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., Any]:
    """Return a function that registers what was judged, under a name of this test's own."""
    name = f"router-{rendering.digest(request.node.nodeid)[:12]}"

    def run(judged: Judged, run_key: str) -> Any:
        return register_router.python_func(
            router=artifact(dsl.Model, "router", challenger.folder),
            **{name: judged.outputs[name] for name in ("fallback", "report", "decisions", "result")},
            verdict=judged.answer[1],
            model_name=name,
            experiment=name,
            bundle_store=str(tmp_path / "bundles"),
            mlflow_tracking_uri=mlflow_server,
            run_key=run_key,
            page=artifact(dsl.Markdown, "page"),
        )

    run.model_name = name  # type: ignore[attr-defined]
    return run


def test_cheaper_challenger_is_promoted_within_the_margin(judge: Callable[..., Judged], challenger: Challenger) -> None:
    judged = judge(LENIENT)

    promotes, verdict, sentence, against_epoch = judged.answer
    assert (promotes, verdict, against_epoch) == (True, "promoted", 0)
    assert sentence.startswith("The challenger is promoted: ")
    assert "% cheaper" in sentence
    chosen = pq.read_table(judged.outputs["decisions"].path)["modelsat router: chosen"].unique().to_pylist()
    assert chosen == [challenger.favourite]


def test_challenger_that_is_not_surely_better_is_no_reason_to_route(judge: Callable[..., Judged]) -> None:
    promotes, verdict, sentence, against_epoch = judge(STRICT).answer

    assert (promotes, verdict, against_epoch) == (True, "do not route", 0)
    assert "The advice is not to route" in sentence


def test_champion_is_kept_by_a_challenger_that_equals_it(
    judge: Callable[..., Judged], challenger: Challenger, tmp_path: Path
) -> None:
    uri = bundle.publish(challenger.folder, str(tmp_path / "bundles"))
    digest = bundle.verify(challenger.folder)
    champions.promote(str(tmp_path / "champions"), uri, digest, "router/1", "earlier run", "promoted", 0)

    judged = judge(STRICT)
    promotes, verdict, sentence, against_epoch = judged.answer

    assert (promotes, verdict, against_epoch) == (False, "kept", 1)
    assert "+0.0 points" in sentence
    assert "the champion of epoch 1" in sentence
    decisions = pq.read_table(judged.outputs["decisions"].path)
    for router in ("champion", "modelsat router"):
        assert decisions[f"{router}: served"].unique().to_pylist() == [challenger.favourite]


def test_fallback_answers_every_prompt_with_the_best_single_candidate(judge: Callable[..., Judged]) -> None:
    judged = judge(STRICT)

    fallback = bundle.read(Path(judged.outputs["fallback"].path))
    best = pq.read_table(judged.outputs["decisions"].path)["best single"].to_pylist()[0]
    probabilities = fallback.success_probability(["any question", "another"])
    assert [fallback.names[i] for i in probabilities.argmax(axis=1)] == [best, best]


def test_page_table_and_metrics_tell_the_same(judge: Callable[..., Judged]) -> None:
    judged = judge(LENIENT)

    metrics = judged.outputs["metrics"].metadata
    assert judged.result["metrics"] == metrics
    assert judged.result["served"]["cost_usd_per_1k"] == metrics["cost_usd_per_1k_queries"]
    assert len(judged.result["served"]["shares"]) == metrics["served_candidates"]
    assert judged.result["verdict"]["sentence"] == judged.answer[2]
    assert judged.answer[2].split(":")[0] in Path(judged.outputs["report"].path).read_text(encoding="utf-8")
    assert metrics["prompts"] == pq.read_metadata(judged.outputs["decisions"].path).num_rows
    assert metrics["random_accuracy"] < metrics["best_single_accuracy"] < metrics["oracle_accuracy"]


def test_curves_can_be_shown_by_the_user_interface(judge: Callable[..., Judged]) -> None:
    judged = judge(LENIENT)

    points = judged.outputs["roc"].metadata["confidenceMetrics"]
    matrix = judged.outputs["choices"].metadata["confusionMatrix"]
    assert all(np.isfinite(list(point.values())).all() for point in points)
    assert len(matrix["rows"]) == len(matrix["annotationSpecs"])
    assert sum(sum(row["row"]) for row in matrix["rows"]) == judged.result["prompts"]


def test_no_prompt_text_is_in_the_decisions(judge: Callable[..., Judged], collected: Path) -> None:
    decisions = pq.read_table(judge(LENIENT).outputs["decisions"].path)

    texts = set(Collection.read(collected).prompts["prompt"].to_pylist())
    assert not any(texts & set(map(str, decisions[name].to_pylist())) for name in decisions.column_names)


def test_predictions_of_another_bundle_are_refused(judge: Callable[..., Judged], challenger: Challenger) -> None:
    table = contracts.read(challenger.predictions, contracts.PREDICTIONS)
    index = table.column_names.index("bundle_digest")
    strangers = table.set_column(index, "bundle_digest", [["0" * 32] * table.num_rows])
    path = challenger.predictions.with_name("strangers.parquet")
    contracts.write(strangers, path, contracts.PREDICTIONS)

    with pytest.raises(InputError, match="made by another bundle"):
        judge(LENIENT, path)


def test_promoted_router_is_registered_and_published(
    judge: Callable[..., Judged], register: Any, challenger: Challenger, tmp_path: Path, artifact: Artifact
) -> None:
    version, uri, digest = register(judge(LENIENT), "run-1")

    assert version == "1"
    assert digest == bundle.verify(challenger.folder) == bundle.verify(Path(uri))
    assert uri == f"{tmp_path}/bundles/{digest}"
    page = (tmp_path / "outputs" / "page").read_text(encoding="utf-8")
    assert f"{register.model_name} version 1" in page
    assert uri in page


def test_fallback_is_registered_where_the_advice_is_not_to_route(
    judge: Callable[..., Judged], register: Any, challenger: Challenger
) -> None:
    judged = judge(STRICT)

    _, uri, digest = register(judged, "run-1")

    assert digest == bundle.verify(Path(judged.outputs["fallback"].path)) == bundle.verify(Path(uri))
    assert digest != bundle.verify(challenger.folder)


def test_registering_again_for_the_same_run_finds_what_is_there(judge: Callable[..., Judged], register: Any) -> None:
    judged = judge(LENIENT)

    assert register(judged, "run-1") == register(judged, "run-1")
    assert register(judged, "run-2")[0] == "2"


def test_registered_run_holds_page_table_and_decisions(
    judge: Callable[..., Judged],
    register: Any,
    mlflow_server: str,
    challenger: Challenger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODELSAT_REVISION", "0" * 40)
    judged = judge(LENIENT)
    register(judged, "run-1")

    client = mlflow.MlflowClient(mlflow_server, mlflow_server)
    experiment = client.get_experiment_by_name(register.model_name)
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.tags["verdict"] == "promoted"
    assert run.data.tags["mlflow.note.content"] == judged.answer[2]
    assert (run.data.tags["modelsat.version"], run.data.tags["mlflow.source.git.commit"]) == (__version__, "0" * 40)
    assert run.data.metrics.keys() == judged.result["metrics"].keys()
    assert run.data.tags["modelsat.served_shares"].startswith(f"{challenger.favourite} 1.0000; ")
    logged = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert logged >= {"evaluation", "routing_decisions.json"}
    described = client.get_model_version(register.model_name, "1").description
    assert judged.answer[2] in described
    assert "Limits: " in described


def promote(
    artifact: Artifact, folder: Path, server: str, registered: Any, name: str, run_key: str, against: int
) -> int:
    version, uri, digest = registered
    return promote_router.python_func(
        model_name=name,
        version=version,
        bundle_uri=uri,
        bundle_digest=digest,
        verdict="promoted",
        against_epoch=against,
        champion_store=str(folder / "champions"),
        mlflow_tracking_uri=server,
        run_key=run_key,
        page=artifact(dsl.Markdown, "page"),
    )


def test_promotion_creates_the_record_and_points_the_alias_at_the_version(
    judge: Callable[..., Judged], register: Any, artifact: Artifact, mlflow_server: str, tmp_path: Path
) -> None:
    registered = register(judge(LENIENT), "run-1")

    epoch = promote(artifact, tmp_path, mlflow_server, registered, register.model_name, "run-1", 0)

    champion = champions.current(str(tmp_path / "champions"))
    assert champion is not None
    assert (epoch, champion.epoch, champion.model) == (1, 1, f"{register.model_name}/1")
    assert (champion.bundle_uri, champion.bundle_digest) == (registered[1], registered[2])
    client = mlflow.MlflowClient(mlflow_server, mlflow_server)
    assert client.get_model_version_by_alias(register.model_name, "champion").version == "1"
    assert "Epoch 1" in (tmp_path / "outputs" / "page").read_text(encoding="utf-8")


def test_promotion_is_done_once_per_run_and_never_over_somebody_else(
    judge: Callable[..., Judged], register: Any, artifact: Artifact, mlflow_server: str, tmp_path: Path
) -> None:
    registered = register(judge(LENIENT), "run-1")
    where = (artifact, tmp_path, mlflow_server, registered, register.model_name)

    assert promote(*where, "run-1", 0) == promote(*where, "run-1", 0) == 1
    with pytest.raises(ConflictError, match="run the pipeline again to compare with the new champion"):
        promote(*where, "run-2", 0)

    assert [path.name for path in (tmp_path / "champions").iterdir()] == ["000001.json"]
