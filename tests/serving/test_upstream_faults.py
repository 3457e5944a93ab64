"""Whose fault a failed call is, and for how long an upstream stays out: pure decisions on what providers really say."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway import upstream_faults as faults
from serving.gateway.answer_start import AnswerStart
from serving.gateway.forwarding import longer
from serving.gateway.headers import to_upstream
from serving.gateway.telemetry import Telemetry
from serving.gateway.upstream_faults import UpstreamFault
from serving.gateway.upstream_health import Circuit, UpstreamHealth, after_failure


def error(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


TOO_LONG = UpstreamFault("context_length_exceeded", is_passed_on=True, needs_longer_context=True)
UNSUPPORTED = UpstreamFault("unsupported", is_passed_on=True)


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, error("Incorrect API key provided: sk-..."), UpstreamFault("401", takes_out=True)),
        (402, error("Insufficient credits"), UpstreamFault("402", takes_out=True)),
        (402, error("requires more credits, or fewer max_tokens"), UpstreamFault("402")),
        (403, error("Your key has no access to this model"), UpstreamFault("403", takes_out=True)),
        (403, error("Your input was flagged", metadata={"reasons": ["violence"]}), UpstreamFault("403")),
        (404, error("The model `x` does not exist", code="model_not_found"), UpstreamFault("404", takes_out=True)),
        (404, b"<html>Not Found</html>", UpstreamFault("404", takes_out=True)),
        (404, error("No endpoints found that support image input"), UpstreamFault("unsupported")),
        (410, error("The model has been deprecated"), UpstreamFault("410", takes_out=True)),
        (307, b"", UpstreamFault("307", takes_out=True)),
        (405, b"", UpstreamFault("405", takes_out=True)),
        (408, b"", UpstreamFault("408", is_passed_on=True)),
        (429, error("slow down", code="rate_limit_exceeded"), UpstreamFault("429", is_passed_on=True)),
        (429, error("check your plan", code="insufficient_quota"), UpstreamFault("no credit", takes_out=True)),
        (500, b"", UpstreamFault("500", is_passed_on=True)),
        (529, error("Overloaded", type="overloaded_error"), UpstreamFault("529", is_passed_on=True)),
        (413, b"", UpstreamFault("413", is_passed_on=True, needs_longer_context=True)),
        (400, error("too long", code="context_length_exceeded"), TOO_LONG),
        (400, error("This model's maximum context length is 8192 tokens."), TOO_LONG),
        (400, error("prompt is too long: 250000 tokens > 200000 maximum", type="invalid_request_error"), TOO_LONG),
        (400, error("The input token count (1) exceeds the maximum number of tokens allowed (0)."), TOO_LONG),
        (400, error("Please reduce the length of the messages or completion."), TOO_LONG),
        (422, error("Input is too long for requested model."), TOO_LONG),
        (400, b'{"object":"error","message":"maximum context length is 4096","code":400}', TOO_LONG),
        (400, error("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"), TOO_LONG),
        (422, b'{"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"}', TOO_LONG),
        (422, b'{"error": "`inputs` must have less than 4095 tokens. Given: 10000"}', TOO_LONG),
        (400, error("<400> InvalidParameter: Range of input length should be [1, 129024]"), TOO_LONG),
        (400, error("max_tokens must be at least 1, got -904."), TOO_LONG),
        (400, error("Your request exceeded model token limit: 8192"), TOO_LONG),
        (400, error("tokens in request", code="context_window_exceeded"), TOO_LONG),
        (
            400,
            b'{"code": 20015, "message": "length of prompt_tokens must be less than max_seq_len (32768)."}',
            TOO_LONG,
        ),
        (500, error("ContextWindowExceededError: maximum context length is 4096 tokens"), TOO_LONG),
        (400, error('"auto" tool choice requires --enable-auto-tool-choice'), UNSUPPORTED),
        (400, error("At most 0 image(s) may be provided in one request."), UNSUPPORTED),
        (400, error("image_url is only supported by certain models."), UNSUPPORTED),
        (422, b'{"detail": [{"type": "extra_forbidden", "msg": "Extra inputs are not permitted"}]}', UNSUPPORTED),
        (498, error("Flex tier capacity exceeded"), UpstreamFault("498", is_passed_on=True)),
        (400, error("The response was filtered", code="content_filter"), None),
        (400, error("this model does not support image input"), UNSUPPORTED),
        (400, error("tools is not supported by this model"), UNSUPPORTED),
        (400, error("x", code="unsupported_parameter"), UNSUPPORTED),
        (400, error("/m is not a multimodal model"), UNSUPPORTED),
        (400, error("x", code="model_decommissioned"), UpstreamFault("model gone", takes_out=True)),
        (400, error("acme/x is not a valid model ID"), UpstreamFault("model gone")),
        (400, error("Model Not Exist"), UpstreamFault("model gone")),
        (400, error("Your credit balance is too low"), UpstreamFault("no credit")),
        (400, error("x", status="API_KEY_INVALID"), UpstreamFault("key refused", takes_out=True)),
        (400, error("'temperature' must be at most 2", code="invalid_value"), None),
        (400, b"bad request", None),
        (422, b'{"detail": [{"loc": ["messages"], "msg": "field required"}]}', None),
    ],
)
def test_fault_is_told_from_the_clients_own(status: int, body: bytes, fault: UpstreamFault | None) -> None:
    assert faults.of_status(status, body) == fault


@given(st.integers(300, 599), st.binary(max_size=200))
def test_bodies_of_keys_and_missing_models_never_reach_a_client(status: int, body: bytes) -> None:
    fault = faults.of_status(status, body)

    if status in (401, 402, 403, 404, 405, 410) or status < 400:
        assert fault is not None
        assert not fault.is_passed_on or fault.needs_longer_context


def test_client_cannot_take_an_upstream_out_by_what_it_writes() -> None:
    """A provider that quotes the request repeats whatever a client wants it to say."""
    quoted = error("'role' must not be 'incorrect api key provided, model gone not found'", code="invalid_value")

    fault = faults.of_status(400, quoted)

    assert fault is not None
    assert not fault.takes_out


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"choices": [{"message": {"content": "4"}}]}', None),
        (b'{"choices": [{"message": {"content": "\\"error\\" is a word"}}], "error": null}', None),
        (b'{"choices": [{"message": {"content": "4"}}, {"error": {"code": 502}}]}', None),
        (b'{"error": {"message": "Provider returned error", "code": 502}}', UpstreamFault("200 with an error")),
        (b'{"error": "Overloaded", "choices": null}', UpstreamFault("200 with an error")),
        (b'{"error": {"code": 401, "message": "No auth"}}', UpstreamFault("200 with an error", takes_out=True)),
        (
            b'{"error": {"message": "maximum context length is 8192"}}',
            UpstreamFault("200 with an error", needs_longer_context=True),
        ),
        (b'{"choices": [{"error": {"code": 502}, "finish_reason": "error"}]}', UpstreamFault("no chat completion")),
        (b'{"object": "error", "message": "no"}', UpstreamFault("200 with an error")),
        (b'{"choices": []}', UpstreamFault("no chat completion")),
        (b'{"choices": null}', UpstreamFault("no chat completion")),
        (b'{"choices": [{}]}', UpstreamFault("no chat completion")),
        (b'{"choices": [{"index": 0, "message": null}]}', UpstreamFault("no chat completion")),
        (b'{"choices": [{"index": 0, "finish_reason": "content_filter"}]}', None),
        (b'{"choices": [{"index": 0, "text": "4"}]}', None),
        (b"<html>Sign in</html>", UpstreamFault("no chat completion")),
        (b"", UpstreamFault("no chat completion")),
        (b'{"detail": "queued"}', UpstreamFault("no chat completion")),
    ],
)
def test_body_of_a_200_is_an_answer_or_not(body: bytes, fault: UpstreamFault | None) -> None:
    assert faults.of_completion(body) == fault


@pytest.mark.parametrize(
    ("event", "judged"),
    [
        (b": OPENROUTER PROCESSING", False),
        (b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}', False),
        (b'data: {"choices": [], "prompt_filter_results": []}', False),
        (b'data: {"choices": [{"delta": {"content": "4"}}]}', True),
        (b'data: {"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}', True),
        (b'data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}', True),
        (b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}', True),
        (b"data: not JSON", True),
        (b"data: [DONE]", UpstreamFault("no chat completion")),
        (b'data: {"error": {"message": "Overloaded", "code": 529}}', UpstreamFault("200 with an error")),
        (b'event: error\ndata: {"message": "Overloaded"}', UpstreamFault("200 with an error")),
        (b"event: error\ndata: oops", UpstreamFault("200 with an error")),
        (b"data: error: boom", UpstreamFault("200 with an error")),
        (b'{"error": {"code": 401}}', UpstreamFault("200 with an error", takes_out=True)),
        (b'data: {"error": {"code": 401}, "choices": []}', UpstreamFault("200 with an error", takes_out=True)),
        (
            b'data: {"choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}',
            UpstreamFault("200 with an error"),
        ),
    ],
)
def test_event_before_any_content_is_an_answer_a_fault_or_nothing_yet(event: bytes, judged: object) -> None:
    assert faults.of_event(event) == judged


def test_upstream_stays_out_twice_as_long_each_time_up_to_ten_minutes() -> None:
    circuit, now, seconds = Circuit(), 0.0, []
    for _ in range(7):
        circuit = after_failure(circuit, "401", now)
        seconds.append(circuit.out_until - now)
        now = circuit.out_until

    assert seconds == [30, 60, 120, 240, 480, 600, 600]
    assert not circuit.is_out(now)
    assert circuit.is_out(now - 0.1)


def test_requests_that_fail_together_count_once() -> None:
    once = after_failure(Circuit(), "401", 0.0)

    assert after_failure(once, "404", 29.9) is once


def test_upstream_that_is_out_comes_back_by_itself_and_counts_anew_after_an_answer() -> None:
    now = [0.0]
    health = UpstreamHealth(Telemetry(), clock=lambda: now[0])
    gone = UpstreamFault("404", takes_out=True)

    health.failed("a", gone)
    assert health.split(["a", "b"]) == (["b"], ["a"])
    assert health.standing() == {"a": {"reason": "404", "failures": 1, "seconds": 30}}
    now[0] = 30.0
    assert health.split(["a", "b"]) == (["a", "b"], [])
    health.failed("a", gone)
    assert health.standing()["a"]["seconds"] == 60
    health.answered("a")
    assert health.standing() == {}
    health.failed("a", gone)
    assert health.standing()["a"]["seconds"] == 30


def test_all_upstreams_are_called_where_all_are_out() -> None:
    health = UpstreamHealth(Telemetry(), clock=lambda: 0.0)
    for name in "ab":
        health.failed(name, UpstreamFault("401", takes_out=True))

    assert health.split(["a", "b"]) == (["a", "b"], [])


def test_passing_faults_take_nothing_out() -> None:
    health = UpstreamHealth(Telemetry(), clock=lambda: 0.0)
    for reason in ("500", "429", "ReadTimeout"):
        health.failed("a", UpstreamFault(reason, is_passed_on=True))

    assert health.split(["a", "b"]) == (["a", "b"], [])


def test_too_long_for_one_goes_to_those_that_are_not_known_to_read_less() -> None:
    context = {"a": 8192.0, "b": 8192.0, "c": 131_072.0}

    assert longer(["b", "c", "d"], "a", context) == ["c", "d"]
    assert longer(["b", "c", "d"], "d", context) == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br", "identity"),
        ("", "identity"),
        ("gzip;q=0, deflate", "deflate"),
    ],
)
def test_upstream_may_compress_only_as_the_gateway_can_look_into(accepted: str, sent: str) -> None:
    assert to_upstream({"accept-encoding": accepted}, "id")["accept-encoding"] == sent


def judged(
    chunks: list[bytes], status: int = 200, seconds_each: float = 0.0, **headers: str
) -> tuple[UpstreamFault | None, int, bytes]:
    """Return the fault of an answer, how many chunks were read to find it, and all bytes that are passed on."""
    now, read = [0.0], [0]

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            now[0] += seconds_each
            read[0] += 1
            yield chunk

    async def asked() -> tuple[UpstreamFault | None, int, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        start = AnswerStart(httpx.Response(status, headers=named, content=body()), clock=lambda: now[0])
        fault, needed = await start.fault(), read[0]
        return fault, needed, b"".join([chunk async for chunk in start.chunks()])

    return asyncio.run(asked())


def test_compressed_error_is_read_like_a_plain_one() -> None:
    packed = gzip.compress(error("x", code="context_length_exceeded"))

    assert judged([packed[:10], packed[10:]], 400, content_encoding="gzip") == (TOO_LONG, 2, packed)


@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain", "application/json"])
def test_stream_is_passed_on_from_its_first_content_whatever_its_type(content_type: str) -> None:
    chunks = [b": PROCESSING\n\n", b'data: {"choices": [{"delta": {"content": "4"}}]}\n\n', b"data: [DONE]\n\n"]

    assert judged(chunks, content_type=content_type) == (None, 2, b"".join(chunks))


@pytest.mark.parametrize("sign", [b": PROCESSING\n\n", b"\n"])
def test_signs_of_life_are_held_back_for_a_few_seconds_only(sign: bytes) -> None:
    chunks = [sign] * 20

    assert judged(chunks, seconds_each=1.0, content_type="text/event-stream") == (None, 5, b"".join(chunks))


@given(st.lists(st.binary(max_size=20), max_size=8), st.sampled_from([200, 400, 401, 500]), st.booleans())
def test_bytes_are_passed_on_as_they_came(chunks: list[bytes], status: int, streams: bool) -> None:
    content_type = "text/event-stream" if streams else "application/json"

    assert judged(chunks, status, content_type=content_type)[2] == b"".join(chunks)
