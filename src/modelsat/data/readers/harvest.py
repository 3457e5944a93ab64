"""What one reader brings home from one folder: rows of the contract's tables, rejects and remarks."""

from dataclasses import dataclass, field

import pyarrow as pa

from modelsat.data import contracts
from modelsat.data.remarks import Remark


@dataclass(frozen=True)
class EmptyAnswers:
    """Answers of a candidate that are empty and so count as missing.

    Attributes:
        candidate: The candidate.
        benchmark: The benchmark.
        task: The task of it.
        source_uri: Where the answers are.
        empty: How many are empty.
        answers: How many there are in all.
    """

    candidate: str
    benchmark: str
    task: str
    source_uri: str
    empty: int
    answers: int


@dataclass(frozen=True)
class Harvest:
    """Tables of the contracts `SCORES`, `PROMPTS`, `CANDIDATES` and `REJECTS`.

    Texts of `scores` may be in dictionary columns. `notes` are sentences for a person, `licences` what the source says
    of its licence, `empty_answers` what a candidate did not answer.
    """

    scores: pa.Table
    prompts: pa.Table
    candidates: pa.Table
    rejects: pa.Table
    notes: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    empty_answers: tuple[EmptyAnswers, ...] = ()


@dataclass
class ReadingLog:
    """What a reader cannot take over, row by row, and its remarks."""

    rejects: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def reject(
        self, uri: str, reason: str, row: int | None = None, field: str | None = None, value: object = None
    ) -> None:
        """Add an input row, or a whole file where `row` is None."""
        self.rejects.append(reject(uri, reason, row, field, value))

    def note(self, name: Remark, sentence: str) -> None:
        """Add a remark, once."""
        remark = name.of(sentence)
        if remark not in self.notes:
            self.notes.append(remark)


def reject(
    uri: str, reason: str, row: int | None = None, field: str | None = None, value: object = None
) -> dict[str, object]:
    """Describe one input row, or a whole file where `row` is None, that is not taken over."""
    shown = None if value is None else repr(value)[:200]
    return {"source_uri": uri, "source_row": row, "field": field, "value": shown, "reason": reason}


def rejects_table(rows: list[dict[str, object]]) -> pa.Table:
    """Make the rejects table of the contract."""
    return contracts.from_rows(rows, contracts.REJECTS)
