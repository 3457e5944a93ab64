"""Everything collected from all sources, merged into one set of tables.

The rule for the same (candidate, prompt, metric) found twice: equal scores are one row, counted; of different scores
the newest harness version stays, then the file with more results of that candidate; a difference that remains is a
conflict, and both rows go among the rejects, named. The order in which files are listed never decides.
"""

import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import contracts, readers
from modelsat.data.readers.harvest import Harvest, reject, rejects_table
from modelsat.errors import InputError
from modelsat.io import atomic, storage
from modelsat.text import rendering

_TABLES = {
    "scores": contracts.SCORES,
    "prompts": contracts.PROMPTS,
    "candidates": contracts.CANDIDATES,
    "rejects": contracts.REJECTS,
}
SAME_SCORE = 1e-6


@dataclass(frozen=True)
class Collection:
    """The merged tables.

    Attributes:
        scores: Of the contract `SCORES`, one row per (candidate, prompt, metric).
        prompts: Of the contract `PROMPTS`.
        candidates: Of the contract `CANDIDATES`, those that have scores.
        rejects: Of the contract `REJECTS`.
        sources: Locations that were read.
        notes: Sentences for a person.
        licences: What the sources say of their licence.
    """

    scores: pa.Table
    prompts: pa.Table
    candidates: pa.Table
    rejects: pa.Table
    sources: tuple[str, ...]
    notes: tuple[str, ...]
    licences: tuple[str, ...] = ()

    @property
    def rejected_share(self) -> float:
        """Rejected rows as a share of all rows in [0, 1]; 1 where a whole file could not be read."""
        if self.rejects.num_rows and self.rejects["source_row"].null_count:
            return 1.0
        return self.rejects.num_rows / max(1, self.rejects.num_rows + self.scores.num_rows)

    def counts(self) -> dict[str, int]:
        """Return how many scores, prompts, candidates, benchmarks and rejected rows there are."""
        return {
            "scores": self.scores.num_rows,
            "prompts": self.prompts.num_rows,
            "candidates": self.candidates.num_rows,
            "benchmarks": len(pc.unique(self.prompts["benchmark"])),
            "rejected_rows": self.rejects.num_rows,
        }

    def digest(self) -> str:
        """Return a digest of what was collected, independent of when and from which paths."""
        content = self.scores.select(["candidate", "prompt_id", "metric", "score"])
        rows = zip(*(content[name].to_pylist() for name in content.column_names), strict=True)
        prompts = zip(self.prompts["prompt_id"].to_pylist(), self.prompts["stem_digest"].to_pylist(), strict=True)
        return rendering.digest(
            json.dumps([sorted(rows), sorted(prompts), sorted(self.candidates["candidate"].to_pylist())])
        )

    def write(self, folder: Path) -> None:
        """Write the tables into `folder`, completely or not at all."""
        with atomic.atomic_folder(folder) as beside:
            for name, schema in _TABLES.items():
                contracts.write(getattr(self, name), beside / f"{name}.parquet", schema)
            atomic.write_json(
                beside / "collection.json",
                {"sources": list(self.sources), "notes": list(self.notes), "licences": list(self.licences)},
            )

    @classmethod
    def read(cls, folder: Path) -> "Collection":
        """Read what `write` wrote."""
        facts = json.loads(storage.read(str(folder / "collection.json")))
        tables = {name: contracts.read(folder / f"{name}.parquet", schema) for name, schema in _TABLES.items()}
        return cls(**tables, **{name: tuple(facts[name]) for name in ("sources", "notes", "licences")})


def collect(uris: Sequence[str]) -> Collection:
    """Read all sources and merge them.

    Args:
        uris: Folders or `s3://` prefixes, each in a layout that a reader knows.

    Raises:
        InputError: A source is empty or nobody can read it.
        ServiceError: S3 refused.
    """
    if not uris:
        raise InputError("no sources were given; name at least one folder or s3:// prefix with benchmark results")
    uris = [uri if storage.is_s3(uri) else str(Path(uri)) for uri in uris]
    harvests = []
    with tempfile.TemporaryDirectory(prefix="modelsat-collect-") as scratch:
        for i, uri in enumerate(uris):
            into = Path(scratch) / str(i)
            into.mkdir()
            harvests += readers.read(uri, storage.snapshot(uri, into))
    return merge(harvests, uris)


