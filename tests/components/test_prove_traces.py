"""Traces of a real MLflow server, logged by its own client, are read as requests with outcomes."""

from collections.abc import Iterator
from typing import Any

import mlflow
import pytest
from mlflow.entities import AssessmentSource

from modelsat.errors import InputError, ServiceError
from modelsat.io import mlflow_server as servers
from modelsat.offpolicy import readers, requests

EXPERIMENT = "support"


@pytest.fixture(scope="module")
def experiment(mlflow_server: str) -> Iterator[str]:
    """An experiment with five traces: rated twice, by a word, not at all, of two models, and of another assessment."""
    with servers.pointed_at(mlflow_server):
        client = mlflow.MlflowClient(mlflow_server, mlflow_server)
        place = client.create_experiment(EXPERIMENT)
        rate(traced(client, place, "small", **{"modelsat.propensity": "0.25"}), False, True)
        rate(traced(client, place, "large"), "no")
        traced(client, place, "large")
        rate(traced(client, place, "small", "large"), True)
        mlflow.flush_trace_async_logging()
        yield f"mlflow:{mlflow_server}#{EXPERIMENT}"


def traced(client: mlflow.MlflowClient, place: str, *models: str, **tags: str) -> str:
    """Log a trace with a call of each model, and return its id."""
    root = client.start_trace("request", inputs={"question": "Which is a moon?"}, tags=tags, experiment_id=place)
    for model in models:
        call = client.start_span(
            "call",
            root.trace_id,
            root.span_id,
            span_type="CHAT_MODEL",
            inputs={"model": model, "messages": [{"role": "user", "content": "Which is a moon?"}]},
            attributes={"mlflow.chat.tokenUsage": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}},
        )
        client.end_span(root.trace_id, call.span_id, outputs={"content": "Phobos"})
    client.end_trace(root.trace_id, outputs="Phobos")
    mlflow.flush_trace_async_logging()
    return str(root.trace_id)


def rate(trace: str, *values: Any) -> None:
    for value in values:
        source = AssessmentSource(source_type="HUMAN", source_id="ada")
        mlflow.log_feedback(trace_id=trace, name="correct", value=value, source=source)


def test_calls_are_read_with_their_last_assessment(experiment: str) -> None:
    found = readers.read([experiment])
    log = requests.of_rows(found.rows).in_order()

    assert log.model.tolist() == ["small", "large", "large"]
    assert log.prompt.tolist() == ["Which is a moon?"] * 3
    assert log.outcome[:2].tolist() == [1.0, 0.0]
    assert log.is_rated.tolist() == [True, True, False]
    assert log.propensity[0] == 0.25
    assert log.tokens_in.tolist() == [7, 7, 7]
    assert (log.at > 1.7e9).all()
    ((_, _, reason),) = found.rejects
    assert reason.startswith("the trace called several models (large, small)")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mlflow:{server}#nowhere", "has no experiment 'nowhere'"),
        ("mlflow:{server}", "write mlflow:http://host:5000#experiment"),
    ],
)
def test_what_is_not_there_is_named(mlflow_server: str, given: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        readers.read([given.format(server=mlflow_server)])


def test_an_assessment_that_nobody_gave_is_named_beside_those_that_are(experiment: str) -> None:
    with pytest.raises(InputError, match="has an assessment 'polite'; there are correct"):
        readers.read([experiment], assessment="polite")


def test_a_server_that_is_down_is_the_services_fault() -> None:
    with pytest.raises(ServiceError, match="does not answer"):
        readers.read(["mlflow:http://127.0.0.1:9#support"])
