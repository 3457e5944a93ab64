"""What the gateway refuses, as OpenAI's error object: clients show its sentence as their own exception."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from modelsat.errors import ModelsatError
from serving.gateway import headers

logger = logging.getLogger("modelsat.gateway")

_KINDS = {401: "authentication_error", 404: "not_found_error", 502: "upstream_error", 503: "service_unavailable"}


class Refused(ModelsatError):
    """A request that is not answered by any candidate.

    Attributes:
        status: HTTP status.
        retry_after: Seconds after which to try again; None where trying again is of no use.
    """

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after


def answer(error: Refused, told: Mapping[str, str]) -> JSONResponse:
    """Return the error object with its status, `retry-after` and the given headers."""
    kind = _KINDS.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    content = {"error": {"message": str(error), "type": kind, "param": None, "code": None}}
    retry = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return JSONResponse(content, status_code=error.status, headers={**told, **retry})


async def refused(request: Request, error: Any) -> JSONResponse:
    """Answer a `Refused`."""
    logger.info("%s refused %d", headers.request_id(request), error.status)
    return answer(error, {headers.REQUEST_ID: headers.request_id(request)})


async def no_such_route(request: Request, error: Any) -> JSONResponse:
    """Answer FastAPI's own refusal of a path or method."""
    sentence = f"{error.detail}; this gateway has POST /v1/chat/completions, POST /v1/route and GET /v1/models"
    return await refused(request, Refused(error.status_code, sentence))


async def too_deep(request: Request, _: Exception) -> JSONResponse:
    """Answer a body that nests deeper than it can be written again."""
    return await refused(request, Refused(400, "the body nests too deeply; send a flatter one"))


async def unexpected(request: Request, _: Exception) -> JSONResponse:
    """Answer a fault of ours without telling about it; the log has the traceback."""
    sentence = f"the gateway failed unexpectedly; its log says more about request {headers.request_id(request)}"
    return answer(Refused(500, sentence), {headers.REQUEST_ID: headers.request_id(request)})
