"""Who may look at the console: a client's token, typed into a form once, and from then on a cookie.

The cookie says until when it is good, and proves that with an HMAC-SHA256 under the digest of the token: it holds no
token, every gateway with the same clients accepts it, and it ends with the token. It opens the console alone.
"""

import hashlib
import hmac
import time
from collections.abc import Collection

from fastapi import Response
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from serving import off_loop, tokens
from serving.gateway import errors
from serving.refusal import Refused

ROOT, ASK, LOG_IN, LOG_OUT = "/console", "/console/route", "/console/login", "/console/logout"
_COOKIE = "modelsat_console"
_SECONDS = 12 * 60 * 60
_PURPOSE = b"modelsat-console-1:"


def client_of(method: str, path: str, headers: Headers, clients: frozenset[str]) -> str:
    """Return who asks; empty where everybody is let in, and for the form in which a token is typed.

    Raises:
        Refused: Neither a token nor the console's cookie is good here (401).
    """
    if path == LOG_IN and method == "POST":
        return ""
    if is_console(path) and clients:
        holder = _holder(cookie_parser(headers.get("cookie", "")).get(_COOKIE, ""), clients, time.time())
        if holder is not None:
            return holder
    return tokens.client_of(tokens.login_of(headers), clients)


def is_console(path: str) -> bool:
    """Say whether a path is one of the console's."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def at_door(error: Refused) -> ASGIApp:
    """Return the application that answers a request which is not let in: on a page where a person asks for one."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        if is_console(scope["path"]):
            from serving.gateway.console import pages

            sentence = "" if error.status == 401 else str(error)
            answer: ASGIApp = pages.answer(await off_loop.called(True, pages.login, sentence), error.status)
        else:
            answer = errors.at_door(error)
        await answer(scope, receive, send)

    return told


def let_in(response: Response, token: str, clients: Collection[str], is_secure: bool) -> bool:
    """Set the cookie of a client's token; return whether the token is known.

    Args:
        response: That carries the cookie.
        token: As it was typed.
        clients: SHA-256 of the tokens that are let in.
        is_secure: Whether the browser came over TLS, and is to send the cookie over TLS alone.
    """
    client = tokens.digest(token.strip())
    if client not in clients:
        return False
    until = str(int(time.time()) + _SECONDS)
    response.set_cookie(
        _COOKIE,
        f"{until}.{_proof(client, until)}",
        max_age=_SECONDS,
        path=ROOT,
        secure=is_secure,
        httponly=True,
        samesite="strict",
    )
    return True


def let_out(response: Response) -> None:
    """Take the cookie away."""
    response.delete_cookie(_COOKIE, path=ROOT, httponly=True, samesite="strict")


def _page(sentence: str, status: int) -> ASGIApp:
    from serving.gateway.console import pages

    return pages.answer(pages.login(sentence), status)


def _holder(cookie: str, clients: Collection[str], now: float) -> str | None:
    until, _, proof = cookie.partition(".")
    if not (until.isascii() and until.isdigit() and len(until) <= 12 and int(until) > now):
        return None
    given = proof.encode("utf-8", "replace")
    return next((one for one in clients if hmac.compare_digest(given, _proof(one, until).encode())), None)


def _proof(client: str, until: str) -> str:
    return hmac.new(bytes.fromhex(client), _PURPOSE + until.encode(), hashlib.sha256).hexdigest()
