"""Rankings in the words of protocols v1 and v2.

v2, shapes for n prompts and k candidates, best first:
model                 BYTES [n]       the choice
candidates            BYTES [n, k]
success_probability   FP32  [n, k]    NaN (in JSON null) for an excluded candidate
expected_cost_usd     FP32  [n, k]    NaN where a price is missing
seen_in_training      BOOL  [n, k]
truncated             BOOL  [n]
foreign               FP32  [n]       0 for familiar to 1
explanation           BYTES [n]       JSON, where it was asked for
and the parameter `router_version`.
"""

import json
from collections.abc import Sequence
from typing import Any

from kserve import InferOutput, InferResponse
from kserve.protocol.infer_type import RequestedOutput

from modelsat.bundle.bundle import Bundle
from modelsat.bundle.ranking import Ranking, rows
from serving.questions import OUTPUTS, RoutingRequest


def version(bundle: Bundle) -> str:
    """Return what clients see as the router's version: the start of the bundle's digest."""
    return bundle.digest[:12]


def to_v2(
    question: RoutingRequest, model_name: str, bundle: Bundle, ranking: Ranking, explained: Sequence[dict[str, Any]]
) -> InferResponse:
    """Return the v2 response; `explained` is empty where nobody asked why."""
    data = {
        "model": ranking.model,
        "candidates": ranking.candidates.ravel().tolist(),
        "success_probability": ranking.success_probability.ravel().tolist(),
        "expected_cost_usd": ranking.expected_cost_usd.ravel().tolist(),
        "seen_in_training": ranking.seen_in_training.ravel().tolist(),
        "truncated": ranking.truncated.tolist(),
        "foreign": ranking.foreign.tolist(),
    }
    if explained:
        data["explanation"] = [json.dumps(one) for one in explained]
    shape = ranking.candidates.shape
    outputs = [
        InferOutput(name, list(shape[: OUTPUTS[name][1]]), OUTPUTS[name][0], values)
        for name, values in data.items()
        if not question.outputs or name in question.outputs
    ]
    parameters = {"router_version": version(bundle), "truncated": bool(ranking.truncated.any())}
    binary = question.binary
    requested = None
    if isinstance(binary, frozenset):
        requested = [RequestedOutput(output.name, {"binary_data": output.name in binary}) for output in outputs]
    return InferResponse(
        question.id,
        model_name,
        outputs,
        parameters=parameters,
        use_binary_outputs=binary is True,
        requested_outputs=requested,
    )


def to_v1(bundle: Bundle, ranking: Ranking, explained: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the v1 body, one prediction per instance; `explained` is empty where nobody asked why."""
    predictions = [
        {
            "model": model,
            "candidates": rows(ranking, i),
            "truncated": bool(ranking.truncated[i]),
            "foreign": float(ranking.foreign[i]),
            "router_version": version(bundle),
        }
        for i, model in enumerate(ranking.model)
    ]
    for prediction, one in zip(predictions, explained, strict=False):
        prediction["explanation"] = one
    return {"predictions": predictions}