def merge(harvests: Sequence[Harvest], sources: Sequence[str] = ()) -> Collection:
    """Merge harvests by the rule at the top of this module."""
    notes = [note for harvest in harvests for note in harvest.notes]
    rejects = [harvest.rejects for harvest in harvests]
    prompts, prompt_rejects = _merge_prompts([harvest.prompts for harvest in harvests])
    scores, score_rejects, remarks = _merge_scores(pa.concat_tables([harvest.scores for harvest in harvests]))
    candidates, contradictions = _merge_candidates([harvest.candidates for harvest in harvests])
    with_scores = set(pc.unique(scores["candidate"]).to_pylist())
    for name in candidates["candidate"].to_pylist():
        if name not in with_scores:
            notes.append(
                f"candidate {name!r} is listed in {', '.join(map(repr, sources)) or 'the sources'} but has no scores, "
                "so it is left out; add its results or remove its row"
            )
    known = pc.is_in(candidates["candidate"], value_set=pa.array(sorted(with_scores), pa.string()))
    return Collection(
        scores,
        prompts,
        candidates.filter(known),
        pa.concat_tables([*rejects, rejects_table(prompt_rejects), rejects_table(score_rejects)]),
        tuple(sources),
        tuple(notes + remarks + contradictions),
        tuple(dict.fromkeys(line for harvest in harvests for line in harvest.licences)),
    )


def _merge_prompts(tables: list[pa.Table]) -> tuple[pa.Table, list[dict[str, object]]]:
    """Keep one row per prompt id; of two spellings the smaller text, of two questions none."""
    table = pa.concat_tables(tables)
    by_text = [("prompt_id", "ascending"), ("stem_digest", "ascending"), ("prompt", "ascending")]
    table = table.take(pc.sort_indices(table, sort_keys=[*by_text, ("benchmark", "ascending"), ("task", "ascending")]))
    ids, stems, texts = (table[name].to_pylist() for name in ("prompt_id", "stem_digest", "prompt"))
    stems_of: dict[str, set[str]] = defaultdict(set)
    for prompt_id, stem in zip(ids, stems, strict=True):
        stems_of[prompt_id].add(stem)
    keep, rejects = [], []
    for i, prompt_id in enumerate(ids):
        if len(stems_of[prompt_id]) > 1:
            reason = f"prompt id {prompt_id!r} names different questions; give each question an id of its own"
            rejects.append(reject("the prompts tables", reason, i + 1, "prompt", texts[i]))
        elif i == 0 or ids[i - 1] != prompt_id:
            keep.append(i)
    return table.take(pa.array(keep, pa.int64())), rejects


def _merge_scores(table: pa.Table) -> tuple[pa.Table, list[dict[str, object]], list[str]]:
    key_columns = ["candidate", "prompt_id", "metric"]
    order = pc.sort_indices(
        table, sort_keys=[(name, "ascending") for name in [*key_columns, "source_uri", "source_row"]]
    )
    table = table.take(order)
    codes = np.column_stack(
        [
            table[name].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
            for name in key_columns
        ]
    )
    starts = np.flatnonzero(np.r_[True, (codes[1:] != codes[:-1]).any(axis=1)]) if len(codes) else np.array([], int)
    ends = np.r_[starts[1:], len(codes)]
    doubled = np.flatnonzero(ends - starts > 1)
    drop = np.zeros(len(codes), dtype=bool)
    rejects: list[dict[str, object]] = []
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    sizes = _sizes(table) if len(doubled) else {}
    for group in doubled:
        rows = table.slice(starts[group], ends[group] - starts[group]).to_pylist()
        kept, out, superseded = _settle(rows, sizes)
        for i in set(range(len(rows))) - ({kept} if kept is not None else set()):
            drop[starts[group] + i] = True
        rejects += out
        if kept is not None and superseded:
            counts[rows[kept]["candidate"], superseded, _origin(rows[kept])] += 1
        elif kept is not None:
            counts[rows[kept]["candidate"], "", ""] += 1
    return table.filter(pa.array(~drop)), rejects, _remarks(counts)


