"""The receiver believes only who proves it, takes each delivery once, and writes nothing but announcements."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient
from mlflow.webhooks.delivery import _generate_hmac_signature

from modelsat.errors import InputError
from modelsat.io import s3
from modelsat.onboarding.releases import ledger as release_ledger
from serving import tokens, webhooks
from serving.webhooks import WebhookSettings, create_app

SECRET, TOKEN = "the secret", "the token"
NOW = 1_800_000_000.0
CREATED = {"entity": "model_version", "action": "created", "timestamp": "", "data": {"name": "ada", "version": "7"}}


def post(
    client: TestClient, body: Any, secret: str = SECRET, delivery: str = "d-1", at: float = NOW, **changed: Any
) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": str(int(at)),
        "X-MLflow-Signature": _generate_hmac_signature(secret, delivery, str(int(at)), text),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return client.post("/mlflow", content=text.encode(), headers=headers)


def s3_event(*keys: str, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {"Records": [{"eventName": event, "s3": {"bucket": {"name": "b"}, "object": {"key": key}}} for key in keys]}


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return str(tmp_path / "ledger")


@pytest.fixture
def client(ledger: str) -> Iterator[TestClient]:
    settings = WebhookSettings(ledger, SECRET, tokens.known(TOKEN, None), "s3://b/results")
    with TestClient(create_app(settings, lambda: NOW)) as found:
        yield found


def end(ledger: str, outcome: str) -> None:
    """End the only release of the ledger."""
    (state,) = release_ledger.states(ledger).values()
    lease = release_ledger.claim(ledger, state, "worker", 60.0)
    assert lease is not None
    release_ledger.settle(ledger, lease, outcome, "the reason")


def announced(ledger: str) -> list[tuple[str, str, str]]:
    found = [release_ledger.release(ledger, key) for key in release_ledger.states(ledger)]
    return sorted((one.candidate, one.revision, one.source) for one in found)


@pytest.mark.parametrize("entity", ["model_version", "model_version_alias"])
def test_new_version_of_a_model_is_announced(client: TestClient, ledger: str, entity: str) -> None:
    answer = post(client, CREATED | {"entity": entity})

    assert (answer.status_code, answer.json()) == (200, {"announced": ["ada"], "known": 0})
    assert announced(ledger) == [("ada", "7", "MLflow")]


def test_hundred_deliveries_of_one_version_are_one_announcement(client: TestClient, ledger: str) -> None:
    answers = [post(client, CREATED, delivery=f"d-{i}") for i in range(100)]

    assert {answer.status_code for answer in answers} == {200}
    assert sum(len(answer.json()["announced"]) for answer in answers) == 1
    assert announced(ledger) == [("ada", "7", "MLflow")]


def test_replayed_delivery_is_refused(client: TestClient) -> None:
    assert post(client, CREATED).status_code == 200
    assert post(client, CREATED).status_code == 409


@pytest.mark.parametrize("changed", [
    {"X_MLflow_Signature": "v1,AAAA"},
    {"X_MLflow_Signature": ""},
    {"X_MLflow_Signature": b"v1,\xff"},
    {"X_MLflow_Delivery_Id": "another"},
    {"X_MLflow_Timestamp": str(int(NOW) + 1)},
])  # fmt: skip
def test_forged_delivery_is_refused_and_leaves_nothing(
    client: TestClient, ledger: str, changed: dict[str, Any]
) -> None:
    assert post(client, CREATED, **changed).status_code == 401
    assert announced(ledger) == []


def test_wrong_secret_is_refused(client: TestClient, ledger: str) -> None:
    assert post(client, CREATED, secret="a guess").status_code == 401
    assert announced(ledger) == []


@pytest.mark.parametrize(("off", "status"), [(-300, 200), (300, 200), (-301, 401), (301, 401)])
def test_delivery_may_be_five_minutes_old(client: TestClient, off: int, status: int) -> None:
    assert post(client, CREATED, at=NOW + off).status_code == status


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "7", '"x"', "[" * 20_000, '{"entity": "model_version", "action": "created"}']
)
def test_malformed_body_is_refused_with_a_sentence(client: TestClient, body: str) -> None:
    answer = post(client, body)

    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)


@pytest.mark.parametrize("event", [
    CREATED | {"entity": "prompt"},
    CREATED | {"action": "deleted"},
    CREATED | {"data": {"name": "modelsat-router", "version": "1"}},
    CREATED | {"data": {"name": "no name for a candidate", "version": "1"}},
])  # fmt: skip
def test_event_that_is_no_release_of_a_candidate_is_passed_over(client: TestClient, ledger: str, event: Any) -> None:
    assert post(client, event).json() == {"announced": [], "known": 0}
    assert announced(ledger) == []


def test_body_has_a_limit(client: TestClient) -> None:
    assert post(client, " " * 65_537).status_code == 413


def test_results_that_arrive_in_s3_are_announced(client: TestClient, ledger: str) -> None:
    event = s3_event(
        "results/org/a%2Bb+c.d/scores.csv", "results/bob/scores.parquet", "results/bob/prompts.parquet", "x/y"
    )

    answer = client.post("/s3", json=event, headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.json() == {"announced": ["bob"], "reopened": [], "known": 0}
    assert announced(ledger) == [("bob", "", "S3")]


@pytest.mark.parametrize("event", [{"Event": "s3:TestEvent"}, s3_event("results/bob/x", event="ObjectRemoved:Delete")])
def test_other_events_of_s3_are_passed_over(client: TestClient, event: Any) -> None:
    answer = client.post("/s3", json=event, headers={"Authorization": f"Bearer {TOKEN}"})

    assert (answer.status_code, answer.json()) == (200, {"announced": [], "reopened": [], "known": 0})


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}"])
def test_s3_event_without_the_token_is_refused(client: TestClient, ledger: str, authorization: str) -> None:
    answer = client.post("/s3", json=s3_event("results/bob/x"), headers={"Authorization": authorization})

    assert answer.status_code == 401
    assert announced(ledger) == []


@pytest.mark.parametrize("event", [{"Records": 7}, {"Records": [{}]}, {"Records": [{"eventName": "x", "s3": []}]}])
def test_malformed_s3_event_is_refused(client: TestClient, event: Any) -> None:
    assert client.post("/s3", json=event, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 400


def test_route_without_a_secret_is_closed(ledger: str) -> None:
    with TestClient(create_app(WebhookSettings(ledger))) as client:
        assert post(client, CREATED, secret="").status_code == 404
        assert client.post("/s3", json=s3_event("results/bob/x")).status_code == 404
    with pytest.raises(InputError, match="nobody could prove who speaks"):
        webhooks.run("127.0.0.1", 1, WebhookSettings(ledger))


def test_ledger_that_cannot_be_written_is_tried_again_by_the_sender() -> None:
    settings = WebhookSettings("s3://nowhere/ledger", SECRET)

    with TestClient(create_app(settings, lambda: NOW)) as client, pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a"}.items():
            patch.setenv(name, value)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3.client.cache_clear()
        assert post(client, CREATED).status_code == 503
        s3.client.cache_clear()


def test_real_delivery_of_mlflow_is_taken(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.entities.webhook import Webhook, WebhookAction, WebhookEntity, WebhookEvent, WebhookStatus
    from mlflow.webhooks import delivery

    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    server = uvicorn.Server(uvicorn.Config(create_app(WebhookSettings(ledger, SECRET)), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        event = WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)
        url = f"http://127.0.0.1:{port}/mlflow"
        webhook = Webhook("1", "hook", url, [event], 0, 0, status=WebhookStatus.ACTIVE, secret=SECRET)
        payload = {"name": "ada", "version": "7", "source": "", "run_id": None, "tags": {}, "description": None}
        session = delivery._create_webhook_session()
        with session:
            assert delivery._send_webhook_request(webhook, payload, event, session).status_code == 200
    finally:
        server.should_exit = True
        thread.join()

    assert announced(ledger) == [("ada", "7", "MLflow")]


@pytest.mark.parametrize(
    ("outcome", "reopened"), [(release_ledger.REFUSED, ["ada"]), (release_ledger.GIVEN_UP, ["ada"]), ("onboarded", [])]
)
def test_new_results_reopen_what_was_refused_and_nothing_else(
    client: TestClient, ledger: str, outcome: str, reopened: list[str]
) -> None:
    def put() -> dict[str, Any]:
        answer = client.post(
            "/s3", json=s3_event("results/ada/scores.csv"), headers={"Authorization": f"Bearer {TOKEN}"}
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    assert put()["announced"] == ["ada"]
    assert put() == {"announced": [], "reopened": [], "known": 1}
    end(ledger, outcome)

    assert put()["reopened"] == reopened
    (state,) = release_ledger.states(ledger).values()
    assert state.settled is not bool(reopened)
    assert put()["reopened"] == []
