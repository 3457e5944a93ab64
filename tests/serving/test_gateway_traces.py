"""The gateway's spans, as a collector and MLflow's trace view get them.

The endpoint's router says 0.8 for `strong`, 0.7 for `cheap` and 0.3 for `weak`, whatever the prompt.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import mlflow
import pytest
from endpoint_process import Endpoint
from fastapi import FastAPI, Request, Response
from local_servers import Upstream, mute_port, served
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from modelsat.errors import InputError
from modelsat.text.harness_shapes import KNOWN, HarnessShapes
from serving.gateway import trace_attributes, trace_export, trace_settings, upstreams
from serving.gateway.app import create_app
from serving.gateway.gateway_settings import GatewaySettings
from serving.gateway.trace_settings import TraceSettings

SECRET = "the capital of Atlantis"
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Ask = Callable[..., httpx.Response]
TOKENS = {"prompt_tokens": 1000, "completion_tokens": 200, "prompt_tokens_details": {"cached_tokens": 400}}


class Collector:
    """What an OTLP collector was sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, Any]] = []
        self.status = 200

    async def take(self, request: Request) -> Response:
        if self.status == 200:
            told = ExportTraceServiceRequest.FromString(await request.body())
            for of_resource in told.resource_spans:
                self.resources.append(_values(of_resource.resource.attributes))
                self.spans += [span for scope in of_resource.scope_spans for span in scope.spans]
        return Response(status_code=self.status)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/v1/traces", self.take, methods=["POST"], response_model=None)
        return app

    def named(self, *names: str) -> list[dict[str, Any]]:
        """Return the attributes of the spans of these names, once they are there, in this order."""
        until = time.monotonic() + 20
        while not set(names) <= {span.name for span in self.spans}:
            assert time.monotonic() < until, f"there are only {[span.name for span in self.spans]}"
            time.sleep(0.02)
        by_name = {span.name: span for span in self.spans}
        return [_values(by_name[name].attributes) | {"span": by_name[name]} for name in names]


def _values(attributes: Any) -> dict[str, Any]:
    found = {}
    for one in attributes:
        kind = one.value.WhichOneof("value")
        value = getattr(one.value, kind)
        found[one.key] = [each.string_value for each in value.values] if kind == "array_value" else value
    return found


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    """A collector and its address."""
    one = Collector()
    with served(one.app()) as url:
        yield one, url


@pytest.fixture
def start(
    upstream: tuple[Upstream, str], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Ask]]:
    """Return a function that starts a gateway with a collector and returns one that asks it; all end with the test."""
    upstream[0].bodies.clear()
    upstream[0].headers.clear()
    upstream[0].faults.clear()
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    with ExitStack() as stack:

        def begin(
            collector: str,
            traces: TraceSettings | None = TraceSettings(),  # noqa: B008
            shapes: HarnessShapes = KNOWN,
            **variables: str,
        ) -> Ask:
            for name, value in {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, **variables}.items():
                monkeypatch.setenv(name, value)
            catalogue = {
                name: upstreams.Upstream(f"{upstream[1]}/v1", f"org/{name}", key=f"key-of-{name}", timeout_seconds=5)
                for name in ("cheap", "strong", "weak")
            }
            app = create_app(catalogue, endpoint.url, GatewaySettings(traces=traces, shapes=shapes))
            client = stack.enter_context(httpx.Client(base_url=stack.enter_context(served(app)), timeout=30))

            def ask(
                content: str = "What is 2 + 2?", model: str = "auto", headers: dict[str, str] | None = None, **body: Any
            ) -> httpx.Response:
                body = {"model": model, "messages": [{"role": "user", "content": content}]} | body
                return client.post("/v1/chat/completions", json=body, headers=headers)

            return ask

        yield begin


