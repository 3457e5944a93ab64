"""Fixtures that several tiers share: small data, an S3 server, an MLflow server, a disk that is full at once."""

import functools
import http.server
import itertools
import os
import shutil
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_randomly
from hypothesis import HealthCheck, settings

from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts, splits
from modelsat.data.collection import Collection, collect
from modelsat.io import s3
from modelsat.routers.constant import Constant
from modelsat.text import rendering
from modelsat.text.backbone import WEIGHTS, copy_backbone, default_backbone

settings.register_profile(
    "modelsat",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("modelsat")

REAL_DATA = Path(__file__).parents[1].parent / "shared" / "data"
LONGEST_FIRST = (
    "pipelines/test_retrain_run.py",
    "pipelines/test_onboard_run.py",
    "e2e/test_controls.py",
    "training/test_deepspeed_runs.py",
    "training/test_zero_stages.py",
    "training/paper/test_paper_runs.py",
    "pipelines/test_killed_onboarding.py",
    "unit/test_plain_recipes.py",
    "serving/test_served_is_judged.py",
    "components/test_mlflow_registry.py",
    "training/test_worth.py",
    "training/test_every_recipe_trains.py",
    "components/test_judging_components.py",
)
"""Files that take one to five minutes. Processes share out whole files: the last one should not be long."""
COLLECTED_AT = datetime(2025, 1, 1, tzinfo=UTC)
_BUCKETS = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Seed nothing in a process that only shares out tests: among the seeders is DeepSpeed, ten seconds of imports."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        pytest_randomly.entrypoint_reseeds = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    begins = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST_FIRST)}
    gone = [str(path) for path in begins if not path.is_file()]
    assert not gone, f"LONGEST_FIRST names files that are not there: {gone}"
    items.sort(key=lambda item: begins.get(item.path, len(begins)))


@pytest.fixture
def real_data() -> Path:
    """Folder of real benchmark results beside the checkout."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real benchmark results are not beside this checkout (../shared/data)")
    return REAL_DATA


@pytest.fixture(scope="session")
def collect_real() -> Callable[[str], Collection]:
    """Return a function that collects one folder of real benchmark results, once for all tests."""

    @functools.cache
    def collect_one(name: str) -> Collection:
        if not REAL_DATA.is_dir():
            pytest.skip("the real benchmark results are not beside this checkout (../shared/data)")
        return collect([str(REAL_DATA / name)])

    return collect_one


@pytest.fixture(scope="session")
def make_collection() -> Callable[..., Collection]:
    """Return a function that makes a collection of a matrix of scores (prompts, candidates), NaN where not run."""
    return _collection


def _collection(
    scores: Any,
    texts: Sequence[str],
    candidates: Sequence[str],
    benchmarks: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    prices: Sequence[float | None] | None = None,
    sources: Sequence[str] = ("source",),
    uris: Sequence[str] | None = None,
    prompt_ids: Sequence[str] | None = None,
    rejects: Sequence[dict[str, object]] = (),
    notes: Sequence[str] = (),
) -> Collection:
    n = len(texts)
    benchmarks = benchmarks or ["benchmark"] * n
    tasks = tasks or benchmarks
    ids = prompt_ids or [f"p{i:04d}" for i in range(n)]
    prices = prices or [None] * len(candidates)
    uris = uris or [f"{sources[0]}/scores.csv"] * n
    table = np.asarray(scores, dtype=float).reshape(n, len(candidates))
    prompt_rows: list[dict[str, object]] = [
        {
            "prompt_id": ids[i],
            "stem_digest": rendering.stem_digest(texts[i]),
            "benchmark": benchmarks[i],
            "task": tasks[i],
            "prompt": texts[i],
        }
        for i in range(n)
    ]
    score_rows: list[dict[str, object]] = [
        {
            "candidate": candidates[j],
            "benchmark": benchmarks[i],
            "task": tasks[i],
            "prompt_id": ids[i],
            "score": float(table[i, j]),
            "metric": "score",
            "harness": "by hand",
            "source_uri": uris[i],
            "source_row": i + 1,
            "source_digest": "digest",
            "collected_at": COLLECTED_AT,
        }
        for i, j in zip(*np.nonzero(~np.isnan(table)), strict=True)
    ]
    candidate_rows: list[dict[str, object]] = [
        {"candidate": name, "price_in": price, "price_out": price}
        for name, price in zip(candidates, prices, strict=True)
    ]
    return Collection(
        scores=contracts.from_rows(score_rows, contracts.SCORES),
        prompts=contracts.from_rows(prompt_rows, contracts.PROMPTS),
        candidates=contracts.from_rows(candidate_rows, contracts.CANDIDATES),
        rejects=contracts.from_rows(list(rejects), contracts.REJECTS),
        sources=tuple(sources),
        notes=tuple(notes),
    )


@pytest.fixture(scope="session")
def texts_in() -> Callable[[str, int, str], list[str]]:
    """Return a function that makes `n` texts of 40 characters which fall into one split."""
    return _texts_in


def _texts_in(split: str, n: int, stem: str) -> list[str]:
    texts = (f"{stem} {i:05d} ".ljust(40, "?") for i in itertools.count())
    inside = (text for text in texts if splits.assign([rendering.stem_digest(text)])[0] == split)
    return list(itertools.islice(inside, n))


@pytest.fixture(scope="session")
def golden() -> Collection:
    """Two benchmarks, twelve prompts, three candidates.

    `adder` solves every sum and no word, `speller` every word and no sum, `allround` about half of each. The first
    four prompts are test prompts, the other eight train. `speller` has no price, `allround` costs ten times `adder`.
    """
    sums = _texts_in(splits.TEST, 2, "Add the numbers") + _texts_in(splits.TRAIN, 4, "Add the numbers")
    words = _texts_in(splits.TEST, 2, "Spell the word") + _texts_in(splits.TRAIN, 4, "Spell the word")
    return _collection(
        [
            *([1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 1, 0]),
            *([1, 0, 1], [1, 0, 1], [1, 0, 1], [1, 0, 0]),
            *([0, 1, 1], [0, 1, 1], [0, 1, 0], [0, 1, 0]),
        ],
        [*sums[:2], *words[:2], *sums[2:], *words[2:]],
        ("adder", "speller", "allround"),
        benchmarks=["sums", "sums", "words", "words", *["sums"] * 4, *["words"] * 4],
        prices=(1.0, None, 10.0),
    )


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Bundle]:
    """Return a function that makes a bundle around a constant router."""
    return _bundle


def _bundle(
    probabilities: Mapping[str, float],
    prices: Mapping[str, float] | None = None,
    aptitude_test: Sequence[dict[str, object]] = (),
    cards: Sequence[dict[str, object]] = (),
    **facts: Any,
) -> Bundle:
    rows: list[dict[str, object]] = [
        {"candidate": name, "price_in": (prices or {}).get(name), "price_out": (prices or {}).get(name)}
        for name in probabilities
    ]
    return Bundle(
        router=Constant(list(probabilities), np.asarray(list(probabilities.values()))),
        candidates=contracts.from_rows(rows, contracts.CANDIDATES),
        aptitude_test=contracts.from_rows(list(aptitude_test), contracts.APTITUDE_TEST),
        cards=contracts.from_rows(list(cards), contracts.CARDS),
        **facts,
    )


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random BERT of two layers and width 32, with the tokenizer of MiniLM."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("backbone")
    copy_backbone(default_backbone(), folder, weights=False)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=512
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(config, add_pooling_layer=False)
    # Not save_pretrained, which imports deepspeed for nothing.
    save_file(model.state_dict(), folder / WEIGHTS, metadata={"format": "pt"})
    config.to_json_file(folder / "config.json", use_diff=False)
    return folder


@pytest.fixture
def mount_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a small disk with the given options, such as `size=64k`."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount the small disk that this test fills")
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.decode().strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def link_together(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that lets threads make their hard links only once so many of them are about to."""

    def wait_for(threads: int) -> None:
        barrier, link = threading.Barrier(threads, timeout=20), os.link

        def link_after_all(source: Any, target: Any) -> None:
            barrier.wait()
            link(source, target)

        monkeypatch.setattr(os, "link", link_after_all)

    return wait_for


@pytest.fixture(scope="session")
def _s3_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def use_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that points modelsat at an S3 endpoint for the length of a test."""

    def use(endpoint: str) -> None:
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }.items():
            monkeypatch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        s3.client.cache_clear()

    s3.prove_conditional_writes.cache_clear()

    yield use
    s3.client.cache_clear()
    s3.prove_conditional_writes.cache_clear()


@pytest.fixture
def bucket(use_s3: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, _s3_endpoint: str) -> str:
    """Name of an empty bucket on a working S3 server."""
    use_s3(_s3_endpoint)
    client = _client(_s3_endpoint)
    monkeypatch.setattr(s3, "client", functools.cache(lambda: client))
    name = f"bucket-{next(_BUCKETS)}"
    client.create_bucket(Bucket=name)
    return name


@functools.cache
def _client(endpoint: str) -> Any:
    """Make modelsat's client once per endpoint, since that takes longer than most tests."""
    return s3.client()


Answer = Callable[[str, str, bytes], tuple[int, bytes] | None]


@pytest.fixture
def s3_that_answers(use_s3: Callable[[str], None]) -> Iterator[Callable[[Answer], None]]:
    """Return a function that starts an HTTP server in the place of S3.

    It is given a function from (method, path, body) to (status, body), or to None where the connection breaks.
    """
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(answer: Answer) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if self.headers.get("Expect"):
                    self.send_response_only(100)
                    self.end_headers()
                reply = answer(self.command, self.path, self.rfile.read(length))
                self.close_connection = True
                if reply is not None:
                    status, body = reply
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.send_header("ETag", '"0"')
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        use_s3(f"http://127.0.0.1:{server.server_address[1]}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def mlflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the MLflow server of these tests keeps its database and artifacts."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="session")
def mlflow_server(mlflow_folder: Path) -> Iterator[str]:
    """Address of a real MLflow server."""
    from pipelines import services

    try:
        with warnings.catch_warnings():
            # The server is meant to outlive the object that started it.
            warnings.simplefilter("ignore", ResourceWarning)
            server = services.mlflow(mlflow_folder)
        yield server.url
    finally:
        services.stop(mlflow_folder)
