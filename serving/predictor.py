"""The KServe model: Open Inference Protocol v2 and v1 in, a ranking of candidates out.

It holds no policy and no platform: requests become calls of `modelsat.bundle.ranking`. The bundle can be replaced while
requests run; each request sees one bundle from start to end.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from kserve import InferRequest, Model
from kserve.errors import ModelNotReady

from modelsat.bundle import explanation
from modelsat.bundle import ranking as routing
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.champions import Champion
from modelsat.errors import InputError
from modelsat.policy.preferences import Preferences
from modelsat.routers.router import Prediction
from serving import off_loop, proxies
from serving.answers import to_v1, to_v2
from serving.micro_batches import DEADLINE_SECONDS, MicroBatches
from serving.off_loop import LONG_ANSWER
from serving.questions import OUTPUTS, RoutingRequest, bounded, from_v1, from_v2
from serving.refusal import Refused
from serving.telemetry import EndpointTelemetry

MOST_ROWS = 200_000
"""Of one answer: prompts times candidates shown."""


class Predictor(Model):  # type: ignore[misc]
    """Serves the bundle it currently holds.

    Args:
        name: Under which KServe lists the model.
        telemetry: Counts decisions.
        deadline_seconds: Within which a single prompt is answered or refused, above 0.
    """

    def __init__(self, name: str, telemetry: EndpointTelemetry, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        super().__init__(name)
        self.bundle: Bundle | None = None
        self.telemetry = telemetry
        self.since: datetime | None = None
        self.promotions: list[Champion] = []
        # One thread: torch uses the processor best alone, and the event loop stays free for health checks.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="router")
        self._batches = MicroBatches(self._worker, deadline_seconds, telemetry.waiting.set)

    def serve(self, bundle: Bundle) -> None:
        """Probe a bundle and put it in place of the one before.

        Raises:
            InputError: The bundle does not give probabilities; the one before stays.
        """
        probe = bundle.reading(["What is the capital of France?"]).success_probability
        if probe.shape != (1, len(bundle.names)) or not np.isfinite(probe).all():
            raise InputError(f"bundle {bundle.digest} does not give one finite probability per candidate; retrain it")
        self.bundle, self.since = bundle, datetime.now(UTC)
        self.telemetry.serves(bundle)
        self.ready = True

    def standing(self) -> dict[str, Any]:
        """Return since when the bundle serves, and the last promotions as its records have them, the newest first."""
        since = None if self.since is None else self.since.isoformat(timespec="seconds")
        shown = ("epoch", "model", "verdict", "promoted_at")
        return {"since": since, "promotions": [{name: getattr(one, name) for name in shown} for one in self.promotions]}

    def get_input_types(self) -> list[dict[str, Any]]:
        """Describe the v2 inputs."""
        return [{"name": "prompt", "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Describe the v2 outputs that come without being asked for."""
        return [
            {"name": name, "datatype": datatype, "shape": [-1] * rank}
            for name, (datatype, rank) in OUTPUTS.items()
            if name != "explanation"
        ]

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> RoutingRequest:  # noqa: ARG002
        """Turn a v1 body or a v2 request into a question.

        Raises:
            Refused: The request is malformed (400).
        """
        return _refusing(from_v2 if isinstance(payload, InferRequest) else from_v1, payload)

    def validate(self, payload: Any) -> Any:
        """Leave the payload alone: `preprocess` has checked it."""
        return payload

    async def predict(
        self,
        payload: RoutingRequest,
        headers: dict[str, str] | None = None,  # noqa: ARG002
        response_headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> Any:
        """Route the prompts off the event loop.

        Raises:
            Refused: A prompt or a preference is unusable (400), or too many wait (503).
            ModelNotReady: There is no bundle yet.
        """
        return await self._answer(payload, payload.explain)

    async def explain(self, payload: RoutingRequest, headers: dict[str, str] | None = None) -> Any:  # noqa: ARG002
        """Answer KServe's verb `explain`: as `predict`, and say why; its errors are those of `predict`."""
        _refusing(bounded, payload.texts, True)
        return await self._answer(payload, explain=True)

    async def _answer(self, question: RoutingRequest, explain: bool) -> Any:
        bundle, began = self.bundle, time.monotonic()
        if bundle is None:
            raise ModelNotReady(self.name)
        texts, preferences = question.texts, question.preferences
        is_long = len(texts) * len(bundle.names) > LONG_ANSWER
        _require_room(len(texts), len(bundle.names), preferences)
        await off_loop.called(is_long, _refusing, routing.check, bundle, texts, preferences)
        reading = await self._read(bundle, texts)
        ranking = await off_loop.called(is_long, _refusing, routing.rank, bundle, texts, reading, preferences)
        explained = await self._off_the_loop(_why, bundle, question, reading) if explain else []
        self.telemetry.decided(ranking)
        self.telemetry.decision_seconds.observe(time.monotonic() - began)
        if question.v2:
            return await off_loop.called(is_long, to_v2, question, self.name, bundle, ranking, explained)
        return await off_loop.called(is_long, to_v1, bundle, ranking, explained)

    async def _read(self, bundle: Bundle, texts: list[str]) -> Prediction:
        try:
            return await self._batches.reading(bundle, texts, proxies.current.get())
        except Refused:
            self.telemetry.refused("queue")
            raise

    async def _off_the_loop(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._worker, call, *arguments)


def _require_room(prompts: int, candidates: int, preferences: Preferences) -> None:
    shown = min(preferences.top_k or candidates, candidates)
    if prompts * shown > MOST_ROWS:
        raise Refused(
            400,
            f"the answer would hold {prompts} times {shown} candidates; set top_k to {MOST_ROWS // prompts} or less",
        )


def _why(bundle: Bundle, question: RoutingRequest, reading: Prediction) -> list[dict[str, Any]]:
    """Say of each prompt why, of all candidates that were allowed and not only of those that are shown."""
    wanted = replace(question.preferences, top_k=None)
    ranking = routing.rank(bundle, question.texts, reading, wanted)
    told = []
    for i, text in enumerate(question.texts):
        ranked, foreign = routing.rows(ranking, i), float(ranking.foreign[i])
        told.append(
            {"reason": routing.reason(ranked, ranking.preferences)}
            | explanation.explain(bundle, text, ranked, foreign=foreign)
        )
    return told


def _refusing(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call the library; what it finds wrong with a request is its sender's to hear."""
    try:
        return call(*arguments)
    except InputError as error:
        raise Refused(400, str(error)) from None