def _settle(
    rows: list[dict[str, object]], sizes: dict[tuple[object, object, object], int]
) -> tuple[int | None, list[dict[str, object]], str]:
    """Choose one of several rows with one key: its index or None, rejects, and the origin that gave way."""
    newest = max(_version(row["harness_version"]) for row in rows)
    current = [i for i, row in enumerate(rows) if _version(row["harness_version"]) == newest]
    if not _agree(rows, current):
        n = [sizes.get((rows[i]["candidate"], rows[i]["benchmark"], rows[i]["source_uri"]), 0) for i in current]
        current = [i for i, size in zip(current, n, strict=True) if size == max(n)]
    if _agree(rows, current):
        chosen = rows[current[0]]
        beaten = [row for i, row in enumerate(rows) if i not in current and not _same(row["score"], chosen["score"])]
        return current[0], [], _origin(beaten[0]) if beaten else ""
    where = " and ".join(
        f"{rows[i]['score']} in {rows[i]['source_uri']} row {rows[i]['source_row']}" for i in current[:3]
    )
    reason = (
        f"candidate {rows[0]['candidate']!r} has different scores for prompt {rows[0]['prompt_id']!r} "
        f"({where}); keep the right one"
    )
    out = [
        reject(str(rows[i]["source_uri"]), reason, int(str(rows[i]["source_row"])), "score", rows[i]["score"])
        for i in current
    ]
    return None, out, ""


def _agree(rows: list[dict[str, object]], chosen: list[int]) -> bool:
    return all(_same(rows[i]["score"], rows[chosen[0]]["score"]) for i in chosen)


def _sizes(table: pa.Table) -> dict[tuple[object, object, object], int]:
    """Return how many rows each (candidate, benchmark, file) has."""
    keys = ["candidate", "benchmark", "source_uri"]
    grouped = table.group_by(keys).aggregate([("score", "count")]).to_pydict()
    return dict(zip(zip(*(grouped[key] for key in keys), strict=True), grouped["score_count"], strict=True))


def _origin(row: dict[str, object]) -> str:
    version = row["harness_version"]
    return f"{row['harness']} {version}" if version else str(row["source_uri"])


def _same(a: object, b: object) -> bool:
    if a is None or b is None:
        return a is b
    left, right = float(str(a)), float(str(b))
    return abs(left - right) <= SAME_SCORE or (left != left and right != right)


def _version(text: object) -> tuple[int, ...]:
    """Order dotted versions; a commit or nothing is older than any of them."""
    dotted = re.match(r"\d+(\.\d+)+", str(text or ""))
    return tuple(int(number) for number in dotted[0].split(".")) if dotted else ()


def _remarks(counts: dict[tuple[str, str, str], int]) -> list[str]:
    remarks = []
    for (candidate, beaten, kept), n in sorted(counts.items()):
        if beaten:
            remarks.append(
                f"candidate {candidate!r} has scores of {beaten} and of {kept} that differ on {n} prompts; "
                f"those of {kept} are used, remove the others to silence this"
            )
        else:
            remarks.append(f"candidate {candidate!r} has the same score twice on {n} prompts; each is counted once")
    return remarks


def _merge_candidates(tables: list[pa.Table]) -> tuple[pa.Table, list[str]]:
    """Unite what the sources know of a candidate; where they contradict each other, nothing is known."""
    told: dict[str, dict[str, list[object]]] = defaultdict(lambda: defaultdict(list))
    for table in tables:
        for row in table.to_pylist():
            for name, value in row.items():
                if value is not None and value not in told[row["candidate"]][name]:
                    told[row["candidate"]][name].append(value)
    rows, remarks = [], []
    for candidate in sorted(told):
        facts = told[candidate]
        for name in sorted(name for name, values in facts.items() if len(values) > 1):
            shown = " and ".join(sorted(map(str, facts[name])))
            remarks.append(
                f"the sources give candidate {candidate!r} different values of {name} ({shown}), so none is used; "
                "correct one of them"
            )
        rows.append({name: values[0] for name, values in facts.items() if len(values) == 1})
    return contracts.from_rows(rows, contracts.CANDIDATES), remarks
