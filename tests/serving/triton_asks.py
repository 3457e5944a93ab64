"""Asks an endpoint with NVIDIA's tritonclient, and prints what it read as JSON: `triton_asks.py HTTP_PORT GRPC_PORT`.

A process of its own: KServe and tritonclient each register the messages of package `inference`, and protobuf lets
only one of them into a process.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.grpc.aio as over_grpc_aio
import tritonclient.http as over_http
import tritonclient.http.aio as over_http_aio
from tritonclient.utils import InferenceServerException

QUESTION = "What is the sum of all digits of 12,345?"
OUTPUTS = ("model", "candidates", "success_probability", "seen_in_training", "truncated", "foreign")


def prompts(kind: Any, texts: list[str], shape: list[int], **how: Any) -> list[Any]:
    tensor = kind.InferInput("prompt", shape, "BYTES")
    tensor.set_data_from_numpy(np.array([text.encode() for text in texts], dtype=object).reshape(shape), **how)
    return [tensor]


def read(result: Any, names: tuple[str, ...] = OUTPUTS) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(one) for one in value]
        if isinstance(value, bytes):
            return value.decode()
        return None if value != value else value

    return {name: plain(result.as_numpy(name).tolist()) for name in names}


def refused(call: Callable[[], object]) -> str:
    try:
        call()
    except InferenceServerException as error:
        return error.message()
    return "answered"


async def asked_aio(http: str, grpc: str) -> dict[str, Any]:
    async with over_http_aio.InferenceServerClient(http) as one, over_grpc_aio.InferenceServerClient(grpc) as other:
        return {
            "http aio": read(await one.infer("router", prompts(over_http, [QUESTION], [1]))),
            "grpc aio": read(await other.infer("router", prompts(over_grpc, [QUESTION], [1]))),
        }


def asked(http: str, grpc: str) -> dict[str, Any]:
    one, other = over_http.InferenceServerClient(http), over_grpc.InferenceServerClient(grpc)
    said: dict[str, Any] = {
        "http": read(one.infer("router", prompts(over_http, [QUESTION], [1]))),
        "http json": read(one.infer("router", prompts(over_http, [QUESTION], [1], binary_data=False))),
        "grpc": read(other.infer("router", prompts(over_grpc, [QUESTION], [1]))),
    }
    for shape in ([2], [2, 1], [1, 2]):
        said[f"http {shape}"] = read(one.infer("router", prompts(over_http, [QUESTION] * 2, shape)), ("model",))
        said[f"grpc {shape}"] = read(other.infer("router", prompts(over_grpc, [QUESTION] * 2, shape)), ("model",))
    for how in ("gzip", "deflate"):
        answer = one.infer("router", prompts(over_http, [QUESTION], [1]), request_compression_algorithm=how)
        said[f"http {how}"] = read(answer, ("model",))
    for is_binary in (True, False):
        wanted = [
            over_http.InferRequestedOutput("model", binary_data=is_binary),
            over_http.InferRequestedOutput("success_probability", binary_data=not is_binary),
        ]
        answer = one.infer("router", prompts(over_http, [QUESTION], [1]), outputs=wanted)
        said[f"http mixed {is_binary}"] = read(answer, ("model", "success_probability"))
    parameters = {"cost_weight": 0.5, "top_k": 2, "candidates": "cheap,strong", "explain": True}
    more = {"timeout": 5_000_000, "priority": 1}
    for name, client, kind in (("http", one, over_http), ("grpc", other, over_grpc)):
        answer = client.infer("router", prompts(kind, [QUESTION], [1]), request_id="q", parameters=parameters, **more)
        response = answer.get_response()
        said[f"{name} parameters"] = read(answer, ("candidates", "explanation"))
        said[f"{name} id"] = response["id"] if name == "http" else response.id
        said[f"{name} version"] = client.get_model_metadata("router", headers={}) if name == "http" else None
        said[f"{name} ready"] = [client.is_server_live(), client.is_server_ready(), client.is_model_ready("router")]
        said[f"{name} text"] = refused(
            lambda client=client, kind=kind: client.infer("router", [of_numbers(kind)]),
        )
        said[f"{name} shape"] = refused(
            lambda client=client, kind=kind: client.infer("router", prompts(kind, [QUESTION] * 4, [2, 2])),
        )
        said[f"{name} other version"] = refused(
            lambda client=client, kind=kind: client.infer("router", prompts(kind, [QUESTION], [1]), model_version="9"),
        )
    version = other.get_model_metadata("router").versions[0]
    answer = other.infer("router", prompts(over_grpc, [QUESTION], [1]), model_version=version)
    said["grpc own version"] = read(answer, ("model",))
    answer = one.infer("router", prompts(over_http, [QUESTION], [1]), model_version=version)
    said["http own version"] = read(answer, ("model",))
    return said


def of_numbers(kind: Any) -> Any:
    tensor = kind.InferInput("prompt", [1], "FP32")
    tensor.set_data_from_numpy(np.ones(1, dtype=np.float32))
    return tensor


if __name__ == "__main__":
    http, grpc = (f"127.0.0.1:{port}" for port in sys.argv[1:3])
    print(json.dumps(asked(http, grpc) | asyncio.run(asked_aio(http, grpc))))  # noqa: T201
