"""How the server comes up, when it says that it is ready, and how it ends."""

import http.client
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from endpoint_process import INFER, LIVE, READY, Answer, Endpoint, promote, v2_body

from modelsat.bundle import bundle as bundles
from modelsat.bundle.bundle import Bundle

NOT_READY = "the router has no bundle yet; promote one, or wait for it to load"
FORTY = "What is the sum of all digits of 12,345?"


@pytest.fixture(scope="module")
def run_to_the_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[int, str]]]:
    """Return a function that runs `modelsat serve` with arguments which must end it: its exit code and what it said."""
    started: list[Endpoint] = []

    def run(*arguments: str) -> tuple[int, str]:
        endpoint = Endpoint(tmp_path_factory.mktemp("endpoint") / "log", arguments)
        started.append(endpoint)
        return endpoint.process.wait(timeout=60), endpoint.log

    yield run
    for endpoint in started:
        endpoint.stop()


def health(endpoint: Endpoint) -> list[int]:
    return [endpoint.get(path).status for path in (LIVE, "/", READY, "/v2/health/ready", "/v1/models/router")]


def test_server_without_a_champion_is_live_and_becomes_ready_with_the_first(
    start_endpoint: Callable[..., Endpoint], three: tuple[Path, Bundle], tmp_path: Path
) -> None:
    folder, bundle = three
    endpoint = start_endpoint("--champions", str(tmp_path / "champions"))

    assert health(endpoint) == [200, 200, 503, 503, 503]
    for refused in (endpoint.infer([FORTY]), endpoint.predict([FORTY]), endpoint.get(READY)):
        assert (refused.status, refused.json) == (503, {"error": NOT_READY})
        assert refused.headers["retry-after"] == "1"
    assert "Traceback" not in endpoint.log

    promote(str(tmp_path / "champions"), folder, bundle.digest)
    endpoint.wait_until_serving(bundle.digest)

    assert health(endpoint) == [200] * 5


def test_broken_first_champion_leaves_the_server_waiting_for_a_good_one(
    start_endpoint: Callable[..., Endpoint], three: tuple[Path, Bundle], tmp_path: Path
) -> None:
    folder, bundle = three
    store = str(tmp_path / "champions")
    promote(store, tmp_path / "nothing", "digest")
    endpoint = start_endpoint("--champions", store)

    endpoint.wait_until_said("champion of epoch 1 is refused, none serves yet: ")
    assert health(endpoint) == [200, 200, 503, 503, 503]

    promote(store, folder, bundle.digest)
    endpoint.wait_until_serving(bundle.digest)


def test_fixed_bundle_is_ready_as_soon_as_the_server_is_live(endpoint: Endpoint) -> None:
    assert health(endpoint) == [200] * 5


@pytest.fixture
def own_s3(use_s3: Callable[[str], None]) -> Iterator[tuple[dict[str, str], Callable[[], None]]]:
    """An own S3 server with a bucket `store`: the environment that finds it, and a function that ends it."""
    from moto.server import ThreadedMotoServer

    from modelsat.io import s3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    use_s3(f"http://{host}:{port}")
    s3.client().create_bucket(Bucket="store")
    ended: list[bool] = []

    def end() -> None:
        if not ended:
            ended.append(True)
            server.stop()

    yield dict(os.environ), end
    end()


def test_champion_in_s3_is_followed_and_serves_on_while_the_store_is_down(
    start_endpoint: Callable[..., Endpoint],
    three: tuple[Path, Bundle],
    make_bundle: Callable[..., Bundle],
    tmp_path: Path,
    own_s3: tuple[dict[str, str], Callable[[], None]],
) -> None:
    environment, end = own_s3
    second = make_bundle({"only": 0.5}).write(tmp_path / "second")
    promote("s3://store/champions", bundles.publish(three[0], "s3://store/bundles"), three[1].digest)
    endpoint = start_endpoint("--champions", "s3://store/champions", environment=environment)
    endpoint.wait_until_serving(three[1].digest)

    promote("s3://store/champions", bundles.publish(tmp_path / "second", "s3://store/bundles"), second.digest)
    endpoint.wait_until_serving(second.digest)
    end()
    endpoint.wait_until_said("trying again: S3 did not answer")

    assert endpoint.serves(second.digest)
    assert health(endpoint) == [200] * 5


def test_stopping_server_answers_the_request_in_flight_and_takes_no_other(
    start_endpoint: Callable[..., Endpoint], three: tuple[Path, Bundle]
) -> None:
    endpoint = start_endpoint("--bundle", str(three[0]))
    content = json.dumps(v2_body([FORTY])).encode()
    head = (
        f"POST {INFER} HTTP/1.1\r\nhost: router\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\nexpect: 100-continue\r\n\r\n"
    )

    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        endpoint.process.send_signal(signal.SIGTERM)
        endpoint.wait_until_said("Waiting for connections to close")
        with pytest.raises(ConnectionRefusedError):
            endpoint.get(LIVE)
        connection.sendall(content)
        response = http.client.HTTPResponse(connection)
        response.begin()
        answer = Answer(response.status, {}, response.read())

    assert (answer.status, answer.output("model")) == (200, ["strong"])
    assert endpoint.process.wait(timeout=60) == 0
    assert "Traceback" not in endpoint.log


def test_server_that_waits_for_a_champion_ends_in_order(
    start_endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    endpoint = start_endpoint("--champions", str(tmp_path / "champions"))
    idle = endpoint.connect()
    idle.request("GET", LIVE)
    idle.getresponse().read()

    endpoint.process.send_signal(signal.SIGTERM)

    assert endpoint.process.wait(timeout=60) == 0
    assert "Traceback" not in endpoint.log
    idle.close()


def test_port_in_use_ends_the_server_with_a_sentence(
    endpoint: Endpoint, three: tuple[Path, Bundle], run_to_the_end: Callable[..., tuple[int, str]]
) -> None:
    code, said = run_to_the_end("--bundle", str(three[0]), "--port", str(endpoint.port))

    assert code == 2
    assert f"port {endpoint.port} of '127.0.0.1' cannot be bound (Address already in use); choose another" in said
    assert "Traceback" not in said
    assert endpoint.infer([FORTY]).status == 200


def test_missing_bundle_folder_ends_the_server_with_a_sentence(
    tmp_path: Path, run_to_the_end: Callable[..., tuple[int, str]]
) -> None:
    code, said = run_to_the_end("--bundle", str(tmp_path / "nothing"))

    assert code == 2
    assert said == f"'{tmp_path / 'nothing'}' is no complete router bundle: it has no readable manifest.json\n"


@pytest.mark.parametrize("arguments", [(), ("--champions", "champions", "--bundle", "bundle")])
def test_exactly_one_of_champions_and_bundle_is_named(
    arguments: tuple[str, ...], run_to_the_end: Callable[..., tuple[int, str]]
) -> None:
    code, said = run_to_the_end(*arguments)

    assert code == 2
    assert said == "give either --champions to follow the champion or --bundle to serve one router\n"
