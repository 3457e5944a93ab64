"""What the gateway refuses, as OpenAI's error object: clients show its sentence as their own exception."""

import logging
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

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


def answer(error: Refused) -> JSONResponse:
    """Return the error object with its status and `retry-after`."""
    kind = _KINDS.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    content = {"error": {"message": str(error), "type": kind, "param": None, "code": None}}
    retry = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return JSONResponse(content, status_code=error.status, headers=retry)


async def refused(request: Request, error: Any) -> JSONResponse:
    """Answer a `Refused`."""
    logger.info("%s refused %d", headers.request_id(request), error.status)
    return answer(error)


async def no_such_route(request: Request, error: Any) -> JSONResponse:
    """Answer FastAPI's own refusal of a path or method."""
    sentence = (
        f"{error.detail}; this gateway has POST /v1/chat/completions, /v1/route and /v1/feedback, and GET /v1/models"
    )
    return await refused(request, Refused(error.status_code, sentence))


async def too_deep(request: Request, _: Exception) -> JSONResponse:
    """Answer a body that nests deeper than it can be written again."""
    return await refused(request, Refused(400, "the body nests too deeply; send a flatter one"))


async def unexpected(request: Request, _: Exception) -> JSONResponse:
    """Answer a fault of ours without telling about it; the log has the traceback."""
    sentence = f"the gateway failed unexpectedly; its log says more about request {headers.request_id(request)}"
    return answer(Refused(500, sentence))
