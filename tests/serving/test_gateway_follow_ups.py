"""A short message in a conversation: read alone where it is like questions of training, else with what was before.

The endpoint's router learned from sums; "Name a river." is foreign to it (0.73) and "What is 80 + 90?" is not.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from endpoint_process import Endpoint
from local_servers import closed_port, served

from serving.gateway import upstreams
from serving.gateway.app import create_app
from serving.gateway.gateway_settings import GatewaySettings

ROUTER = Path(__file__).parents[1] / "data" / "bundle_0_1_0" / "bundle"
SUM, RIVER = "What is 80 + 90?", "Name a river."


@pytest.fixture(scope="module")
def old(start_endpoint: Callable[..., Endpoint]) -> Endpoint:
    return start_endpoint("--bundle", str(ROUTER))


@pytest.fixture(scope="module")
def decided(old: Endpoint) -> Iterator[Callable[..., dict[str, Any]]]:
    """Return a function that has a gateway decide on a conversation of user messages, of which the last asks."""
    names = old.infer([SUM]).output("candidates")
    with closed_port() as nobody:
        catalogue = {name: upstreams.Upstream(f"{nobody}/v1", name, key="k") for name in names}
        with served(create_app(catalogue, old.url, GatewaySettings())) as url, httpx.Client(base_url=url) as client:

            def decide(*said: str) -> dict[str, Any]:
                turns = [[{"role": "user", "content": one}, {"role": "assistant", "content": "Yes."}] for one in said]
                messages = [message for turn in turns for message in turn][:-1]
                answer = client.post("/v1/route", json={"messages": messages, "modelsat": {"policy": "best"}})
                assert answer.status_code == 200, answer.text
                return dict(answer.json())

            yield decide


def probabilities(decision: dict[str, Any]) -> dict[str, float]:
    return {row["candidate"]: row["success_probability"] for row in decision["candidates"]}


def of_text(endpoint: Endpoint, text: str) -> dict[str, float]:
    answer = endpoint.infer([text], {"policy": "best"})
    return dict(zip(answer.output("candidates"), answer.output("success_probability"), strict=True))


def test_short_question_like_those_of_training_is_read_alone(old: Endpoint, decided: Callable[..., Any]) -> None:
    decision = decided(RIVER, SUM)

    assert decision["foreign"] == 0.0
    assert probabilities(decision) == pytest.approx(of_text(old, SUM), abs=1e-5)


def test_short_message_unlike_those_of_training_is_read_with_what_was_before(
    old: Endpoint, decided: Callable[..., Any]
) -> None:
    decision = decided(SUM, RIVER)

    assert probabilities(decision) == pytest.approx(of_text(old, f"{SUM}\n{RIVER}"), abs=1e-5)
    assert probabilities(decision) != pytest.approx(of_text(old, RIVER), abs=1e-3)
