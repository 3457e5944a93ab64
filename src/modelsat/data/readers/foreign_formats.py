"""Results that other tools write under any name: told apart by how a file begins, wherever it lies in the source."""

from collections import defaultdict
from collections.abc import Sequence
from types import ModuleType

from modelsat.data import contracts
from modelsat.data.readers import field_tables, helm, inspect_logs, opencompass, vllm_sr
from modelsat.data.readers.file_heads import Head, head_of
from modelsat.data.readers.harvest import Harvest, rejects_table
from modelsat.data.readers.unread_formats import sentence_for
from modelsat.data.remarks import Remark
from modelsat.io.storage import SourceFile

_READERS: tuple[ModuleType, ...] = (vllm_sr, inspect_logs, helm, opencompass, field_tables)
NAMES = (
    "logs of Inspect (.json, .eval)",
    "runs of HELM (per_instance_stats.json with run_spec.json and scenario_state.json)",
    "predictions and results of OpenCompass",
    "tables of RouterBench, EmbedLLM and LLMRouter",
    "training matrices of `vllm-sr benchmark export`",
)


def read(files: Sequence[SourceFile]) -> tuple[list[Harvest], list[str]]:
    """Read the files that are in a known format.

    Returns:
        A harvest per format, and a sentence per file that is in a format which is recognised and not read.
    """
    taken: dict[ModuleType, list[SourceFile]] = defaultdict(list)
    sentences = []
    for file in files:
        head = head_of(file)
        reader = next((reader for reader in _READERS if _claims(reader, head)), None)
        if reader is not None:
            taken[reader].append(file)
        elif (sentence := sentence_for(head, file.uri)) is not None:
            sentences.append(sentence)
    return [reader.read(found) for reader, found in taken.items()], sentences


def tables(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Return the tables that have the columns of another router project."""
    named = [file for file in files if file.name.lower().removesuffix(".gz").endswith((".csv", ".parquet", ".jsonl"))]
    return [file for file in named if field_tables.claims(head_of(file))]


def noted(sentences: Sequence[str]) -> Harvest:
    """Return a harvest of nothing but remarks."""
    scores, prompts = contracts.SCORES.empty_table(), contracts.PROMPTS.empty_table()
    return Harvest(
        scores,
        prompts,
        contracts.CANDIDATES.empty_table(),
        rejects_table([]),
        tuple(map(Remark.FILE_NOT_READ.of, sentences)),
    )


def _claims(reader: ModuleType, head: Head) -> bool:
    return bool(reader.claims(head))
