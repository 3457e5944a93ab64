"""Damaged sources end in a sentence, a reject or a note: never in a traceback, and no score changes without a word.

Each case mutates the files of a small source that is read without a complaint. `MODELSAT_MUTANTS` sets their number.
"""

import gzip
import io
import json
import os
import pickle
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelsat.bundle import champions
from modelsat.cli import batch_routing
from modelsat.data import catalogue
from modelsat.data.collection import collect
from modelsat.errors import ModelsatError
from modelsat.feedback import log
from modelsat.onboarding.releases import ledger
from modelsat.onboarding.releases.ledger import Release
from serving import tokens
from serving.gateway import upstreams

MUTANTS = int(os.environ.get("MODELSAT_MUTANTS", "100"))
LM_EVAL = Path(__file__).parents[1] / "data" / "lm_eval" / "0.4.13" / "toylab__cand-a"
Files = dict[str, bytes]
Key = tuple[str, ...]

DEPTH = 20_000
HOSTILE = (
    "[" * DEPTH + "]" * DEPTH,
    '{"a":' * 2_000 + "1" + "}" * 2_000,
    "1" + "0" * 5_000,
    *("1e400", "-1", "NaN", "Infinity", "0_1", "\uff11", "0x1"),
    *('"\\ud800"', '"  "', '""', "null", "{}", "[]", '"auto"', '"\\u0000"', '"\\u202e"'),
    '"' + "x" * 70_000 + '"',
)
"""Texts that stand in place of a value, spelled as JSON; none of them is a score between those of the sources."""


@dataclass(frozen=True)
class Source:
    """A source with the function that reads it.

    Attributes:
        files: Content by name.
        read: Returns rows by key and whether anything was said of what was left out.
    """

    files: Files
    read: Callable[[Path], tuple[dict[Key, float], bool]]


def scores(folder: Path) -> tuple[dict[Key, float], bool]:
    found = collect([str(folder)])
    rows = {
        (row["candidate"], row["prompt_id"], row["benchmark"] or "", row["task"] or "", row["metric"] or ""): row[
            "score"
        ]
        if row["score"] is not None
        else -1.0
        for row in found.scores.to_pylist()
    }
    for row in found.prompts.to_pylist():
        # What cannot be written as UTF-8 breaks every step behind.
        json.dumps(row, ensure_ascii=False, default=str).encode()
    return rows, bool(found.rejects.num_rows or found.notes)


def silent(read: Callable[[Path], object]) -> Callable[[Path], tuple[dict[Key, float], bool]]:
    """Wrap a reader whose rows hold no scores; only tracebacks are looked for."""

    def call(folder: Path) -> tuple[dict[Key, float], bool]:
        read(folder)
        return {}, True

    return call


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


PROMPTS = b"prompt_id,benchmark,category,prompt,choices\n" + b"".join(
    f"p{i},sums,easy,What is {i} + {i}?,\n".encode() for i in range(6)
)
WIDE = b"prompt_id,ada,bob\n" + b"".join(f"p{i},0.{i + 2},0.{9 - i}\n".encode() for i in range(6))
LONG = [
    {"prompt_id": f"p{i}", "model": model, "score": (i + 2 + j) / 16}
    for i in range(6)
    for j, model in enumerate(("ada", "bob"))
]
MODELS = b"model,family,price_in_usd_per_mtok,context_length\nada,a,1.5,4096\nbob,b,2.5,8192\n"
LINES = "".join(json.dumps(row) + "\n" for row in LONG).encode()
CATALOGUE = (
    "candidates:\n- {candidate: ada, price_in: 1.5, release_date: 2026-11-20, aliases: [a1, a2], tools: true}\n"
    "- {candidate: bob, endpoint: 'https://h/v1', api_key_env: BOB_API_KEY, context_length: 4096}\n"
)


def feedback_log() -> bytes:
    rows = []
    for i in range(240):
        at = (datetime(2026, 11, 24, 20, tzinfo=UTC) + timedelta(minutes=i)).isoformat()
        rows.append(
            {
                **{"event": "answer", "id": f"k{i}", "request_id": f"r{i}", "at": at, "router_version": "0123456789ab"},
                **{"candidate": "ada", "outcome": "routed", "success_probability": 0.5, "propensity": 1.0},
                **{"client": f"c{i}", "user": "", "prompt_digest": f"d{i}", "prompt": f"What is {i} + {i}?"},
            }
        )
        rows.append({"event": "outcome", "id": f"k{i}", "at": at, "client": f"c{i}", "score": (0.25, 0.75)[i % 2]})
    return b"".join(map(log.encode, rows))


