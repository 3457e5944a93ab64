"""What answers used: read along with the bytes, asked for where allowed, counted in tokens and dollars."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import generate_latest

from serving.gateway import savings, usage
from serving.gateway.asked_usage import with_usage, without_usage
from serving.gateway.catalogue import CandidateFacts
from serving.gateway.decision import RoutingDecision
from serving.gateway.telemetry import Telemetry
from serving.gateway.usage import Prices, Usage, UsageReader

TOLD = {"prompt_tokens": 1000, "completion_tokens": 200, "prompt_tokens_details": {"cached_tokens": 400}}
USED = Usage(1000, 200, 400)


def event(told: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(told).encode() + b"\n\n"


WORDS = [event({"choices": [{"delta": {"content": word}}]}) for word in ("To", " be")]
DONE = b"data: [DONE]\n\n"


def read(chunks: list[bytes], encoding: str = "", is_stream: bool = False) -> Usage | None:
    reader = UsageReader(encoding, is_stream)
    for chunk in chunks:
        reader.feed(chunk)
    return reader.close()


def test_usage_of_a_whole_answer_is_read_from_its_chunks() -> None:
    answer = json.dumps({"choices": [{}], "usage": TOLD}).encode()

    assert read([answer[:30], answer[30:]]) == USED
    assert read([gzip.compress(answer)], "gzip") == USED


def test_usage_of_a_stream_is_the_last_event_that_has_one_however_it_is_cut() -> None:
    stream = b"".join([*WORDS, event({"choices": [], "usage": TOLD}), DONE])

    assert read([stream[i : i + 7] for i in range(0, len(stream), 7)], is_stream=True) == USED


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"usage": None},
        {"usage": {"prompt_tokens": -1, "completion_tokens": 2}},
        {"usage": {"prompt_tokens": True, "completion_tokens": 2}},
        {"usage": {"prompt_tokens": "9", "completion_tokens": 2}},
        {"usage": {"prompt_tokens": 9}},
        [],
    ],
)
def test_what_is_no_usage_is_none_and_no_fault(told: Any) -> None:
    assert read([json.dumps(told).encode()]) is None


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_answer_in_an_encoding_that_cannot_be_read_has_no_usage(encoding: str) -> None:
    assert read([b"\x00\x01"], encoding) is None


def test_damaged_encoding_and_text_that_is_no_json_have_no_usage() -> None:
    assert read([b"not gzip"], "gzip") is None
    assert read([b"<html>"]) is None
    assert read([b'data: {"usage": \n\n'], is_stream=True) is None


def test_tokens_from_the_cache_cost_their_own_price() -> None:
    # 600 fresh at 2, 400 cached at 0.5 and 200 of answer at 10 USD per million: 1200 + 200 + 2000 millionths.
    assert Prices(2.0, 10.0, 0.5).paid(USED) == pytest.approx(0.0034)
    # Without a price of cached input it costs the full price: 2000 + 2000.
    assert Prices(2.0, 10.0).paid(USED) == pytest.approx(0.004)


def test_what_the_provider_charges_comes_before_list_prices_and_a_missing_price_is_no_price() -> None:
    charged = usage.of_object({"usage": TOLD | {"cost": 0.02}})

    assert charged is not None
    assert Prices(2.0, 10.0).paid(charged) == 0.02
    assert Prices(2.0, None).paid(USED) is None


def ranked(**costs: float | None) -> RoutingDecision:
    rows = [{"candidate": name, "success_probability": 0.5, "expected_cost_usd": cost} for name, cost in costs.items()]
    return RoutingDecision(list(costs), "routed", ranked=rows, best_single="strong", text="x" * 400)


def test_best_single_is_billed_for_the_whole_prompt_and_its_own_expected_answer() -> None:
    facts = {"strong": CandidateFacts(prices=Prices(10.0, 10.0))}

    # The router read 100 tokens and expects 0.005 USD; 900 more at 10 USD per million are 0.009.
    assert savings.at_best_single("cheap", ranked(cheap=0.001, strong=0.005), USED, facts) == pytest.approx(0.014)
    # 400 of them would have come from the cache: 500 at 10 and 400 at 1 USD per million are 0.0054.
    cached = {"strong": CandidateFacts(prices=Prices(10.0, 10.0, 1.0))}
    assert savings.at_best_single("cheap", ranked(cheap=0.001, strong=0.005), USED, cached) == pytest.approx(0.0104)
    assert savings.at_best_single("cheap", ranked(cheap=0.001, strong=None), USED, facts) is None
    assert savings.at_best_single("cheap", ranked(cheap=0.001), USED, facts) is None


def test_answer_of_the_best_single_itself_had_cost_there_what_was_paid() -> None:
    facts = {"strong": CandidateFacts(prices=Prices(2.0, 10.0, 0.5))}

    # 600 fresh, 400 cached and 200 of answer, as it was billed; the router expected 0.005 USD and 900 tokens more.
    assert savings.at_best_single("strong", ranked(strong=0.005), USED, facts) == pytest.approx(0.0034)
    assert savings.at_best_single("strong", ranked(strong=0.005), USED, {}) is None


def test_tokens_and_dollars_are_counted_by_model_and_beside_the_best_single() -> None:
    telemetry = Telemetry()

    telemetry.used("cheap", USED, 0.004, 0.014)
    telemetry.used("cheap", USED, None, 0.014)
    telemetry.used("cheap", None, None, None)
    telemetry.rated("cheap", 0.75, 1.0)

    told = dict(line.rsplit(" ", 1) for line in generate_latest(telemetry.registry).decode().splitlines())
    assert told['modelsat_tokens_total{kind="prompt",model="cheap"}'] == "1200.0"
    assert told['modelsat_tokens_total{kind="cached",model="cheap"}'] == "800.0"
    assert told['modelsat_tokens_total{kind="answer",model="cheap"}'] == "400.0"
    assert told['modelsat_paid_usd_total{model="cheap"}'] == "0.004"
    assert told["modelsat_paid_beside_best_single_usd_total"] == "0.004"
    assert told["modelsat_paid_had_best_single_answered_usd_total"] == "0.014"
    assert told['modelsat_answers_without_usage_total{model="cheap"}'] == "1.0"
    assert told['modelsat_feedback_promised_success_total{model="cheap"}'] == "0.75"
    assert told['modelsat_feedback_rated_answers_total{model="cheap"}'] == "1.0"


def test_usage_is_asked_for_in_streams_of_clients_that_did_not_ask_themselves() -> None:
    assert with_usage({"stream": True}) == {"stream": True, "stream_options": {"include_usage": True}}
    assert with_usage({"stream": True, "stream_options": {"include_usage": False}}) is None
    assert with_usage({"stream": False}) is None


@pytest.mark.parametrize("width", [1, 13, 10_000])
def test_client_gets_the_stream_that_it_would_have_got_without_asking(width: int) -> None:
    asked = [one.replace(b"]}\n\n", b'], "usage": null}\n\n') for one in WORDS]
    stream = b"".join([*asked, event({"choices": [], "usage": TOLD}), DONE])

    async def chunks() -> AsyncIterator[bytes]:
        for i in range(0, len(stream), width):
            yield stream[i : i + width]

    async def collected() -> bytes:
        return b"".join([one async for one in without_usage(chunks())])

    assert asyncio.run(collected()) == b"".join([*WORDS, DONE])
