"""Who comes through the door of endpoint and gateway, how much at once, and what the others are told."""

import asyncio
from typing import Any

import pytest
from fastapi.responses import JSONResponse

from serving import proxies as networks
from serving import tokens
from serving.door import REQUEST_ID, Door
from serving.limits import ClientRates, RequestLimits
from serving.refusal import Refused

LEAVES, NEVER = b"leaves", b"never"
WIDE = RequestLimits(most_bytes=100, most_in_flight=10, most_bytes_in_flight=1000)


class Inner:
    """An application that keeps what it is given, and answers once it may."""

    def __init__(self) -> None:
        self.ended = 0
        self.bodies: list[bytes] = []
        self.states: list[dict[str, Any]] = []
        self.sources: list[str] = []
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.states.append(scope["state"])
        self.sources.append(networks.current.get())
        self.bodies.append((await receive())["body"])
        try:
            await self.may_answer.wait()
        finally:
            self.ended += 1
        await JSONResponse({"fine": True})(scope, receive, send)


def answer(refused: Refused) -> JSONResponse:
    retry = {} if refused.retry_after is None else {"retry-after": str(refused.retry_after)}
    return JSONResponse({"error": str(refused)}, refused.status, headers=retry)


class Client:
    """Asks through a door, as an ASGI server would."""

    def __init__(
        self, limits: RequestLimits = WIDE, clients: frozenset[str] = frozenset(), answers: bool = True
    ) -> None:
        self.inner = Inner()
        self.counted: list[str] = []
        if answers:
            self.inner.may_answer.set()
        self.door = Door(self.inner, limits, clients, lambda _, path: path == "/live", answer, self.counted.append)

    async def ask(
        self,
        *parts: bytes,
        path: str = "/",
        headers: dict[str, str] | None = None,
        peer: str = "10.0.0.1",
        leaves: bool = False,
    ) -> tuple[int, dict[str, str]]:
        """Ask and return status and headers of the answer; 0 where there is none."""
        sent: list[Any] = []
        given = iter(parts or (b"",))
        last = len(parts) or 1

        async def receive() -> Any:
            nonlocal last
            last -= 1
            part = next(given, LEAVES if leaves else NEVER)
            if part == LEAVES:
                return {"type": "http.disconnect"}
            if part == NEVER:
                await asyncio.sleep(60)
            return {"type": "http.request", "body": part, "more_body": last > 0}

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": "POST", "path": path, "headers": raw, "client": (peer, 1)}
        await self.door(scope, receive, send)
        if not sent:
            return 0, {}
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], told


def test_body_arrives_whole_and_once() -> None:
    client = Client()

    assert asyncio.run(client.ask(b"one ", b"", b"two"))[0] == 200
    assert client.inner.bodies == [b"one two"]


def test_id_of_the_request_is_the_clients_or_a_new_one() -> None:
    client = Client()

    given = asyncio.run(client.ask(headers={"x-request-id": "id-1"}))
    made = asyncio.run(client.ask(headers={"x-request-id": "x" * 65}))

    assert given[1][REQUEST_ID] == "id-1" == client.inner.states[0]["request_id"]
    assert len(made[1][REQUEST_ID]) == 32


@pytest.mark.parametrize("parts", [(b"x" * 101,), (b"x" * 60, b"x" * 60)])
def test_body_beyond_the_limit_is_a_413(parts: tuple[bytes, ...]) -> None:
    client = Client()

    assert asyncio.run(client.ask(*parts))[0] == 413
    assert asyncio.run(client.ask(headers={"content-length": "101"}))[0] == 413
    assert client.inner.bodies == []
    assert client.counted == ["body", "body"]


def test_body_that_does_not_arrive_is_a_408() -> None:
    client = Client(RequestLimits(100, 10, 1000, body_seconds=0.01))

    assert asyncio.run(client.ask(b"x", NEVER))[0] == 408
    assert client.counted == ["slow body"]


def test_client_that_leaves_before_the_end_of_its_body_keeps_no_place() -> None:
    client = Client(RequestLimits(100, 1, 1000))

    assert asyncio.run(client.ask(b"x", LEAVES))[0] == 400
    assert asyncio.run(client.ask(b"x"))[0] == 200
    assert client.counted == ["left"]


def test_client_that_leaves_before_the_answer_ends_what_was_begun_for_it() -> None:
    async def scenario(client: Client) -> list[int]:
        statuses = [(await client.ask(b"x", leaves=True))[0]]
        client.inner.may_answer.set()
        return [*statuses, (await client.ask(b"x"))[0]]

    client = Client(RequestLimits(100, 1, 1000), answers=False)

    assert asyncio.run(scenario(client)) == [0, 200]
    assert (client.inner.ended, client.counted) == (2, ["left"])