def pool() -> bytes:
    counts = {"train": 4, "val": 1, "test": 2}
    positions = {"train": [1, 3, 4, 6], "val": [2], "test": [0, 5]}
    names = ["ada", "bob", "cid"]
    data = {f"{split}_score": np.tile([1.0, 0.0, 0.5], (n, 1)) for split, n in counts.items()}
    return pickle.dumps(
        {
            "easy": {3: {"all_strong": {"data": data, "model": np.asarray(names)}}},
            "split_index": {f"{split}_indices": np.asarray(rows) for split, rows in positions.items()},
            "embedding": {f"{split}_embed": np.full((n, 768), 0.1, np.float32) for split, n in counts.items()},
            "prompt": {f"{s}_prompt": np.asarray([f"What is {i}?" for i in rows]) for s, rows in positions.items()},
        }
    )


def champion_store() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        for i in range(2):
            champions.promote(folder, f"bundles/{i}", f"digest-{i}", f"router/{i}", f"run-{i}", "promoted", i)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def ledger_store() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        ledger.announce(folder, Release("ada", "1", source="here"))
        (state,) = ledger.states(folder).values()
        lease = ledger.claim(folder, state, "w", 60.0, datetime(2026, 11, 30, tzinfo=UTC))
        assert lease is not None
        ledger.fail(folder, lease, "a reason", datetime(2026, 11, 30, 1, tzinfo=UTC))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def read_ledger(folder: Path) -> None:
    for state in ledger.states(str(folder)).values():
        ledger.release(str(folder), state.key)
        ledger.claim(str(folder), state, "w", 60.0, datetime(2026, 11, 30, 2, tzinfo=UTC))


LM_EVAL_FILES = {
    path.name: path.read_bytes() for path in [*LM_EVAL.glob("results*.json"), *LM_EVAL.glob("*_toy_words*.jsonl")]
}
SOURCES = {
    "wide csv": Source({"scores.csv": WIDE, "prompts.csv": PROMPTS, "models.csv": MODELS}, scores),
    "long jsonl": Source({"scores.jsonl": LINES, "prompts.csv": PROMPTS}, scores),
    "gzip": Source({"scores.jsonl.gz": gzip.compress(LINES, mtime=0), "prompts.csv": PROMPTS}, scores),
    "parquet": Source({"scores.parquet": parquet(pa.Table.from_pylist(LONG)), "prompts.csv": PROMPTS}, scores),
    "lm_eval": Source(LM_EVAL_FILES, scores),
    "feedback": Source({"feedback-20261124T201500-0123abcd-000001.jsonl": feedback_log()}, scores),
    "routereval": Source({"gsm8k_router_dataset.pkl": pool()}, scores),
    "catalogue yaml": Source({"c.yaml": CATALOGUE.encode()}, silent(lambda folder: catalogue.usable(str(folder)))),
    "catalogue csv": Source({"c.csv": MODELS}, silent(lambda folder: catalogue.usable(str(folder)))),
    "catalogue parquet": Source(
        {"c.parquet": parquet(pa.table({"candidate": ["ada"], "price_in": [1.5], "aliases": [["x"]]}))},
        silent(lambda folder: catalogue.usable(str(folder))),
    ),
    "upstreams": Source(
        {"u.yaml": b"upstreams:\n- {candidate: ada, base_url: 'https://h/v1', key_variable: A_API_KEY}\n"},
        silent(lambda folder: upstreams.read(folder / "u.yaml", {"A_API_KEY": "k"})),
    ),
    "clients": Source(
        {"clients": f"{'a' * 64} ada # first\n{'b' * 64}\n".encode()},
        silent(lambda folder: tokens.known("", folder / "clients")),
    ),
    "prompts": Source(
        {"p.jsonl": b'"What is 1 + 1?"\n{"prompt": "Spell cat", "choices": ["cat", "kat"]}\n'},
        silent(lambda folder: batch_routing.prompts(folder / "p.jsonl")),
    ),
    "champions": Source(champion_store(), silent(lambda folder: champions.current(str(folder)))),
    "ledger": Source(ledger_store(), silent(read_ledger)),
}


def flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 4, 16))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def cut(content: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice((content[:end], content[:start] + content[end:], content + content[start:end], b""))


def with_hostile_value(content: bytes, rng: random.Random) -> bytes:
    """Put a hostile text in place of a value between two separators."""
    text = content.decode("latin-1")
    marks = [i for i, character in enumerate(text) if character in ",:\n[{}]"]
    first = rng.randrange(max(1, len(marks) - 1))
    start, end = (marks[first] + 1, marks[first + 1]) if len(marks) > 1 else (0, len(text))
    return (text[:start] + rng.choice(HOSTILE) + text[end:]).encode("utf-8", "surrogatepass")


def with_other_columns(content: bytes, rng: random.Random) -> bytes:
    """Rename, drop or repeat a column or field by its name, or a row."""
    lines = content.split(b"\n")
    kind, row = rng.randrange(3), rng.randrange(len(lines))
    if kind == 0:
        lines.insert(row, rng.choice(lines))
    elif kind == 1:
        del lines[row]
    else:
        words = [b"prompt_id", b"model", b"score", b"candidate", b"event", b"benchmark", b"ada"]
        found = [word for word in words if word in content] or [b"a"]
        word = rng.choice(found)
        return content.replace(word, rng.choice((b"", word + b"x", word.upper(), b"\xff" + word)), rng.choice((1, -1)))
    return b"\n".join(lines)


TYPES: tuple[Callable[[pa.Array], pa.Array], ...] = (
    lambda column: column.cast(pa.string()).cast(pa.binary()),
    lambda column: column.cast(pa.string()).dictionary_encode(),
    lambda column: pa.array([b"\xff\xfe"] * len(column), pa.binary()),
    lambda column: pa.Array.from_buffers(pa.string(), len(column), pa.array([b"\xff"] * len(column)).buffers()),
    lambda column: pa.array([[one] for one in column.to_pylist()]),
    lambda column: pa.array([{"a": one} for one in column.to_pylist()]),
    lambda column: pa.nulls(len(column)),
    lambda column: pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * len(column)),
    lambda column: pa.array([10**30] * len(column), pa.decimal128(38, 0)),
    lambda column: pa.array([float("inf")] * len(column)),
)


def with_other_types(content: bytes, rng: random.Random) -> bytes:
    """Change type, name or number of the columns of a Parquet file."""
    table = pq.read_table(pa.BufferReader(content))
    index = rng.randrange(table.num_columns)
    name, kind = table.column_names[index], rng.randrange(6)
    if kind == 0:
        table = table.drop_columns([name])
    elif kind == 1:
        table = table.append_column(name, table.column(index))
    elif kind == 2:
        table = table.rename_columns([*table.column_names[:index], name + "x", *table.column_names[index + 1 :]])
    else:
        column = table.column(index).combine_chunks()
        table = table.set_column(
            index, name, rng.choice(TYPES[4:] if pa.types.is_nested(column.type) else TYPES)(column)
        )
    return parquet(table)


def mutant(files: Files, rng: random.Random) -> tuple[Files, bool]:
    """Return changed files, and whether the change can yield another source that is valid in itself."""
    name = rng.choice(sorted(files))
    content = files[name]
    kinds = [flipped, cut]
    if name.endswith(".parquet"):
        kinds += [with_other_types] * 6
    elif name.endswith(".gz"):
        kinds += [lambda content, rng: gzip.compress(with_hostile_value(gzip.decompress(content), rng), mtime=0)] * 2
    elif not name.endswith(".pkl"):
        kinds += [with_hostile_value] * 5 + [with_other_columns] * 2
    kind = rng.choice(kinds)
    return files | {name: kind(content, rng)}, kind in (flipped, cut, with_other_columns)


def write(files: Files, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def changed_rows(mutated: dict[Key, float], original: dict[Key, float]) -> Iterable[tuple[Key, float]]:
    """Return rows under a key of the original whose score is another one; validation refuses those out of range."""
    common = [(key, score) for key, score in mutated.items() if key in original and 0 <= score <= 1]
    return [(key, score) for key, score in common if original[key] != score]


@pytest.mark.parametrize("name", SOURCES)
def test_source_of_this_harness_is_read_without_a_complaint(name: str, tmp_path: Path) -> None:
    source = SOURCES[name]
    write(source.files, tmp_path / "source")

    rows, _ = source.read(tmp_path / "source")

    assert rows or source.read.__name__ == "call"


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", SOURCES)
def test_mutants_end_in_no_traceback_and_change_no_score_without_a_word(name: str, tmp_path: Path) -> None:
    source, rng = SOURCES[name], random.Random(name)
    write(source.files, tmp_path / "source")
    original, said_before = source.read(tmp_path / "source")
    faults: dict[str, int] = {}

    for number in range(MUTANTS):
        files, may_be_valid = mutant(source.files, rng)
        write(files, tmp_path / "mutant")
        try:
            rows, said = source.read(tmp_path / "mutant")
        except ModelsatError:
            continue
        except Exception as error:
            fault = f"{type(error).__name__}: {str(error)[:150]}"
            faults.setdefault(fault, number)
            continue
        wrong = [] if may_be_valid or (said and not said_before) else changed_rows(rows, original)
        for key, score in wrong:
            faults.setdefault(f"{key} has {score} for {original[key]} without a word", number)

    assert faults == {}
