"""Hostile calls over gRPC: too many fields and elements, wrong shapes and lengths, bytes that are no message.

Clients leave some calls, and some speak no HTTP/2 at all.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import grpc
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages

METHOD = "/inference.GRPCInferenceService/ModelInfer"
SECONDS = 120.0
# What the endpoint answers, as HTTP calls it; all else is a fault of the server.
STATUSES = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 413,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.CANCELLED: 0,
}


def request(tensors: list[Any], **more: Any) -> bytes:
    return messages.ModelInferRequest(model_name="router", inputs=tensors, **more).SerializeToString()


def tensor(prompts: list[bytes], **more: Any) -> Any:
    told = {"name": "prompt", "datatype": "BYTES", "shape": [len(prompts)]} | more
    held = messages.InferTensorContents(bytes_contents=prompts)
    return messages.ModelInferRequest.InferInputTensor(**{"contents": held} | told)


def bodies(rng: random.Random, many: Callable[[], int], text: Callable[[], str]) -> dict[str, Callable[[], bytes]]:
    """Return makers of hostile messages, by kind.

    Args:
        rng: Draws them.
        many: Draws a number of things.
        text: Draws a text, which may be long.
    """

    def packed() -> bytes:
        held = messages.InferTensorContents(int64_contents=range(many()))
        return request([tensor([b"x"], datatype="INT64", contents=held)])

    def raw() -> bytes:
        lengths = [
            rng.choice([0, 1, 2**31, 2**32 - 1]).to_bytes(4, "little") + b"x" for _ in range(min(many(), 10_000))
        ]
        empty = messages.InferTensorContents()
        return request([tensor([b"x"], contents=empty)], raw_input_contents=[b"".join(lengths)])

    def parameters() -> bytes:
        held = {str(i): messages.InferParameter(int64_param=i) for i in range(min(many(), 50_000))}
        return request([tensor([b"x"])], parameters=held)

    def mutated() -> bytes:
        changed = bytearray(request([tensor([b"What is 2 + 2?"])]))
        for _ in range(rng.choice((1, 4, 16))):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed)

    shapes: list[list[int]] = [[], [-1], [2**62], [0], [1] * 1000]
    made: dict[str, Callable[[], bytes]] = {
        "elements": lambda: request([tensor([b"x"] * many())]),
        "inputs": lambda: request([tensor([b"x"])] * min(many(), 50_000)),
        "packed": packed,
        "raw": raw,
        "parameters": parameters,
        "shapes": lambda: request([tensor([b"x"], shape=rng.choice(shapes))]),
        "long": lambda: request([tensor([text().encode()])]),
        "bytes": lambda: request([tensor([rng.randbytes(50)])]),
        "mutated": mutated,
        "noise": lambda: rng.randbytes(int(10 ** rng.uniform(0, 4))),
    }
    return {f"grpc {kind}": maker for kind, maker in made.items()}


async def shoot(port: int, body: bytes, way: str, rng: random.Random) -> int:
    """Send one message in a way; return the status of HTTP that its code stands for, 0 where none was waited for."""
    if way in ("offers", "slow head"):
        return await _noise(port, rng)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.unary_unary(METHOD)(body, timeout=SECONDS)
        if way in ("leaves", "breaks off"):
            await asyncio.sleep(rng.uniform(0, 0.05))
            call.cancel()
        try:
            return STATUSES.get(await call.code(), 500)
        except asyncio.CancelledError:
            return 0


async def _noise(port: int, rng: random.Random) -> int:
    """Send bytes that are no HTTP/2, some of them behind its preface, and leave."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0
    try:
        writer.write(rng.choice([b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]) + rng.randbytes(rng.randrange(2000)))
        await asyncio.sleep(rng.uniform(0, 1))
        return 0
    finally:
        writer.transport.abort()
