"""Everything collected from all sources, merged into one set of tables.

`repeated_scores` has the rule for duplicate scores. The order of files has no effect.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import collection_digest, contracts, merged_tables, readers, table_blocks
from modelsat.data.readers.harvest import EmptyAnswers, Harvest, rejects_table
from modelsat.data.remarks import Remark
from modelsat.data.score_merge import ScoreMerge
from modelsat.data.source_store import SourceStore
from modelsat.data.sources import named, without_scores
from modelsat.io import atomic, storage
from modelsat.io.scratch import ScratchFolder

_SCORES = "scores.parquet"
_TABLES = {
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
    def rows(self) -> int:
        """Return how many scores there are."""
        return int(self.scores.num_rows)

    def blocks(self, *columns: str) -> Iterator[pa.Table]:
        """Return some columns of the scores, block by block; texts are dictionary columns.

        Who goes through millions of rows goes through these: `scores` has them all at once.
        """
        kinds = table_blocks.with_dictionaries(contracts.SCORES)
        wanted = pa.schema([kinds.field(name) for name in columns])
        taken = self.scores.select(list(columns))
        for start in range(0, self.rows, table_blocks.BLOCK):
            yield table_blocks.encoded(taken.slice(start, table_blocks.BLOCK), wanted)

    @property
    def rejected_share(self) -> float:
        """Rejected rows as a share of all rows in [0, 1]; 1 where a whole file could not be read."""
        if self.rejects.num_rows and self.rejects["source_row"].null_count:
            return 1.0
        return self.rejects.num_rows / max(1, self.rejects.num_rows + self.rows)

    def counts(self) -> dict[str, int]:
        """Return how many scores, prompts, candidates, benchmarks and rejected rows there are."""
        return {
            "scores": self.rows,
            "prompts": self.prompts.num_rows,
            "candidates": self.candidates.num_rows,
            "benchmarks": len(pc.unique(self.prompts["benchmark"])),
            "rejected_rows": self.rejects.num_rows,
        }

    def digest(self) -> str:
        """Return a digest of what was collected, independent of when and from which paths."""
        return collection_digest.of(self.blocks, self.prompts, self.candidates["candidate"].to_pylist())

    def write(self, folder: Path) -> None:
        """Write the tables into `folder`, completely or not at all."""
        with atomic.atomic_folder(folder) as beside:
            for name, schema in _TABLES.items():
                contracts.write(getattr(self, name), beside / f"{name}.parquet", schema)
            self._write_scores(beside / _SCORES)
            atomic.write_json(
                beside / "collection.json",
                {
                    "sources": list(self.sources),
                    "notes": list(self.notes),
                    "licences": list(self.licences),
                    **({"empty_answers": list(map(asdict, self.empty_answers))} if self.empty_answers else {}),
                },
            )

    def _write_scores(self, path: Path) -> None:
        contracts.write(self.scores, path, contracts.SCORES)

    @classmethod
    def read(cls, folder: Path) -> "Collection":
        """Open what `write` wrote; the scores are read when they are asked for."""
        facts = json.loads(storage.read(str(folder / "collection.json")))
        tables = {name: contracts.read(folder / f"{name}.parquet", schema) for name, schema in _TABLES.items()}
        empty = tuple(EmptyAnswers(**entry) for entry in facts.get("empty_answers", []))
        texts = {name: tuple(facts[name]) for name in ("sources", "notes", "licences")}
        return StoredCollection.of(folder / _SCORES, None, **tables, **texts, empty_answers=empty)


class StoredCollection(Collection):
    """A collection whose scores are in a file until somebody asks for all of them."""

    _path: Path | None = None

    @classmethod
    def of(cls, path: Path, scratch: ScratchFolder | None = None, **others: Any) -> "StoredCollection":
        """Return a collection.

        Args:
            path: Parquet file with its scores, which has to stay as long as the collection is in use.
            scratch: The folder that it lies in, where that is to go with the collection.
            others: All other attributes.

        Raises:
            InputError: The file is absent or holds no scores.
        """
        found = cls(scores=None, **others)
        del found.__dict__["scores"]
        found.__dict__.update(_path=path, _scratch=scratch, _rows=table_blocks.count(path, contracts.SCORES))
        return found

    def __eq__(self, other: object) -> bool:
        names = [one.name for one in fields(Collection)]
        return isinstance(other, Collection) and all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name != "scores":
            raise AttributeError(f"a collection has no {name!r}")
        self.__dict__["scores"] = contracts.read(str(self._path), contracts.SCORES)
        return self.__dict__["scores"]

    @property
    def rows(self) -> int:
        """Return how many scores there are."""
        return super().rows if self._path is None else int(self.__dict__["_rows"])

    def blocks(self, *columns: str) -> Iterator[pa.Table]:
        """Return some columns of the scores, block by block; texts are dictionary columns."""
        if self._path is None:
            return super().blocks(*columns)
        return table_blocks.read(self._path, contracts.SCORES, columns)

    def _write_scores(self, path: Path) -> None:
        if self._path is None:
            super()._write_scores(path)
        else:
            with atomic.atomic_file(path) as beside:
                shutil.copyfile(self._path, beside)


def collect(uris: Sequence[str], kept: Path | None = None) -> Collection:
    """Read all sources and merge them.

    Args:
        uris: Folders or `s3://` prefixes, each in a layout that a reader knows.
        kept: Folder that keeps what each source gave, so that unchanged ones are not read again; None reads all.

    Raises:
        InputError: A source is empty, or no reader recognises it.
        ServiceError: S3 refused.
    """
    uris = named(uris)
    with ScratchFolder() as scratch:
        return merge(_harvested(uris, scratch, SourceStore(kept) if kept is not None else None), uris)


def _harvested(uris: Sequence[str], scratch: Path, store: SourceStore | None) -> Iterator[Harvest]:
    for i, uri in enumerate(uris):
        into = scratch / str(i)
        into.mkdir()
        yield from store.read(uri, into) if store else readers.read(uri, storage.snapshot(uri, into))


def merge(harvests: Iterable[Harvest], sources: Sequence[str] = ()) -> Collection:
    """Merge harvests; contradictions are reported.

    Args:
        harvests: Taken one by one; of the scores of each is kept what `ScoreMerge` needs.
        sources: Where they come from; one that gave no score is named.
    """
    scratch, rest = ScratchFolder(), []
    scores = ScoreMerge(scratch.path)
    for harvest in harvests:
        scores.add(harvest.scores)
        rest.append(replace(harvest, scores=contracts.SCORES.empty_table()))
        # A reader that yields many goes on with less.
        del harvest
    scores.write(scratch.path / _SCORES)
    prompts, prompt_rejects = merged_tables.prompts([harvest.prompts for harvest in rest])
    candidates, contradictions = merged_tables.candidates([harvest.candidates for harvest in rest])
    with_scores = scores.candidates
    notes = [note for harvest in rest for note in harvest.notes]
    for name in candidates["candidate"].to_pylist():
        if name not in with_scores:
            notes.append(
                Remark.CANDIDATE_WITHOUT_SCORES.of(
                    f"candidate {name!r} is listed in {', '.join(map(repr, sources)) or 'the sources'} but has no "
                    "scores, so it is left out; add its results or remove its row"
                )
            )
    notes += scores.notes + contradictions
    rejects = pa.concat_tables(
        [*(harvest.rejects for harvest in rest), rejects_table(prompt_rejects), rejects_table(scores.rejects)]
    )
    notes += map(Remark.SOURCE_WITHOUT_SCORES.of, without_scores(sources, scores.files, rejects, notes, scores.read))
    known = pc.is_in(candidates["candidate"], value_set=pa.array(sorted(with_scores), pa.string()))
    return StoredCollection.of(
        scratch.path / _SCORES,
        scratch,
        prompts=prompts,
        candidates=candidates.filter(known),
        rejects=rejects,
        sources=tuple(sources),
        notes=tuple(notes),
        licences=tuple(dict.fromkeys(line for harvest in rest for line in harvest.licences)),
        empty_answers=tuple(entry for harvest in rest for entry in harvest.empty_answers),
    )
