"""The thin client: what an API server's answers mean to a promotion, told by answers over real HTTP."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelsat.cluster import api as kubernetes_api
from modelsat.cluster.api import Cluster
from modelsat.errors import ConflictError, InputError, ServiceError

ABSENT = {"kind": "Status", "message": '"router" not found', "details": {"name": "router", "kind": "inferenceservices"}}
BODY = {"metadata": {"name": "router", "resourceVersion": "7"}}
Reply = tuple[int, Any] | None


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Cluster, list[str]]]]:
    """Return a function that gives a client of a server with these replies, and the requests that it got."""
    servers: list[http.server.ThreadingHTTPServer] = []
    monkeypatch.setattr(kubernetes_api.time, "sleep", lambda _: None)

    def start(*replies: Reply, patience: float = 60.0) -> tuple[Cluster, list[str]]:
        left, requests = list(replies), []

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                requests.append(f"{self.command} {self.path} {sent.decode()}")
                reply = left.pop(0) if len(left) > 1 else left[0]
                self.close_connection = True
                if reply is None:
                    return
                text = json.dumps(reply[1]).encode()
                self.send_response(reply[0])
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
        return Cluster("serving.kserve.io", "v1beta1", "inferenceservices", "modelsat", patience), requests

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_object_is_read_from_its_namespace(cluster: Callable[..., tuple[Cluster, list[str]]]) -> None:
    api, requests = cluster((200, BODY))

    assert api.read("router") == BODY
    assert requests == ["GET /apis/serving.kserve.io/v1beta1/namespaces/modelsat/inferenceservices/router "]


def test_an_object_that_is_not_there_is_none(cluster: Callable[..., tuple[Cluster, list[str]]]) -> None:
    api, requests = cluster((404, ABSENT))

    assert api.read("router") is None
    assert len(requests) == 1


def test_a_replacement_carries_the_version_that_it_was_decided_on(
    cluster: Callable[..., tuple[Cluster, list[str]]],
) -> None:
    api, requests = cluster((200, BODY))

    api.replace(BODY)

    assert requests[0].startswith("PUT ")
    assert '"resourceVersion": "7"' in requests[0]


def test_a_dry_run_asks_the_server_and_changes_nothing(cluster: Callable[..., tuple[Cluster, list[str]]]) -> None:
    api, requests = cluster((200, BODY))

    assert api.replace(BODY, dry_run=True) == BODY
    assert "inferenceservices/router?dryRun=All" in requests[0]


def test_what_a_webhook_denies_is_no_missing_permission(cluster: Callable[..., tuple[Cluster, list[str]]]) -> None:
    said = 'admission webhook "inferenceservice.kserve-webhook-server.validator" denied the request: canary[0] is bad'
    api, requests = cluster((403, {"kind": "Status", "message": said}))

    with pytest.raises(InputError, match=r"canary\[0\] is bad"):
        api.replace(BODY, dry_run=True)
    assert len(requests) == 1


def test_a_stale_replacement_is_a_conflict(cluster: Callable[..., tuple[Cluster, list[str]]]) -> None:
    with pytest.raises(ConflictError, match="update inferenceservices 'router'"):
        cluster((409, {}))[0].replace(BODY)


def test_a_missing_permission_names_what_may_not_be_done(cluster: Callable[..., tuple[Cluster, list[str]]]) -> None:
    api, requests = cluster((403, {"kind": "Status", "message": "User modelsat-runner cannot update"}))

    with pytest.raises(
        ServiceError, match=r"may not update inferenceservices 'router'.*\(User modelsat-runner cannot.*rbac\.yaml"
    ):
        api.replace(BODY)
    assert len(requests) > 1


def test_a_token_that_is_not_accepted_is_no_missing_permission(
    cluster: Callable[..., tuple[Cluster, list[str]]],
) -> None:
    with pytest.raises(ServiceError, match="does not accept this token"):
        cluster((401, {"message": "Unauthorized"}))[0].read("router")


def test_an_object_that_the_server_refuses_is_an_error_with_its_words(
    cluster: Callable[..., tuple[Cluster, list[str]]],
) -> None:
    with pytest.raises(InputError, match="minReplicas"):
        cluster((422, {"message": "minReplicas must not be negative"}))[0].replace(BODY)


@pytest.mark.parametrize("fault", [(401, {}), (403, {}), (404, "404 page not found")])
def test_a_server_that_has_just_started_refuses_everybody_and_is_asked_again(
    cluster: Callable[..., tuple[Cluster, list[str]]], fault: Reply
) -> None:
    assert cluster(fault, fault, (200, BODY))[0].read("router") == BODY


def test_a_kind_that_stays_unknown_is_said(cluster: Callable[..., tuple[Cluster, list[str]]]) -> None:
    with pytest.raises(InputError, match="does not know how to get inferenceservices"):
        cluster((404, "404 page not found"))[0].read("router")


@pytest.mark.parametrize("fault", [(503, {}), (500, {}), (429, {}), None])
def test_a_server_that_restarts_is_waited_for(cluster: Callable[..., tuple[Cluster, list[str]]], fault: Reply) -> None:
    api, requests = cluster(fault, fault, (200, BODY))

    assert api.read("router") == BODY
    assert len(requests) >= 3


def test_a_server_that_stays_away_is_given_up(cluster: Callable[..., tuple[Cluster, list[str]]]) -> None:
    with pytest.raises(ServiceError, match="did not get inferenceservices 'router'"):
        cluster((503, {}), patience=0.0)[0].read("router")


def test_what_is_gone_is_deleted(cluster: Callable[..., tuple[Cluster, list[str]]]) -> None:
    cluster((404, ABSENT))[0].delete("router")


def test_outside_of_every_cluster_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))

    with pytest.raises(InputError, match="KUBECONFIG"):
        Cluster("g", "v1", "things", "modelsat")
    with pytest.raises(InputError, match="name the namespace"):
        Cluster("g", "v1", "things")
