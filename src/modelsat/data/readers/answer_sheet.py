"""Collects scored answers one by one into the tables of the contract, for formats that are no tables themselves."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from modelsat.data import contracts
from modelsat.data.candidate_names import fault_in_candidate, suggest_candidate
from modelsat.data.readers.harvest import Harvest, ReadingLog, rejects_table
from modelsat.io.storage import SourceFile
from modelsat.text.blank import is_blank
from modelsat.text.rendering import digest, stem_digest

_MEASURES = ("tokens_in", "tokens_out", "cost_usd", "latency_seconds")


@dataclass(frozen=True)
class Question:
    """What was asked. Its identity is its benchmark and content, whatever a run numbers it by."""

    benchmark: str
    task: str
    prompt: str
    choices: tuple[str, ...] | None = None
    answer: str | None = None

    @property
    def prompt_id(self) -> str:
        """Identity of the question."""
        return digest(f"{self.benchmark}\n{self.prompt}\n{self.choices}")


@dataclass
class AnswerSheet:
    """Scored answers of one source.

    Attributes:
        harness: What wrote the source.
        version: Its version, where it is known.
        log: What is not taken over.
    """

    harness: str
    version: str | None = None
    log: ReadingLog = field(default_factory=ReadingLog)
    _questions: dict[str, Question] = field(default_factory=dict)
    _ids: dict[Question, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _columns: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def add(
        self,
        file: SourceFile,
        row: int,
        candidate: str,
        question: Question,
        score: float,
        metric: str = "score",
        **measures: float | None,
    ) -> None:
        """Add one answer.

        Args:
            file: Where it stands.
            row: Line or number in the file, from 1.
            candidate: Who answered; a name that is not usable is replaced by the nearest one and stays an alias.
            question: What was asked.
            score: In [0, 1].
            metric: What the score measures.
            measures: `tokens_in`, `tokens_out`, `cost_usd` and `latency_seconds`, None where not known.
        """
        if is_blank(question.prompt):
            self.log.reject(file.uri, "the prompt is empty; add its text or remove the row", row, "prompt")
            return
        name = self._names.get(candidate)
        if name is None:
            name = candidate if fault_in_candidate(candidate) is None else suggest_candidate(candidate)
            self._names[candidate] = name
        prompt_id = self._ids.get(question)
        if prompt_id is None:
            prompt_id = self._ids[question] = question.prompt_id
            self._questions.setdefault(prompt_id, question)
        known = self._questions[prompt_id]
        values = {
            "candidate": name,
            "benchmark": known.benchmark,
            "task": known.task,
            "prompt_id": prompt_id,
            "score": score,
            "metric": metric,
            "source_uri": file.uri,
            "source_row": row,
            "source_digest": file.digest,
        }
        for column, value in values.items():
            self._columns[column].append(value)
        for column in _MEASURES:
            self._columns[column].append(_measure(measures.get(column), column))

    def harvest(self) -> Harvest:
        """Return the tables."""
        size = len(self._columns["candidate"])
        constants = {"harness": self.harness, "harness_version": self.version, "collected_at": datetime.now(UTC)}
        table = {
            name: pa.array(self._columns[name], contracts.SCORES.field(name).type)
            for name in contracts.SCORES.names
            if name in self._columns
        }
        for name, value in constants.items():
            table[name] = pa.repeat(pa.scalar(value, contracts.SCORES.field(name).type), size)
        return Harvest(
            contracts.conform(pa.table(table), contracts.SCORES) if size else contracts.SCORES.empty_table(),
            contracts.from_rows([_prompt(*item) for item in self._questions.items()], contracts.PROMPTS),
            contracts.from_rows(self._candidates(), contracts.CANDIDATES),
            rejects_table(self.log.rejects),
            tuple(self.log.notes),
        )

    def _candidates(self) -> list[dict[str, object]]:
        aliases: dict[str, list[str]] = defaultdict(list)
        for written, name in self._names.items():
            aliases[name] += [written] if written != name else []
        return [{"candidate": name, "aliases": sorted(aliases[name]) or None} for name in sorted(aliases)]


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def user_text(messages: object) -> str | None:
    """Return what the user said in a list of chat messages, None where it holds more than text.

    What the system and the assistant said belongs to the run and not to the question.
    """
    if isinstance(messages, str):
        return messages
    if not isinstance(messages, list):
        return None
    texts = []
    for message in messages:
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            parts = [content] if isinstance(content, str) else content
            if not isinstance(parts, list):
                return None
            for part in parts:
                text = part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None
                if not isinstance(text, str):
                    return None
                texts.append(text)
    return "\n\n".join(texts)


def _measure(value: float | None, column: str) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**31:
        return None
    return round(value) if column.startswith("tokens") else float(value)


def _prompt(prompt_id: str, question: Question) -> dict[str, object]:
    options = list(question.choices) if question.choices else None
    return {
        "prompt_id": prompt_id,
        "stem_digest": stem_digest(question.prompt, options),
        "benchmark": question.benchmark,
        "task": question.task,
        "prompt": question.prompt,
        "choices": options,
        "answer": question.answer,
    }
