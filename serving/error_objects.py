"""Faults of the endpoint as the protocol's error object, `{"error": sentence}`: no traceback, and never the prompt."""

import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve.errors import (
    InferenceError,
    InvalidInput,
    ModelNotFound,
    ModelNotReady,
    ServerNotLive,
    ServerNotReady,
    UnsupportedProtocol,
)
from starlette.exceptions import HTTPException

from modelsat.errors import InputError
from serving.refusal import Refused

logger = logging.getLogger("modelsat.serving")

NOT_READY = Refused(503, "the router has no bundle yet; promote one, or wait for it to load", 1)
_VERSIONS = "this endpoint serves one version of the router and names it in every answer; name that one, or none"


def as_refusal(error: Exception) -> Refused:
    """Return what a client is told of any fault; one that nobody foresaw is logged, without the text it may quote."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, ServerNotReady | ServerNotLive | ModelNotReady):
        return NOT_READY
    if isinstance(error, ModelNotFound):
        return Refused(404, f"{str(error)[:120].rstrip('.')}; this endpoint has the model 'router'")
    if isinstance(error, NotImplementedError):
        return Refused(404, _VERSIONS)
    if isinstance(error, InputError):
        return Refused(400, _short(str(error)))
    if isinstance(error, RecursionError):
        return Refused(400, "the request nests too deeply; send a flatter one")
    if isinstance(error, InvalidInput | InferenceError | UnsupportedProtocol):
        return Refused(400, _short(str(error)))
    if isinstance(error, RequestValidationError):
        return Refused(400, _short(_malformed(error)))
    if isinstance(error, HTTPException):
        return Refused(error.status_code, f"{error.detail}; this endpoint has GET /v2/models/router and POST .../infer")
    logger.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return Refused(500, "the endpoint failed unexpectedly; its log says where")


def answer(refused: Refused) -> JSONResponse:
    """Return the error object with its status, and `retry-after` where trying again is of use."""
    retry = {} if refused.retry_after is None else {"retry-after": str(refused.retry_after)}
    return JSONResponse({"error": str(refused)}, status_code=refused.status, headers=retry)


def add_to(application: FastAPI) -> None:
    """Make the application answer every fault in this shape."""
    kinds = (Refused, InputError, RequestValidationError, HTTPException, NotImplementedError, RecursionError, Exception)
    for kind in (*kinds, InvalidInput, InferenceError, ModelNotFound, ModelNotReady, ServerNotReady, ServerNotLive):
        application.add_exception_handler(kind, _handler)
    application.add_exception_handler(UnsupportedProtocol, _handler)


async def _answer_error(_: Request, error: Exception) -> JSONResponse:
    return answer(as_refusal(error))


_handler: Callable[[Request, Exception], Awaitable[Any]] = _answer_error


def _malformed(error: RequestValidationError) -> str:
    """Say where a body is malformed; FastAPI's own answer would echo the prompt."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first.get("loc", ()))
    return f"the request is malformed at {where[:120]!r}: {first.get('msg', 'malformed')}"


def _short(sentence: str) -> str:
    return " ".join(sentence.split())[:280]
