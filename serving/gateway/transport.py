"""Carries the gateway's calls by aiohttp, which takes a third of the processor time of httpx's own transport.

Nothing of one call stays for the next: no cookie of an upstream comes back to it with somebody else's request.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from io import BytesIO
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from yarl import URL

KEPT_IDLE_SECONDS, MOST_HEADER_BYTES, ONE_WRITE = 4.0, 64 * 2**10, 2**20
"""Servers close idle connections after five seconds, uvicorn for one; bytes of one header; bytes of a body that are
written at once."""
_FAULTS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.SocketTimeoutError, httpx.ReadTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientError, httpx.ReadError),
    (OSError, httpx.ReadError),
)
"""What aiohttp raises, and the name that httpx has for it; the first that fits counts."""


def no_cookies() -> CookieJar:
    """Return a jar for httpx that takes no cookie."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


class Transport(httpx.AsyncBaseTransport):
    """Sends requests whose bodies are in memory, and streams answers as they come over the wire."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._proxies = getproxies()
        self._certificates = httpx.create_ssl_context()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer, whose body is not read yet.

        Raises:
            httpx.TransportError: There is no answer.
        """
        timeout, body = request.extensions.get("timeout", {}), request.content or None
        with _named_as_httpx_does():
            answer = await self._opened().request(
                request.method,
                URL(str(request.url), encoded=True),
                data=BytesIO(body) if body and len(body) > ONE_WRITE else body,
                headers=request.headers.multi_items(),
                allow_redirects=False,
                proxy=self._proxy_of(request.url),
                timeout=aiohttp.ClientTimeout(sock_connect=timeout.get("connect"), sock_read=timeout.get("read")),
            )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer), request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        # Made with the first call, since it belongs to a running event loop.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_IDLE_SECONDS, ssl=self._certificates),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
                auto_decompress=False,
                max_line_size=MOST_HEADER_BYTES,
                max_field_size=MOST_HEADER_BYTES,
            )
        return self._session

    def _proxy_of(self, url: httpx.URL) -> str | None:
        # aiohttp's own way to the environment reads .netrc too, and refuses calls with a key to a host that is in it.
        if not self._proxies or proxy_bypass(url.netloc.decode()):
            return None
        return self._proxies.get(url.scheme) or self._proxies.get("all")


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _named_as_httpx_does():
            async for chunk in self._answer.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        # A connection whose answer was not read to its end is closed, any other goes back to the pool.
        self._answer.release() if self._answer.content.at_eof() else self._answer.close()


@contextmanager
def _named_as_httpx_does() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        named: Any = next(name for kind, name in _FAULTS if isinstance(error, kind))
        raise named(str(error)) from error
