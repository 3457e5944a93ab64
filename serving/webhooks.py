"""The receiver of release announcements: checks who speaks, and writes a line into the release ledger. Nothing else.

`modelsat webhooks` runs it. Whoever works on a release (`modelsat watch`, the watch pipeline) finds it in the ledger.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from modelsat.errors import ConflictError, InputError, ModelsatError
from modelsat.io import storage
from modelsat.onboarding.releases import ledger as release_ledger
from modelsat.onboarding.releases import refusals
from modelsat.onboarding.releases.ledger import Release
from modelsat.text import rendering
from serving import announcements, tokens
from serving.refusal import Refused

MLFLOW_SECRET, S3_TOKENS = "MODELSAT_MLFLOW_WEBHOOK_SECRET", "MODELSAT_S3_EVENT_TOKENS"
"""Environment variables with the secret of MLflow's webhook and the bearer tokens of S3's notifications."""

logger = logging.getLogger("modelsat.webhooks")


@dataclass(frozen=True)
class WebhookSettings:
    """Settings of the receiver.

    Attributes:
        ledger: Folder or `s3://` prefix of the release ledger.
        mlflow_secret: Of MLflow's webhook; "" closes its route.
        s3_tokens: SHA-256 of the tokens of S3's notifications; empty closes their route.
        results: `s3://` prefix of results by candidate.
        ignored: Registered models that are no candidates.
        max_body: Longest body in bytes.
        skew_seconds: How old or new a delivery may be.
    """

    ledger: str
    mlflow_secret: str = ""
    s3_tokens: frozenset[str] = frozenset()
    results: str = "s3://modelsat/results"
    ignored: frozenset[str] = frozenset({"modelsat-router"})
    max_body: int = 65_536
    skew_seconds: float = 300.0


def create_app(settings: WebhookSettings, clock: Callable[[], float] = time.time) -> FastAPI:
    """Return the application.

    Args:
        settings: Of the receiver.
        clock: Seconds since 1970.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(ModelsatError, _unavailable)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/mlflow")
    async def mlflow(request: Request) -> JSONResponse:
        if not settings.mlflow_secret:
            raise Refused(404, f"this receiver takes no events of MLflow; set {MLFLOW_SECRET}")
        body = await _body(request, settings.max_body)
        headers = dict(request.headers)
        delivery = announcements.check_mlflow(headers, body, settings.mlflow_secret, clock(), settings.skew_seconds)
        found = announcements.of_mlflow(body, settings.ignored)
        return await run_in_threadpool(_take, settings.ledger, found, delivery)

    @app.post("/s3")
    async def s3(request: Request) -> JSONResponse:
        if not settings.s3_tokens:
            raise Refused(404, f"this receiver takes no events of S3; set {S3_TOKENS}")
        tokens.client_of(request.headers.get("authorization", ""), settings.s3_tokens)
        found = announcements.of_s3(await _body(request, settings.max_body), settings.results)
        return await run_in_threadpool(_take_results, settings.ledger, found)

    return app


def _take_results(ledger: str, found: list[Release]) -> JSONResponse:
    """Announce releases whose results came in; one that was refused with other results before is tried again."""
    new = [release.candidate for release in found if release_ledger.announce(ledger, release)]
    again = [
        release.candidate
        for release in found
        if release.candidate not in new and refusals.reopen_ended(ledger, release, "new results were put")
    ]
    for candidate in [*new, *again]:
        logger.info("%s %s", "announced" if candidate in new else "reopened", candidate)
    return JSONResponse({"announced": new, "reopened": again, "known": len(found) - len(new) - len(again)})


def _take(ledger: str, found: list[Release], delivery: str) -> JSONResponse:
    """Announce releases, then remember the delivery: a failure in between is repaired by the sender's next try."""
    seen = storage.join(ledger, "deliveries", f"{rendering.digest(delivery)}.json")
    if _exists(seen):
        raise Refused(409, "this delivery was taken already")
    new = [release.candidate for release in found if release_ledger.announce(ledger, release)]
    try:
        storage.create(seen, json.dumps({"delivery": delivery}).encode())
    except ConflictError as error:
        raise Refused(409, "this delivery was taken already") from error
    for candidate in new:
        logger.info("announced %s", candidate)
    return JSONResponse({"announced": new, "known": len(found) - len(new)})


def _exists(uri: str) -> bool:
    try:
        storage.read(uri)
    except InputError:
        return False
    return True


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise Refused(413, f"the body is longer than {most} bytes")
    return bytes(body)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    logger.warning("refused: %s", error)
    return JSONResponse({"error": str(error)}, status_code=error.status if isinstance(error, Refused) else 400)


async def _unavailable(_: Request, error: Exception) -> JSONResponse:
    logger.error("the ledger cannot be written: %s", error)
    return JSONResponse({"error": "the release ledger cannot be written; try again"}, status_code=503)


def run(host: str, port: int, settings: WebhookSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        InputError: Neither MLflow nor S3 could prove who they are.
    """
    import uvicorn

    if not settings.mlflow_secret and not settings.s3_tokens:
        raise InputError(f"nobody could prove who speaks; set {MLFLOW_SECRET} or {S3_TOKENS}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    uvicorn.run(create_app(settings), host=host, port=port, access_log=False, log_config=None, server_header=False)