def test_request_has_spans_of_the_decision_and_of_each_call(
    start: Callable[..., Ask], upstream: tuple[Upstream, str], collector: tuple[Collector, str]
) -> None:
    upstream[0].faults |= {"org/strong": "503", "org/cheap": "usage"}
    ask = start(collector[1], OTEL_SERVICE_NAME="llm-door")

    answer = ask(temperature=0.5, max_tokens=50, headers={"x-session-id": "chat-7"})

    assert answer.json()["usage"] == TOKENS
    request, route, failed, call = collector[0].named(
        "POST /v1/chat/completions", "route", "chat org/strong", "chat org/cheap"
    )
    assert {one["service.name"] for one in collector[0].resources} == {"llm-door"}
    assert request["http.response.status_code"] == 200
    assert (request["modelsat.model"], request["modelsat.outcome"]) == ("cheap", "routed")
    assert request["modelsat.request_id"] == answer.headers["x-modelsat-request-id"]
    assert route["modelsat.model"] == "strong"
    assert round(route["modelsat.success_probability"], 4) == 0.8
    assert [one.split(";")[:2] for one in route["modelsat.candidates"]] == [
        ["strong", "success=0.8"],
        ["cheap", "success=0.7"],
        ["weak", "success=0.3"],
    ]
    assert failed["error.type"] == "503"
    assert failed["span"].status.code == 2
    assert call["span"].status.code == 0
    assert call["gen_ai.operation.name"] == "chat"
    assert call["gen_ai.provider.name"] == call["server.address"] == "127.0.0.1"
    assert call["gen_ai.request.model"] == "org/cheap"
    assert call["gen_ai.conversation.id"] == request["session.id"] == "chat-7"
    assert (call["gen_ai.request.temperature"], call["gen_ai.request.max_tokens"]) == (0.5, 50)
    assert call["gen_ai.usage.input_tokens"] == 1000
    assert call["gen_ai.usage.cache_read.input_tokens"] == 400
    assert call["gen_ai.usage.output_tokens"] == 200
    # 1,000 tokens in and 200 out at 1 USD each per million, as the catalogue of `three` says.
    assert call["modelsat.cost_usd"] == pytest.approx(1200 / 1e6)
    parents = {one["span"].parent_span_id for one in (route, failed, call)}
    assert parents == {request["span"].span_id}
    assert request["span"].parent_span_id == b""


def test_spans_hold_no_text_unless_asked_for(start: Callable[..., Ask], collector: tuple[Collector, str]) -> None:
    asked = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SECRET}]}

    start(collector[1])(**asked)
    collector[0].named("POST /v1/chat/completions", "route", "chat org/strong")
    assert SECRET not in str(collector[0].spans)
    assert "key-of" not in str(collector[0].spans)

    collector[0].spans.clear()
    start(collector[1], TraceSettings(keeps_text=True))(**asked)
    request, call = collector[0].named("POST /v1/chat/completions", "chat org/strong")
    assert json.loads(request["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": SECRET}]}
    ]
    assert [(one["role"], one["parts"][0]["content"]) for one in json.loads(call["gen_ai.input.messages"])] == [
        ("system", "Be brief."),
        ("user", SECRET),
    ]


def test_spans_hold_what_was_routed_on_by_the_shapes_of_this_gateway(
    start: Callable[..., Ask], collector: tuple[Collector, str]
) -> None:
    ask = start(collector[1], TraceSettings(keeps_text=True), KNOWN + HarnessShapes(drop_tags=("my_context",)))

    ask("<my_context>Paris, 9 o'clock</my_context>\nWhat is 2 + 2?")

    request, route = collector[0].named("POST /v1/chat/completions", "route")
    for span in (request, route):
        (one,) = json.loads(span["gen_ai.input.messages"])
        assert one["parts"] == [{"type": "text", "content": "What is 2 + 2?"}]


def test_callers_trace_is_continued_to_the_upstream(
    start: Callable[..., Ask], upstream: tuple[Upstream, str], collector: tuple[Collector, str]
) -> None:
    start(collector[1])(headers={"traceparent": CALLER, "tracestate": "vendor=1", "baggage": "user=ada"})

    request, call = collector[0].named("POST /v1/chat/completions", "chat org/strong")
    assert request["span"].trace_id.hex() == call["span"].trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert request["span"].parent_span_id.hex() == "b7ad6b7169203331"
    (sent,) = upstream[0].headers
    assert sent["traceparent"] == f"00-0af7651916cd43dd8448eb211c80319c-{call['span'].span_id.hex()}-01"
    assert sent["tracestate"] == "vendor=1"
    assert "baggage" not in sent


