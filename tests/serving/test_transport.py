"""Calls of the gateway on the wire: what is sent and read byte for byte, and what every fault is called."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from serving.gateway.transport import ONE_WRITE, Transport, no_cookies

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n%b\r\nok"


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[str]:
    """Yield the address of a server that talks so on every connection."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_server(once, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=Transport(), cookies=no_cookies())


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return head + (await reader.readexactly(int(length[1])) if length else b"")


def saying(answer: bytes, heard: list[bytes] | None = None) -> Talk:
    """Answer every request of a connection so, and note what was heard."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await request_of(reader)
                if heard is not None:
                    heard.append(request)
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass

    return talk


async def fault(talk: Talk) -> str:
    async with listening(talk) as url, client() as calling:
        with pytest.raises(httpx.TransportError) as met:
            await calling.post(url, content=b"{}", timeout=httpx.Timeout(5, read=0.3))
    return type(met.value).__name__


async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await request_of(reader)


async def fall_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await request_of(reader)
    await asyncio.sleep(1)


@pytest.mark.parametrize(
    ("talk", "name"),
    [
        (hang_up, "RemoteProtocolError"),
        (fall_silent, "ReadTimeout"),
        (saying(b"220 mail.example ready\r\n\r\n"), "RemoteProtocolError"),
        (saying(b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok"), "RemoteProtocolError"),
    ],
)
def test_fault_has_the_name_that_httpx_has_for_it(talk: Talk, name: str) -> None:
    assert asyncio.run(fault(talk)) == name


def test_answer_that_breaks_off_is_a_fault_at_its_end() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")
        await writer.drain()

    async def read() -> bytes:
        async with listening(cut) as url, client() as calling, calling.stream("POST", url, content=b"{}") as answer:
            chunks = answer.aiter_raw()
            begun = await anext(chunks)
            with pytest.raises(httpx.RemoteProtocolError):
                await anext(chunks)
        return begun

    assert asyncio.run(read()) == b"ok"


def test_request_is_sent_as_it_is() -> None:
    heard: list[bytes] = []

    async def ask() -> None:
        async with listening(saying(OK % b"", heard)) as url, client() as calling:
            await calling.post(f"{url}/v1/a%2Fb%20c?beta=true&x=%7E", content=b'{"a":1}', headers={"x-key": "k"})

    asyncio.run(ask())
    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/a%2Fb%20c?beta=true&x=%7E HTTP/1.1\r\n")
    assert body == b'{"a":1}'
    names = [line.partition(b":")[0].lower() for line in head.splitlines()[1:]]
    assert sorted(names) == sorted(set(names))
    assert b"x-key" in names


def test_body_of_pictures_arrives_whole() -> None:
    heard: list[bytes] = []
    body = bytes(range(256)) * 4 * 4096
    assert len(body) > 3 * ONE_WRITE

    async def ask() -> None:
        async with listening(saying(OK % b"", heard)) as url, client() as calling:
            await calling.post(url, content=body)

    asyncio.run(ask())
    assert heard[0].partition(b"\r\n\r\n")[2] == body


def test_cookie_of_an_upstream_does_not_come_back_with_the_next_request() -> None:
    heard: list[bytes] = []

    async def ask() -> None:
        async with listening(saying(OK % b"set-cookie: who=first; Path=/\r\n", heard)) as url, client() as calling:
            answer = await calling.post(url, content=b"{}")
            assert answer.headers["set-cookie"] == "who=first; Path=/"
            await calling.post(url, content=b"{}")

    asyncio.run(ask())
    assert len(heard) == 2
    assert b"cookie" not in heard[1].lower()


def test_long_header_of_an_answer_is_taken() -> None:
    async def ask() -> httpx.Response:
        async with listening(saying(OK % (b"x-long: " + b"a" * 20_000 + b"\r\n"))) as url, client() as calling:
            return await calling.post(url, content=b"{}")

    assert len(asyncio.run(ask()).headers["x-long"]) == 20_000


def test_a_hundred_and_fifty_calls_at_once_do_not_wait_for_one_another() -> None:
    waiting: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        waiting.append(writer)
        while len(waiting) < 150:
            await asyncio.sleep(0.01)
        writer.write(OK % b"")
        await writer.drain()

    async def ask() -> set[int]:
        async with listening(hold) as url, client() as calling:
            answers = await asyncio.gather(*(calling.post(url, content=b"{}", timeout=60) for _ in range(150)))
        return {answer.status_code for answer in answers}

    assert asyncio.run(ask()) == {200}


def test_proxy_of_the_environment_is_used_except_for_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    async def ask() -> None:
        async with listening(saying(OK % b"", heard)) as proxy:
            monkeypatch.setenv("http_proxy", proxy)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            async with client() as calling:
                await calling.post("http://upstream.invalid/v1", content=b"{}")
                await calling.post(f"{proxy}/direct", content=b"{}")

    asyncio.run(ask())
    assert [one.split(b" ")[1] for one in heard] == [b"http://upstream.invalid/v1", b"/direct"]


def test_key_is_sent_to_a_host_that_the_user_s_netrc_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """aiohttp 3.14.5 that is told to trust the environment refuses such a call."""
    heard: list[bytes] = []
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    async def ask() -> None:
        async with listening(saying(OK % b"", heard)) as url, client() as calling:
            await calling.post(url, content=b"{}", headers={"authorization": "Bearer ours"})

    asyncio.run(ask())
    assert b"\r\nauthorization: bearer ours\r\n" in heard[0].lower()
    assert heard[0].lower().count(b"authorization:") == 1
