"""Conversations by id and by messages, in one gateway and in several that share a real Redis, which may be killed."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from endpoint_process import Endpoint
from local_servers import Upstream, served
from redis_server import RedisServer, redis_server

from modelsat.errors import InputError
from serving.gateway import conversation_ids, sessions, shared_sessions, upstreams
from serving.gateway.app import create_app
from serving.gateway.chat_request import ChatRequest
from serving.gateway.conversation_digest import conversation_digest
from serving.gateway.gateway_settings import GatewaySettings
from serving.gateway.sessions import Previous, Sessions
from serving.gateway.shared_sessions import SharedSessions

FIRST = {"role": "user", "content": "Hi"}
HELLO = {"role": "assistant", "content": "Hello"}
WHY = {"role": "user", "content": "Why?"}
SECRET = "the capital of Atlantis"
Ask = Callable[..., httpx.Response]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis server of this test's own."""
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def start(upstream: tuple[Upstream, str], endpoint: Endpoint) -> Iterator[Callable[..., Ask]]:
    """Return a function that starts a gateway and returns one that asks it; all end with the test."""
    with ExitStack() as stack:

        def begin(**settings: Any) -> Ask:
            names = ("cheap", "strong", "weak")
            catalogue = {name: upstreams.Upstream(f"{upstream[1]}/v1", f"org/{name}") for name in names}
            app = create_app(catalogue, endpoint.url, GatewaySettings(switch_gain=0.5, **settings))
            client = stack.enter_context(httpx.Client(base_url=stack.enter_context(served(app)), timeout=30))

            def ask(*messages: dict[str, Any], headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
                body = {"model": "auto", "messages": list(messages)} | body
                return client.post("/v1/chat/completions", json=body, headers=headers)

            ask.client = client  # type: ignore[attr-defined]
            return ask

        yield begin


def chosen(answer: httpx.Response) -> tuple[str, str]:
    return answer.headers["x-modelsat-selected-model"], answer.headers["x-modelsat-outcome"]


def eventually(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def long_conversation(*messages: dict[str, Any]) -> ChatRequest:
    return ChatRequest("auto", list(messages), {}, is_long=True)


def conversation(*messages: dict[str, Any], name: str = "") -> ChatRequest:
    return ChatRequest("auto", list(messages), {}, conversation=name)


@pytest.mark.parametrize(
    ("headers", "fields", "says"),
    [
        ({"session_id": "codex-1"}, {}, "codex-1"),
        ({"x-claude-code-session-id": "c-1"}, {"metadata": {"user_id": "user_a_account_b_session_c-000002"}}, "c-1"),
        ({}, {"metadata": {"user_id": "user_a_account_b_session_c-000002"}}, "c-000002"),
        ({}, {"metadata": {"user_id": '{"device_id": "d", "session_id": "c-3"}'}}, "c-3"),
        ({}, {"metadata": {"user_id": "ada"}}, ""),
        ({}, {"metadata": "ada", "litellm_session_id": "l-1"}, "l-1"),
        ({"x-litellm-session-id": " l-2 "}, {}, "l-2"),
        ({}, {"prompt_cache_key": "our-app", "safety_identifier": "ada"}, ""),
        ({"x-session-id": "x" * 257}, {}, ""),
        ({}, {"litellm_session_id": 7}, ""),
    ],
)
def test_conversations_are_named_as_known_clients_name_them(
    headers: dict[str, str], fields: dict[str, Any], says: str
) -> None:
    assert conversation_ids.of_request(headers, fields) == says


def test_names_of_conversations_can_be_set() -> None:
    names = conversation_ids.read("X-Chat, body.prompt_cache_key")

    assert names == ("x-chat", "body.prompt_cache_key")
    assert conversation_ids.of_request({}, {"prompt_cache_key": "k"}, names) == "k"
    assert conversation_ids.of_request({"x-session-id": "s"}, {}, names) == ""
    assert conversation_ids.read(" ") == conversation_ids.DEFAULT


def test_messages_find_a_conversation_and_its_id_where_they_were_changed() -> None:
    async def run() -> list[str | None]:
        kept = Sessions()
        kept.keep("me", conversation(FIRST, name="c"), "strong")
        changed = {"role": "user", "content": "Hi <reminder>"}
        asked = (
            ("me", conversation(FIRST, HELLO, WHY)),
            ("me", conversation(changed, HELLO, WHY)),
            ("me", conversation(changed, HELLO, WHY, name="c")),
            ("me", conversation(changed, HELLO, WHY, name="d")),
            ("you", conversation(FIRST, HELLO, WHY, name="c")),
            ("me", conversation(FIRST, name="c")),
        )
        found = [await kept.previous(client, chat) for client, chat in asked]
        return [None if one is None else one.candidate for one in found]

    assert asyncio.run(run()) == ["strong", None, "strong", None, None, None]


def test_side_call_under_the_same_id_does_not_take_the_conversation_over() -> None:
    async def run() -> str:
        kept = Sessions()
        kept.keep("me", conversation(FIRST, name="c"), "strong")
        kept.keep("me", conversation({"role": "user", "content": "A title for this chat"}, name="c"), "cheap")
        found = await kept.previous("me", conversation(WHY, HELLO, WHY, name="c"))
        assert found is not None
        return found.candidate

    assert asyncio.run(run()) == "strong"


def test_age_of_the_last_answer_is_known() -> None:
    now = [1000.0]

    async def run() -> float:
        kept = Sessions(clock=lambda: now[0])
        kept.keep("me", conversation(FIRST), "strong")
        now[0] = 1090.0
        found = await kept.previous("me", conversation(FIRST, HELLO, WHY))
        assert found is not None
        return found.seconds

    assert asyncio.run(run()) == 90.0


def test_long_conversations_are_read_off_the_event_loop_and_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def noting(client: str, messages: Sequence[Mapping[str, Any]]) -> str:
        threads.append(threading.current_thread().name)
        return conversation_digest(client, messages)

    monkeypatch.setattr(sessions, "conversation_digest", noting)

    async def run() -> tuple[Previous | None, Previous | None]:
        kept = Sessions()
        kept.keep("me", long_conversation(FIRST), "strong", ["answer-1"])
        found = await kept.previous("me", long_conversation(FIRST, HELLO, WHY))
        kept.keep("me", long_conversation(FIRST, HELLO, WHY), "cheap")
        await kept.close()
        assert await kept.who_answered("me", "answer-1") == "strong"
        return found, await kept.previous("me", conversation(FIRST, HELLO, WHY, HELLO, WHY))

    first, second = asyncio.run(run())
    assert first is not None
    assert second is not None
    assert (first.candidate, second.candidate) == ("strong", "cheap")
    assert [name.startswith("off-loop") for name in threads] == [True, True, True, False]


def test_digest_tells_conversations_apart_by_client_text_and_shape_alone() -> None:
    part = {"type": "text", "text": "Hi"}
    turned = {"content": "Hi", "role": "user"}
    others = [
        ("you", [FIRST]),
        ("me", [FIRST, HELLO]),
        ("me", [{"role": "user", "content": [part]}]),
        ("me", [{"role": "user", "content": [part, part]}]),
        ("me", [{"role": "user", "content": "H", "i": ""}]),
        ("me", [{"role": "user", "content": None}]),
        ("me", [{"role": "user", "content": "None"}]),
        ("me", [{"role": "user", "content": 1}]),
        ("me", [{"role": "user", "content": True}]),
        ("me", [{"role": "user", "content": "\ud800"}]),
        ("me", [{"role": "user", "content": "x" * 3_000_000}]),
        ("me", [{"role": "user", "content": "x" * 2_999_999 + "y"}]),
        ("meHi", []),
    ]

    digests = [conversation_digest("me", [FIRST]), *(conversation_digest(*other) for other in others)]
    assert len(set(digests)) == len(digests)
    assert {len(digest) for digest in digests} == {32}
    assert conversation_digest("me", [turned]) == digests[0]


def test_two_gateways_share_a_conversation(start: Callable[..., Ask], redis: RedisServer) -> None:
    one, other, alone = start(sessions=redis.url), start(sessions=redis.url), start()

    assert chosen(one(FIRST, modelsat={"candidates": ["cheap"]})) == ("cheap", "routed")
    eventually(lambda: redis.ask("DBSIZE") != b":0\r\n")

    assert chosen(other(FIRST, HELLO, WHY)) == ("cheap", "stayed")
    assert chosen(alone(FIRST, HELLO, WHY)) == ("strong", "routed")


def test_shared_store_holds_digests_that_expire_and_no_text(start: Callable[..., Ask], redis: RedisServer) -> None:
    start(sessions=redis.url)({"role": "user", "content": SECRET}, headers={"x-session-id": "ada-and-bob"})
    eventually(lambda: redis.ask("DBSIZE") == b":3\r\n")

    keys = [line.decode() for line in redis.ask("KEYS", "*").split(b"\r\n") if line.startswith(b"modelsat:")]
    assert sorted(key.split(":")[1] for key in keys) == ["answer", "conversation", "id"]
    for key in keys:
        assert 0 < int(redis.ask("TTL", key).strip(b":\r\n")) <= shared_sessions.KEPT_SECONDS
        kept = key.encode() + redis.ask("GET", key)
        assert kept.endswith(b" strong\r\n")
        assert b"Atlantis" not in kept
        assert b"ada" not in kept


@pytest.mark.parametrize("fault", ["killed", "mute"])
def test_store_that_fails_costs_no_answer_and_comes_back_by_itself(
    start: Callable[..., Ask], redis: RedisServer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="modelsat.gateway")
    ask = start(sessions=redis.url)
    assert chosen(ask(FIRST, modelsat={"candidates": ["cheap"]}))[0] == "cheap"
    eventually(lambda: redis.ask("DBSIZE") != b":0\r\n")
    if fault == "killed":
        redis.kill()
    else:
        redis.stop_answering()

    # The gateway remembers alone.
    assert [chosen(ask(FIRST, HELLO, WHY)) for _ in range(5)] == [("cheap", "stayed")] * 5
    assert "modelsat_sessions_out 1.0" in ask.client.get("/metrics").text  # type: ignore[attr-defined]
    redis.kill()
    redis.start()

    def comes_back() -> bool:
        assert chosen(ask(FIRST, HELLO, WHY)) == ("cheap", "stayed")
        return "modelsat_sessions_out 0.0" in ask.client.get("/metrics").text  # type: ignore[attr-defined]

    eventually(comes_back)
    told = [record.getMessage() for record in caplog.records if "shared sessions" in record.getMessage()]
    assert len(told) == 2, told
    assert f"127.0.0.1:{redis.port} do not answer" in told[0]
    assert told[1].endswith("answer again")


def test_what_waits_is_written_when_a_gateway_ends(redis: RedisServer) -> None:
    async def run() -> list[str | None] | None:
        ending, other = SharedSessions(redis.url), SharedSessions(redis.url)
        ending.put({"conversation:c": "7 strong"})
        await ending.close()
        told = await other.get(["conversation:c"])
        await other.close()
        return told

    assert asyncio.run(run()) == ["7 strong"]


def test_store_that_fails_is_left_alone_for_longer_each_time() -> None:
    now = [0.0]
    states: list[bool] = []

    async def run() -> list[float]:
        store = SharedSessions("redis://127.0.0.1:1/0", states.append, clock=lambda: now[0])
        waits = []
        for _ in range(8):
            assert await store.get(["conversation:a"]) is None
            waits.append(store._again_at - now[0])
            now[0] = store._again_at
        await store.close()
        return waits

    assert asyncio.run(run()) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert states == [True]


@pytest.mark.parametrize("url", ["localhost:6379", "http://redis:6379", "redis://", "redis://h:port"])
def test_address_that_is_none_of_redis_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="write redis://HOST:6379/0"):
        SharedSessions(url)


def test_password_of_the_store_stands_in_no_message() -> None:
    with pytest.raises(InputError) as refused:
        SharedSessions("http://:hunter2@redis:6379")

    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(GatewaySettings(sessions="redis://:hunter2@redis:6379"))


def test_answer_that_failed_is_named_by_its_id(start: Callable[..., Ask]) -> None:
    ask = start()
    first = ask(FIRST)
    assert chosen(first)[0] == "strong"
    failed = first.headers["x-modelsat-request-id"]

    second = ask(FIRST, modelsat={"failed_of": failed})
    assert chosen(second)[0] == "cheap"
    third = ask(FIRST, modelsat={"failed_of": [failed, second.headers["x-modelsat-request-id"]]})
    assert chosen(third)[0] == "weak"
    assert chosen(ask(FIRST, modelsat={"failed_of": failed, "failed": ["cheap"]}))[0] == "weak"
    nobody = ask(FIRST, modelsat={"failed_of": failed, "failed": ["cheap", "weak"]})
    assert (nobody.status_code, nobody.json()["error"]["message"]) == (
        400,
        "all allowed candidates have failed; allow others",
    )


def test_answer_is_named_by_its_id_at_another_gateway(start: Callable[..., Ask], redis: RedisServer) -> None:
    one, other = start(sessions=redis.url), start(sessions=redis.url)
    failed = one(FIRST).headers["x-modelsat-request-id"]
    eventually(lambda: redis.ask("DBSIZE") != b":0\r\n")

    assert chosen(other(FIRST, modelsat={"failed_of": failed}))[0] == "cheap"


@pytest.mark.parametrize(
    ("failed_of", "says"),
    [
        ("no-such-answer", "is the id of no answer that this client was given"),
        ([], None),
        (7, "is no id of an answer"),
        ([""], "is no id of an answer"),
        (["a"] * 21, "no list of at most 20"),
    ],
)
def test_answers_that_are_not_known_are_refused(start: Callable[..., Ask], failed_of: Any, says: str | None) -> None:
    answer = start()(FIRST, modelsat={"failed_of": failed_of})

    assert answer.status_code == (200 if says is None else 400)
    assert says is None or says in json.loads(answer.content)["error"]["message"]
