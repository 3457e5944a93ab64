"""Readers turn the files of one kind of source into the tables of the data contract.

A reader is a module with two functions: `claims(names)` says whether a folder looks like its kind, and
`read(files)` returns a `Harvest`; one with `SPANS_FOLDERS` gets the files of all its folders at once. What no names
tell is told by the files' content (`foreign_formats`). A reader that can take a folder file by file has
`parts(files)`, too, which yields a `Harvest` of each. A reader keeps what it can read, puts the rest among the rejects
with file, row and reason, and judges nothing else: ranges, coverage and references are the business of
`modelsat.data.validation`.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath
from types import ModuleType

from modelsat.data.readers import asked, feedback, foreign_formats, lm_eval, routereval, tidy
from modelsat.data.readers.harvest import Harvest
from modelsat.errors import InputError
from modelsat.io.storage import SourceFile

READERS: tuple[ModuleType, ...] = (asked, feedback, tidy, lm_eval, routereval)

__all__ = ["READERS", "Harvest", "read"]


def read(uri: str, files: list[SourceFile]) -> Iterator[Harvest]:
    """Read every folder of a snapshot with the first reader that claims it, one harvest after the other.

    Raises:
        InputError: No reader claims any folder.
    """
    folders: dict[str, list[SourceFile]] = defaultdict(list)
    for file in files:
        folders[PurePosixPath(file.name).parent.as_posix()].append(file)
    harvests = 0
    together: dict[ModuleType, list[SourceFile]] = defaultdict(list)
    others: list[SourceFile] = []
    for folder in sorted(folders):
        # A table of another project stays one where it is called scores.csv.
        projects = foreign_formats.tables(folders[folder])
        others += projects
        folders[folder] = [file for file in folders[folder] if file not in projects]
        names = [PurePosixPath(file.name).name for file in folders[folder]]
        reader = next((reader for reader in READERS if reader.claims(names)), None)
        if reader is None:
            others += folders[folder]
        elif getattr(reader, "SPANS_FOLDERS", False):
            together[reader] += folders[folder]
        else:
            harvests += 1
            yield from reader.parts(folders[folder]) if hasattr(reader, "parts") else [reader.read(folders[folder])]
    for one, found in together.items():
        harvests += 1
        yield one.read(found)
    foreign, unread = foreign_formats.read(others)
    harvests += len(foreign)
    yield from foreign
    if not harvests:
        if unread:
            raise InputError(unread[0] + (f" ({len(unread) - 1} more files are not read)" if unread[1:] else ""))
        raise InputError(
            f"{uri!r} holds no benchmark results that modelsat can read; it looks for scores.parquet, "
            "scores.csv[.gz] or scores.jsonl[.gz] with prompts beside, for results_*.json with samples_*.jsonl of "
            "lm-evaluation-harness, for asked.json with answers.parquet of `modelsat ask`, for feedback-*.jsonl of a "
            f"gateway, for *_router_dataset.pkl of RouterEval, and for {', '.join(foreign_formats.NAMES)}"
        )
    if unread:
        yield foreign_formats.noted(unread)
