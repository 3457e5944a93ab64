"""What the gateway refuses, as the error object of the client's protocol: its sentence is their exception."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.gateway import headers
from serving.refusal import Refused

logger = logging.getLogger("modelsat.gateway")

_KINDS = {
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    502: "upstream_error",
    503: "service_unavailable",
}


_ANTHROPICS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


def answer(error: Refused, path: str = "") -> JSONResponse:
    """Return the error object with its status and `retry-after`.

    Args:
        error: What is refused.
        path: Of the request, which tells its protocol.
    """
    otherwise = "invalid_request_error" if error.status < 500 else "api_error"
    if path.startswith("/v1/messages"):
        told = {"type": _ANTHROPICS.get(error.status, otherwise), "message": str(error)}
        content: dict[str, Any] = {"type": "error", "error": told}
    else:
        kind = _KINDS.get(error.status, otherwise)
        content = {"error": {"message": str(error), "type": kind, "param": None, "code": None}}
    retry = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return JSONResponse(content, status_code=error.status, headers=retry)


def add_to(app: FastAPI) -> None:
    """Let an application answer what goes wrong in it."""
    for kind, handler in (
        (Refused, refused),
        (RecursionError, too_deep),
        (HTTPException, no_such_route),
        (Exception, unexpected),
    ):
        app.add_exception_handler(kind, handler)


def at_door(error: Refused) -> ASGIApp:
    """Return the application that answers a request which is not let in."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(error, scope["path"])(scope, receive, send)

    return told


async def refused(request: Request, error: Any) -> JSONResponse:
    """Answer a `Refused`."""
    logger.info("%s refused %d", headers.request_id(request), error.status)
    return answer(error, request.url.path)


async def no_such_route(request: Request, error: Any) -> JSONResponse:
    """Answer FastAPI's own refusal of a path or method."""
    sentence = (
        f"{error.detail}; this gateway has POST /v1/chat/completions, /v1/responses, /v1/messages, /v1/route and "
        "/v1/feedback, and GET /v1/models and /console"
    )
    return await refused(request, Refused(error.status_code, sentence))


async def too_deep(request: Request, _: Exception) -> JSONResponse:
    """Answer a body that nests deeper than it can be written again."""
    return await refused(request, Refused(400, "the body nests too deeply; send a flatter one"))


async def unexpected(request: Request, _: Exception) -> JSONResponse:
    """Answer a fault of ours without telling about it; the log has the traceback."""
    sentence = f"the gateway failed unexpectedly; its log says more about request {headers.request_id(request)}"
    return answer(Refused(500, sentence), request.url.path)
