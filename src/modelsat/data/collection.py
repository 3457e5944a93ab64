"""Everything collected from all sources, merged into one set of tables.

`repeated_scores` has the rule for duplicate scores. The order of files has no effect.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import contracts, measures, readers, repeated_scores
from modelsat.data.readers.harvest import EmptyAnswers, Harvest, reject, rejects_table
from modelsat.data.remarks import Remark
from modelsat.data.sources import without_scores
from modelsat.errors import InputError
from modelsat.io import atomic, storage
from modelsat.text import rendering

_TABLES = {
    "scores": contracts.SCORES,
    "prompts": contracts.PROMPTS,
    "candidates": contracts.CANDIDATES,
    "rejects": contracts.REJECTS,
}


@dataclass(frozen=True)
class Collection:
    """The merged tables.

    Attributes:
        scores: Of the contract `SCORES`, one row per (candidate, prompt, metric).
        prompts: Of the contract `PROMPTS`.
        candidates: Of the contract `CANDIDATES`, those that have scores.
        rejects: Of the contract `REJECTS`.
        sources: Locations that were read.
        notes: Remarks for the user.
        licences: What the sources say of their licence.
        empty_answers: Empty answers by candidate and benchmark.
    """

    scores: pa.Table
    prompts: pa.Table
    candidates: pa.Table
    rejects: pa.Table
    sources: tuple[str, ...]
    notes: tuple[str, ...]
    licences: tuple[str, ...] = ()
    empty_answers: tuple[EmptyAnswers, ...] = ()

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
        # Where nothing was paid, digests are those of versions that knew no money.
        paid = ["cost_usd", "tokens_in", "tokens_out"] if measures.any_money(self.scores) else []
        content = self.scores.select(["candidate", "prompt_id", "metric", "score", *paid])
        rows = zip(*(content[name].to_pylist() for name in content.column_names), strict=True)
        prompts = zip(self.prompts["prompt_id"].to_pylist(), self.prompts["stem_digest"].to_pylist(), strict=True)
        return rendering.digest(
            json.dumps([sorted(rows, key=_in_order), sorted(prompts), sorted(self.candidates["candidate"].to_pylist())])
        )

    def write(self, folder: Path) -> None:
        """Write the tables into `folder`, completely or not at all."""
        with atomic.atomic_folder(folder) as beside:
            for name, schema in _TABLES.items():
                contracts.write(getattr(self, name), beside / f"{name}.parquet", schema)
            atomic.write_json(
                beside / "collection.json",
                {
                    "sources": list(self.sources),
                    "notes": list(self.notes),
                    "licences": list(self.licences),
                    **({"empty_answers": list(map(asdict, self.empty_answers))} if self.empty_answers else {}),
                },
            )

    @classmethod
    def read(cls, folder: Path) -> "Collection":
        """Read what `write` wrote."""
        facts = json.loads(storage.read(str(folder / "collection.json")))
        tables = {name: contracts.read(folder / f"{name}.parquet", schema) for name, schema in _TABLES.items()}
        empty = tuple(EmptyAnswers(**entry) for entry in facts.get("empty_answers", []))
        texts = {name: tuple(facts[name]) for name in ("sources", "notes", "licences")}
        return cls(**tables, **texts, empty_answers=empty)


def collect(uris: Sequence[str]) -> Collection:
    """Read all sources and merge them.

    Args:
        uris: Folders or `s3://` prefixes, each in a layout that a reader knows.

    Raises:
        InputError: A source is empty, or no reader recognises it.
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
    merged = merge(harvests, uris)
    silent = without_scores(uris, merged.scores, merged.rejects, merged.notes)
    return replace(merged, notes=(*merged.notes, *map(Remark.SOURCE_WITHOUT_SCORES.of, silent)))


def merge(harvests: Sequence[Harvest], sources: Sequence[str] = ()) -> Collection:
    """Merge harvests; contradictions are reported."""
    notes = [note for harvest in harvests for note in harvest.notes]
    rejects = [harvest.rejects for harvest in harvests]
    prompts, prompt_rejects = _merge_prompts([harvest.prompts for harvest in harvests])
    scores, disbelieved = measures.believed(pa.concat_tables([harvest.scores for harvest in harvests]))
    settled = repeated_scores.settle(scores)
    candidates, contradictions = _merge_candidates([harvest.candidates for harvest in harvests])
    with_scores = set(pc.unique(settled.scores["candidate"]).to_pylist())
    for name in candidates["candidate"].to_pylist():
        if name not in with_scores:
            notes.append(
                Remark.CANDIDATE_WITHOUT_SCORES.of(
                    f"candidate {name!r} is listed in {', '.join(map(repr, sources)) or 'the sources'} but has no "
                    "scores, so it is left out; add its results or remove its row"
                )
            )
    known = pc.is_in(candidates["candidate"], value_set=pa.array(sorted(with_scores), pa.string()))
    return Collection(
        settled.scores,
        prompts,
        candidates.filter(known),
        pa.concat_tables([*rejects, rejects_table(prompt_rejects), rejects_table(settled.rejects)]),
        tuple(sources),
        tuple(notes + disbelieved + settled.notes + contradictions),
        tuple(dict.fromkeys(line for harvest in harvests for line in harvest.licences)),
        tuple(entry for harvest in harvests for entry in harvest.empty_answers),
    )


def _in_order(row: tuple[object, ...]) -> tuple[object, ...]:
    """Return what a row is sorted by, with -1 where a measure is missing."""
    return tuple(-1 if value is None else value for value in row)


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


def _merge_candidates(tables: list[pa.Table]) -> tuple[pa.Table, list[str]]:
    """Merge the candidate rows of all sources; a field with contradicting values becomes null."""
    known: dict[str, dict[str, list[object]]] = defaultdict(lambda: defaultdict(list))
    for table in tables:
        for row in table.to_pylist():
            for name, value in row.items():
                if value is not None and value not in known[row["candidate"]][name]:
                    known[row["candidate"]][name].append(value)
    rows, remarks = [], []
    for candidate in sorted(known):
        fields = known[candidate]
        for name in sorted(name for name, values in fields.items() if len(values) > 1):
            shown = " and ".join(sorted(map(str, fields[name])))
            remarks.append(
                Remark.FACTS_CONTRADICT.of(
                    f"the sources give candidate {candidate!r} different values of {name} ({shown}), so none is used; "
                    "correct one of them"
                )
            )
        rows.append({name: values[0] for name, values in fields.items() if len(values) == 1})
    return contracts.from_rows(rows, contracts.CANDIDATES), remarks
