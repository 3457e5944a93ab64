"""The KServe model: Open Inference Protocol v2 and v1 in, a ranking of candidates out.

It holds no policy and no platform: requests become calls of `modelsat.routing.route`. The bundle can be replaced
while requests run; each request sees one bundle from start to end.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from kserve import InferInput, InferOutput, InferRequest, InferResponse, Model
from kserve.errors import InvalidInput, ModelNotReady

from modelsat.bundle import Bundle
from modelsat.errors import InputError
from modelsat.rendering import render_prompt
from modelsat.routing import Ranking, route, rows

MAX_PROMPTS = 1024
# The last belongs to the protocol's binary extension, and an answer in JSON is within it.
_PARAMETERS = {"candidates", "cost_weight", "binary_data_output"}


@dataclass(frozen=True)
class Question:
    """One request in the library's words; `texts` are rendered, `v2` says which protocol asked."""

    texts: list[str]
    candidates: list[str] | None
    cost_weight: float
    v2: bool
    id: str | None


class Predictor(Model):  # type: ignore[misc]
    """Serves the bundle it currently holds.

    Args:
        name: Under which KServe lists the model.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.bundle: Bundle | None = None
        # One thread: torch uses the processor best alone, and the event loop stays free for health checks.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="router")

    def serve(self, bundle: Bundle) -> None:
        """Probe a bundle and put it in place of the one before.

        Raises:
            InputError: The bundle does not give probabilities; the one before stays.
        """
        probe = bundle.success_probability(["What is the capital of France?"])
        if probe.shape != (1, len(bundle.names)) or not np.isfinite(probe).all():
            raise InputError(f"bundle {bundle.digest} does not give one finite probability per candidate; retrain it")
        self.bundle = bundle
        self.ready = True

    def get_input_types(self) -> list[dict[str, Any]]:
        """Describe the v2 inputs."""
        return [{"name": "prompt", "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Describe the v2 outputs."""
        return [
            {"name": "model", "datatype": "BYTES", "shape": [-1]},
            {"name": "candidates", "datatype": "BYTES", "shape": [-1, -1]},
            {"name": "success_probability", "datatype": "FP32", "shape": [-1, -1]},
            {"name": "expected_cost_usd", "datatype": "FP32", "shape": [-1, -1]},
            {"name": "seen_in_training", "datatype": "BOOL", "shape": [-1, -1]},
        ]

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Question:  # noqa: ARG002
        """Turn a v1 body or a v2 request into a question.

        Raises:
            InvalidInput: The request is malformed; KServe answers 400 with the sentence.
        """
        return _from_v2(payload) if isinstance(payload, InferRequest) else _from_v1(payload)

    def validate(self, payload: Any) -> Any:
        """Leave the payload alone: `preprocess` has checked it."""
        return payload

    async def predict(
        self,
        payload: Question,
        headers: dict[str, str] | None = None,  # noqa: ARG002
        response_headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> Any:
        """Route the prompts off the event loop.

        Raises:
            InvalidInput: A prompt is empty, or a candidate or weight is unusable.
            ModelNotReady: There is no bundle yet.
        """
        bundle = self.bundle
        if bundle is None:
            raise ModelNotReady(self.name)
        try:
            ranking = await asyncio.get_running_loop().run_in_executor(
                self._worker, route, bundle, payload.texts, payload.candidates, payload.cost_weight
            )
        except InputError as error:
            raise InvalidInput(str(error)) from error
        return self._to_v2(payload, bundle, ranking) if payload.v2 else _to_v1(bundle, ranking)

    def _to_v2(self, question: Question, bundle: Bundle, ranking: Ranking) -> InferResponse:
        n, k = ranking.candidates.shape
        outputs = [
            InferOutput("model", [n], "BYTES", ranking.model),
            InferOutput("candidates", [n, k], "BYTES", ranking.candidates.ravel().tolist()),
            InferOutput("success_probability", [n, k], "FP32", ranking.success_probability.ravel().tolist()),
            InferOutput("expected_cost_usd", [n, k], "FP32", ranking.expected_cost_usd.ravel().tolist()),
            InferOutput("seen_in_training", [n, k], "BOOL", ranking.seen_in_training.ravel().tolist()),
        ]
        parameters = {"router_version": version(bundle), "truncated": bool(ranking.truncated.any())}
        return InferResponse(question.id or "", self.name, outputs, parameters=parameters)


def version(bundle: Bundle) -> str:
    """Return what clients see as the router's version: the start of the bundle's digest."""
    return bundle.digest[:12]


def _from_v2(request: InferRequest) -> Question:
    prompts = [tensor for tensor in request.inputs or [] if tensor.name == "prompt"]
    if len(prompts) != 1:
        raise InvalidInput("the request needs exactly one input named 'prompt' of datatype BYTES and shape [n]")
    parameters = _known(request.parameters or {})
    names = _parameter(parameters, "candidates")
    _require_characters(request.id or "")
    return Question(
        texts=_bounded(_texts(prompts[0])),
        candidates=None if names is None else [name.strip() for name in str(names).split(",") if name.strip()],
        cost_weight=_weight(_parameter(parameters, "cost_weight")),
        v2=True,
        id=request.id,
    )


def _texts(tensor: InferInput) -> list[str]:
    if tensor.datatype != "BYTES":
        raise InvalidInput(f"input 'prompt' has datatype {tensor.datatype!r}; send BYTES")
    data = tensor.data if tensor.data is not None else tensor.as_numpy()
    values = np.asarray(data, dtype=object).ravel().tolist()
    if list(tensor.shape) not in ([len(values)], [len(values), 1]):
        raise InvalidInput(
            f"input 'prompt' says shape {list(tensor.shape)} and holds {len(values)} values; make them agree"
        )
    try:
        texts = [value.decode("utf-8") if isinstance(value, bytes) else value for value in values]
    except UnicodeDecodeError as error:
        raise InvalidInput("input 'prompt' holds bytes that are not UTF-8") from error
    if not all(isinstance(text, str) for text in texts):
        raise InvalidInput("input 'prompt' holds values that are not strings")
    _require_characters("".join(texts))
    return texts


def _require_characters(text: str) -> None:
    """Refuse half a surrogate pair, which JSON can spell and no tokenizer or answer can."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput("the request holds half a surrogate pair; send whole Unicode characters") from None


def _from_v1(body: Any) -> Question:
    if not isinstance(body, Mapping) or not isinstance(body.get("instances"), list):
        raise InvalidInput('the body needs "instances": a list of prompts or of {"prompt": ..., "choices": [...]}')
    texts = []
    for i, instance in enumerate(body["instances"]):
        fields = {"prompt": instance} if isinstance(instance, str) else instance
        choices = fields.get("choices") if isinstance(fields, Mapping) else None
        if not isinstance(fields, Mapping) or not isinstance(fields.get("prompt"), str):
            raise InvalidInput(f'instance {i} is neither a string nor an object with a string "prompt"')
        if choices is not None and not (isinstance(choices, list) and all(isinstance(c, str) for c in choices)):
            raise InvalidInput(f'"choices" of instance {i} is not a list of strings')
        texts.append(render_prompt(fields["prompt"], choices))
    parameters = body.get("parameters") or {}
    names = parameters.get("candidates") if isinstance(parameters, Mapping) else "?"
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise InvalidInput('"parameters" is an object in which "candidates" is a list of names')
    return Question(_bounded(texts), names, _weight(_known(parameters).get("cost_weight")), v2=False, id=None)


def _to_v1(bundle: Bundle, ranking: Ranking) -> dict[str, Any]:
    return {
        "predictions": [
            {
                "model": model,
                "candidates": rows(ranking, i),
                "truncated": bool(ranking.truncated[i]),
                "router_version": version(bundle),
            }
            for i, model in enumerate(ranking.model)
        ]
    }


def _known(parameters: Any) -> Any:
    """Refuse what would be ignored: a misspelt parameter changes no answer and nobody would notice."""
    unknown = sorted(set(parameters) - _PARAMETERS)
    if unknown:
        raise InvalidInput(f"unknown parameter {str(unknown[0])[:80]!r}; this router knows candidates and cost_weight")
    return parameters


def _parameter(parameters: Any, name: str) -> Any:
    value = parameters.get(name)
    for kind in ("string_param", "double_param", "int64_param", "bool_param"):
        if hasattr(value, kind):
            return getattr(value, value.WhichOneof("parameter_choice"))
    return value


def _weight(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"cost_weight {value!r} is not a number in [0, 1]")
    try:
        return float(value)
    except OverflowError:
        raise InvalidInput("cost_weight is too large; send a number in [0, 1]") from None


def _bounded(texts: list[str]) -> list[str]:
    if len(texts) > MAX_PROMPTS:
        raise InvalidInput(f"the request holds {len(texts)} prompts; send at most {MAX_PROMPTS} at once")
    return texts
