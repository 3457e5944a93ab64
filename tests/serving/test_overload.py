"""More is asked than the endpoint can read: everybody hears yes or later, and it stays ready. Times: `served.py`."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
from endpoint_process import INFER, READY, Endpoint, resident_bytes, v2_body

from modelsat.bundle.bundle import Bundle

CLIENTS, EACH, PROMPTS = 16, 4, 128
MOST_GROWTH = 64 * 2**20


def test_overloaded_endpoint_answers_or_says_when_to_retry_and_stays_ready(
    start_endpoint: Callable[..., Endpoint], write_neighbours: Callable[..., Bundle], tmp_path: Path
) -> None:
    write_neighbours(tmp_path / "bundle")
    endpoint = start_endpoint("--bundle", str(tmp_path / "bundle"), "--deadline", "0.1")
    body = v2_body([f"{'What is the sum of these numbers? ' * 8}{i}" for i in range(PROMPTS)], {"top_k": 1})
    # The first request teaches the endpoint how long it takes to read a prompt.
    assert endpoint.post(INFER, body).status == 200
    before = resident_bytes(endpoint.process.pid)

    answers, probes = asyncio.run(crowd(endpoint.url, body))

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 503}, statuses
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 503)
    assert {probe.status_code for probe in probes} == {200}
    assert resident_bytes(endpoint.process.pid) - before < MOST_GROWTH
    assert endpoint.infer(["Add 17 and 25."]).status == 200


async def crowd(url: str, body: dict) -> tuple[list[httpx.Response], list[httpx.Response]]:
    """Return what many clients are told at once, and what probes are told meanwhile."""
    probes: list[httpx.Response] = []
    limits = httpx.Limits(max_connections=CLIENTS + 1)

    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:

        async def ask() -> list[httpx.Response]:
            return [await client.post(INFER, json=body) for _ in range(EACH)]

        async def probe() -> None:
            while True:
                probes.append(await client.get(READY))
                await asyncio.sleep(0.05)

        probing = asyncio.create_task(probe())
        told = await asyncio.gather(*(ask() for _ in range(CLIENTS)))
        probing.cancel()
    return [answer for one in told for answer in one], probes
