"""Fixtures of the serving tier: server processes that always end, and bundles that serve in milliseconds."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from endpoint_process import Endpoint
from local_servers import Upstream, served

from modelsat.bundle.bundle import Bundle

TRAINED = (
    "Add 17 and 25.",
    "Multiply 12 by 7.",
    "What is 90 divided by 6?",
    "Subtract 8 from 31.",
    "Spell the word rhythm backwards.",
    "Which word rhymes with orange?",
    "Translate 'good morning' into French.",
    "Write a haiku about autumn.",
)


@pytest.fixture(scope="module")
def start_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Endpoint]]:
    """Return a function that starts `modelsat serve` with arguments; the servers end with the module."""
    yield from _endpoints(tmp_path_factory)


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[Upstream, str]]:
    """An upstream and its address, for the whole module."""
    one = Upstream()
    with served(one.app()) as url:
        yield one, url


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory, three: tuple[Path, Bundle]) -> Iterator[Endpoint]:
    """Endpoint that serves `three` for good, for all tests that only ask."""
    for start in _endpoints(tmp_path_factory):
        yield start("--bundle", str(three[0]))


@pytest.fixture(scope="session")
def reader(
    tmp_path_factory: pytest.TempPathFactory, write_neighbours: Callable[..., Bundle]
) -> Iterator[tuple[Endpoint, Bundle]]:
    """Endpoint and bundle of a router that reads the prompt, for all tests that only ask."""
    folder = tmp_path_factory.mktemp("reader") / "bundle"
    bundle = write_neighbours(folder)
    for start in _endpoints(tmp_path_factory):
        yield start("--bundle", str(folder)), bundle


def _endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Endpoint]]:
    started: list[Endpoint] = []

    def start(*arguments: str, environment: dict[str, str] | None = None) -> Endpoint:
        endpoint = Endpoint(tmp_path_factory.mktemp("endpoint") / "log", arguments, environment)
        started.append(endpoint)
        endpoint.wait_until_live()
        return endpoint

    try:
        yield start
    finally:
        for endpoint in started:
            endpoint.stop()


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Bundle]) -> tuple[Path, Bundle]:
    """Folder and bundle: `strong` is a little better than `cheap` and ten times its price; `weak` is new, unpriced."""
    folder = tmp_path_factory.mktemp("bundles") / "three"
    bundle = make_bundle(
        {"cheap": 0.70, "strong": 0.80, "weak": 0.30},
        prices={"cheap": 1.0, "strong": 10.0},
        lineage={"trained_on": ["cheap", "strong"], "tokens_out": {"cheap": 90.0, "strong": 90.0}},
    )
    return folder, bundle.write(folder)


@pytest.fixture(scope="session")
def write_neighbours(tiny_backbone: Path, make_bundle: Callable[..., Bundle]) -> Callable[..., Bundle]:
    """Return a function that writes a kNN router over a tiny random BERT; each prompt gets other probabilities."""
    from modelsat.routers.knn import Knn
    from modelsat.text.encoder import Encoder

    encoder = Encoder(tiny_backbone, max_tokens=64)
    embeddings = encoder.encode(TRAINED)

    def write(folder: Path, copies: int = 1, seed: int = 0) -> Bundle:
        rng = np.random.default_rng(seed)
        outcomes = rng.integers(0, 2, (len(TRAINED), 3)).astype(np.float32)
        router = Knn(("a", "b", "c"), encoder, np.tile(embeddings, (copies, 1)), np.tile(outcomes, (copies, 1)), 2)
        constant = make_bundle({"a": 0.5, "b": 0.5, "c": 0.5}, prices={"a": 1.0, "b": 2.0})
        return Bundle(router, constant.candidates, constant.aptitude_test, constant.cards).write(folder)

    return write