def test_end_of_an_answer_is_not_a_client_that_leaves() -> None:
    """uvicorn says `http.disconnect` behind a whole answer, too, while the application still tidies up."""
    tidied: list[str] = []
    counted: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse({"fine": True})(scope, receive, send)
        await asyncio.sleep(0.01)
        tidied.append("whole")

    async def scenario() -> None:
        answered = asyncio.Event()

        async def receive() -> Any:
            if asked:
                await answered.wait()
                return {"type": "http.disconnect"}
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                answered.set()

        asked: list[bool] = []
        door = Door(app, WIDE, frozenset(), lambda *_: False, answer, counted.append)
        await door({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)

    asyncio.run(scenario())

    assert (tidied, counted) == (["whole"], [])


def test_one_address_leaves_a_quarter_of_the_slots_to_others() -> None:
    """Of 4 slots one address has 3."""

    async def scenario(client: Client) -> list[int]:
        first = [asyncio.create_task(client.ask(b"x")) for _ in range(3)]
        await asyncio.sleep(0.01)
        fourth, other = client.ask(b"x"), asyncio.create_task(client.ask(b"x", peer="10.0.0.2"))
        statuses = [(await fourth)[0]]
        await asyncio.sleep(0.01)
        fifth = await client.ask(b"x", peer="10.0.0.3")
        client.inner.may_answer.set()
        return statuses + [fifth[0]] + [(await task)[0] for task in (other, *first)] + [(await client.ask(b"x"))[0]]

    client = Client(RequestLimits(100, 4, 1000), answers=False)

    assert asyncio.run(scenario(client)) == [429, 503, 200, 200, 200, 200, 200]
    assert client.counted == ["in flight", "in flight"]


@pytest.mark.parametrize(("proxies", "statuses"), [("", [200, 200, 429]), ("10.0.0.0/24", [200, 200, 200])])
def test_clients_behind_a_proxy_have_a_pace_each_where_the_proxy_is_configured(
    proxies: str, statuses: list[int]
) -> None:
    client = Client(RequestLimits(100, 10, 1000, per_minute=12, proxies=networks.read(proxies)))

    async def scenario() -> list[int]:
        asked = [client.ask(headers={"x-forwarded-for": f"192.0.2.{i}"}) for i in range(3)]
        return [(await one)[0] for one in asked]

    assert asyncio.run(scenario()) == statuses


def test_application_is_told_where_each_request_comes_from() -> None:
    client = Client(RequestLimits(100, 10, 1000, proxies=networks.read("10.0.0.9")))

    async def scenario() -> None:
        forwarded = {"x-forwarded-for": "192.0.2.1"}
        asked = (client.ask(), client.ask(peer="10.0.0.9", headers=forwarded), client.ask(peer="2001:db8::7"))
        await asyncio.gather(*asked)

    asyncio.run(scenario())
    assert client.inner.sources == ["10.0.0.1", "192.0.2.1", "2001:db8::/64"]


def test_requests_beyond_those_in_flight_are_a_503_and_probes_pass() -> None:
    async def scenario() -> list[Any]:
        client = Client(RequestLimits(100, 1, 1000), answers=False)
        first = asyncio.create_task(client.ask(b"first"))
        await asyncio.sleep(0)
        second = await client.ask(b"second")
        probe = asyncio.create_task(client.ask(path="/live"))
        client.inner.may_answer.set()
        return [(await first)[0], second, (await probe)[0], (await client.ask(b"third"))[0]]

    first, second, probe, third = asyncio.run(scenario())

    assert (first, probe, third) == (200, 200, 200)
    assert (second[0], second[1]["retry-after"]) == (503, "1")


def test_bytes_in_flight_are_bounded_over_all_requests() -> None:
    async def scenario() -> list[int]:
        client = Client(RequestLimits(100, 10, 150), answers=False)
        first = asyncio.create_task(client.ask(b"x" * 100))
        await asyncio.sleep(0)
        second = await client.ask(b"x" * 51)
        client.inner.may_answer.set()
        return [(await first)[0], second[0], (await client.ask(b"x" * 100))[0]]

    assert asyncio.run(scenario()) == [200, 503, 200]


def test_only_known_tokens_are_let_in_and_the_client_is_named_by_its_digest() -> None:
    client = Client(clients=frozenset({tokens.digest("sesame")}))

    assert asyncio.run(client.ask(headers={"authorization": "Bearer open"}))[0] == 401
    assert asyncio.run(client.ask(headers={"authorization": "Bearer sesame"}))[0] == 200
    assert client.inner.states[0]["client"] == tokens.digest("sesame")
    assert asyncio.run(client.ask(path="/live"))[0] == 200


def test_client_beyond_its_pace_is_a_429_and_others_pass() -> None:
    client = Client(RequestLimits(100, 10, 1000, per_minute=12))

    async def scenario() -> list[Any]:
        return [await client.ask(peer=peer) for peer in ("10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2")]

    told = asyncio.run(scenario())

    assert [status for status, _ in told] == [200, 200, 429, 200]
    assert told[2][1]["retry-after"] == "5"


def test_pace_lets_requests_pass_as_fast_as_the_bucket_fills() -> None:
    """60 a minute: one a second, two at once after a pause."""
    pace = ClientRates(60, at_once=2)

    assert [pace.wait("a", now) for now in (0.0, 0.0, 0.0, 0.5, 1.0, 1.0)] == [None, None, 1, 1, None, 1]
    assert pace.wait("b", 1.0) is None
    assert [pace.wait("a", now) for now in (100.0, 100.0, 100.0)] == [None, None, 1]


def test_pace_forgets_the_longest_silent_of_very_many_clients() -> None:
    pace = ClientRates(60, at_once=1)
    pace.wait("first", 0.0)

    for i in range(10_000):
        pace.wait(f"invented {i}", 0.0)

    assert len(pace._buckets) == 10_000
    assert "first" not in pace._buckets