def test_trace_that_its_caller_does_not_sample_is_passed_on_and_not_kept(
    start: Callable[..., Ask], upstream: tuple[Upstream, str], collector: tuple[Collector, str]
) -> None:
    ask = start(collector[1])

    ask(headers={"traceparent": CALLER[:-2] + "00"})
    ask(model="weak")

    collector[0].named("chat org/weak", "POST /v1/chat/completions")
    assert len({span.trace_id for span in collector[0].spans}) == 1
    assert "chat org/strong" not in [span.name for span in collector[0].spans]
    assert upstream[0].headers[0]["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert upstream[0].headers[0]["traceparent"].endswith("-00")


def test_without_traces_nothing_is_sent_and_nothing_added(
    start: Callable[..., Ask], upstream: tuple[Upstream, str], collector: tuple[Collector, str]
) -> None:
    assert start(collector[1], None)(headers={"traceparent": CALLER}).status_code == 200

    assert "traceparent" not in upstream[0].headers[0]
    assert collector[0].spans == []


def test_refused_request_ends_its_spans(start: Callable[..., Ask], collector: tuple[Collector, str]) -> None:
    assert start(collector[1])(modelsat={"candidates": ["nobody*"]}).status_code == 400

    request, route = collector[0].named("POST /v1/chat/completions", "route")
    assert request["http.response.status_code"] == 400
    assert route["error.type"] == "Refused"


def test_collector_that_is_down_costs_no_answer_and_one_line(
    start: Callable[..., Ask], collector: tuple[Collector, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    collector[0].status = 400
    ask = start(collector[1])

    assert [ask().status_code for _ in range(5)] == [200] * 5
    until = time.monotonic() + 20
    while "spans cannot be sent" not in caplog.text:
        assert time.monotonic() < until
        time.sleep(0.02)
    collector[0].status = 200
    assert ask(model="weak").status_code == 200
    collector[0].named("chat org/weak")

    told = [record.getMessage() for record in caplog.records if "opentelemetry" in record.name or "spans" in record.msg]
    assert len(told) == 2, told
    assert told[1].startswith("spans are sent again; ")


def test_gateway_stops_in_time_while_its_collector_is_mute(
    start: Callable[..., Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_export, "CLOSE_SECONDS", 0.2)
    with mute_port() as url:
        # `served` ends the gateway with the test and fails where that takes long.
        assert start(url)().status_code == 200


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"),
        ("my-company.openai.azure.com", "azure.ai.openai"),
        ("api.x.ai", "x_ai"),
        ("fox.ai", "fox.ai"),
    ],
)
def test_providers_have_the_conventions_names(host: str, name: str) -> None:
    assert trace_attributes.provider(host) == name


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "set OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "says 'grpc'"),
    ],
)
def test_traces_without_a_collector_that_can_take_them_are_refused(environment: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        trace_settings.read(True, False, environment)


def test_text_without_traces_is_refused() -> None:
    with pytest.raises(InputError, match="ask for them with --traces"):
        trace_settings.read(False, True, {})


def test_mlflow_shows_the_trace_with_model_tokens_and_cost(
    start: Callable[..., Ask], upstream: tuple[Upstream, str], mlflow_server: str
) -> None:
    client = mlflow.MlflowClient(mlflow_server, mlflow_server)
    experiment = client.create_experiment("gateway")
    upstream[0].faults["org/strong"] = "usage"
    ask = start(mlflow_server, OTEL_EXPORTER_OTLP_TRACES_HEADERS=f"x-mlflow-experiment-id={experiment}")

    ask(headers={"x-request-id": "r-1"})

    until = time.monotonic() + 30
    while not (traces := client.search_traces(locations=[experiment])) or len(traces[0].data.spans) < 3:
        assert time.monotonic() < until
        time.sleep(0.1)
    (trace,) = traces
    assert trace.info.state == "OK"
    assert trace.info.token_usage == {
        "input_tokens": 1000,
        "output_tokens": 200,
        "total_tokens": 1200,
        "cache_read_input_tokens": 400,
    }
    # As the catalogue of `three` says: 10 USD per million tokens.
    assert trace.info.cost["total_cost"] == pytest.approx(0.012)
    spans = {span.name: span for span in trace.data.spans}
    assert set(spans) == {"POST /v1/chat/completions", "route", "chat org/strong"}
    assert spans["chat org/strong"].span_type == "CHAT_MODEL"
    assert spans["chat org/strong"].model_name == "org/strong"
    assert round(spans["route"].attributes["modelsat.success_probability"], 4) == 0.8
