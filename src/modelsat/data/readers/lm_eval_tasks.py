"""All runs of one task of lm-evaluation-harness together: how a document is named, which metric counts, which text.

The same document is the same question in all runs. It is named by its own id, unless two documents of a run share that
id, as the questions on one story do; then by its content. Of several texts that runs give a document, the one that had
to be guessed least stands.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelsat.data.readers import lm_eval_documents as documents
from modelsat.data.readers import lm_eval_notes as notes
from modelsat.data.readers.harvest import EmptyAnswers, reject
from modelsat.data.readers.lm_eval_measures import ABSENT, BYPASS, Measure, chosen
from modelsat.data.readers.lm_eval_samples import SampleRow, UnusableError
from modelsat.data.readers.lm_eval_sheets import SampleSheet, SheetDocument
from modelsat.text.rendering import stem_digest

HARNESS = "lm-evaluation-harness"
EMPTY_SHARE = 0.2
"""From this share of empty answers on, a model's empty answers on a task are missing, not wrong."""

_EXACT_METRICS = ("exact_match", "em")
_UNKNOWN_FILTER = (
    "the row does not name its filter, and damaged rows hide which one it is; "
    "copy the file again, or run the task with lm-eval 0.4.7 or newer"
)


@dataclass
class TaskRows:
    """What one samples file adds to the tables, with remarks on it."""

    scores: list[dict[str, object]] = field(default_factory=list)
    prompts: list[dict[str, object]] = field(default_factory=list)
    rejects: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    empty_answers: list[EmptyAnswers] = field(default_factory=list)


class HarnessTask:
    """One task over all runs that were read."""

    def __init__(self, sheets: Sequence[SampleSheet]) -> None:
        """Decide on metric, names and texts for all runs at once."""
        self._measures = _measures(sheets)
        self._texts: dict[str, SheetDocument] = {}
        self._shared_ids: set[str | None] = set()
        for sheet in sheets:
            for document in sheet.documents.values():
                known = self._texts.setdefault(document.content_hash, document)
                if _doubt(document) < _doubt(known):
                    self._texts[document.content_hash] = document
            different = {(document.own_id, document.content_hash) for document in sheet.documents.values()}
            self._shared_ids |= {own_id for own_id, n in Counter(own_id for own_id, _ in different).items() if n > 1}

    def rows(self, sheet: SampleSheet) -> TaskRows:
        """Return what a samples file of the task adds to the tables."""
        is_unscored = sheet.run.is_unscored(sheet.task) and not self._measures
        if sheet.shows_media():
            return TaskRows(notes=[notes.shows_media(sheet)])
        if not is_unscored and sheet.asks_nothing():
            return TaskRows(notes=[notes.asks_nothing(sheet)])
        if not is_unscored and sheet.asks_one_thing():
            return TaskRows(notes=[notes.asks_one_thing(sheet)])
        if not is_unscored and not self._measures:
            return TaskRows(notes=[notes.no_measure(sheet)])
        filters = {name for _, name in self._measures}
        rows = [(name, row) for name, row in sheet.rows if is_unscored or row.fault or name is None or name in filters]
        missing = _missing([row for name, row in rows if name is not None and not row.fault])
        out, left_out, read, taken = TaskRows(), Counter[str](), set(), set()
        for name, row in rows:
            try:
                if row.line in sheet.faults:
                    raise sheet.faults[row.line]
                document = sheet.documents[row.line]
                read.add(document.content_hash)
                if is_unscored:
                    reason = "the task was run with --predict_only, so it has no scores; run it without"
                    raise UnusableError(reason, BYPASS, 999)
                if name is None:
                    raise UnusableError(_UNKNOWN_FILTER, "filter")
                metric, score = self._score(row, name)
                prompt = self._prompt(sheet, document, metric)
            except UnusableError as fault:
                out.rejects.append(reject(sheet.file.uri, str(fault), row.line, fault.field, fault.value))
                continue
            is_again = document.content_hash in taken
            taken.add(document.content_hash)
            why = self._reason_to_leave_out(document, row.line in missing, is_again, score)
            left_out[why] += 1
            if not why:
                out.prompts.append(prompt)
                out.scores.append(_score_row(sheet, row, prompt, f"{metric},{name}", score))
        if left_out[notes.EMPTY]:
            n = sum(left_out.values()) - left_out[notes.AGAIN]
            whose = (sheet.run.candidate, sheet.run.benchmark(sheet.task), sheet.task, sheet.file.uri)
            out.empty_answers.append(EmptyAnswers(*whose, left_out[notes.EMPTY], n))
        out.notes += notes.remarks(sheet, left_out, len(read) if self._measures or not is_unscored else None)
        return out

    def _reason_to_leave_out(self, document: SheetDocument, is_missing: bool, is_again: bool, score: float) -> str:
        if is_again:
            return notes.AGAIN
        if is_missing:
            return notes.EMPTY
        if self._texts[document.content_hash].is_unclear:
            return notes.UNCLEAR
        return notes.NO_SCORE if score == ABSENT and len(self._measures) > 1 else ""

    def _score(self, row: SampleRow, name: str) -> tuple[str, float]:
        """Return the metric that has the document, and its score."""
        metrics = [metric for metric, chosen_filter in self._measures if chosen_filter == name]
        found = [(metric, documents.score(row, metric)) for metric in metrics if metric in row.content]
        if not found:
            return metrics[0], documents.score(row, metrics[0])
        return next((pair for pair in found if pair[1] != ABSENT), found[0])

    def _prompt(self, sheet: SampleSheet, document: SheetDocument, metric: str) -> dict[str, object]:
        best = self._texts[document.content_hash]
        question = best.question
        if question is None or not question.prompt:
            reason = "the row does not say what was asked (`arguments`); run the task again with --log_samples"
            raise UnusableError(reason, "arguments")
        choices = list(question.choices) if question.choices else None
        answer, scorer = best.answer if metric in _EXACT_METRICS else (None, None)
        if choices:
            answer, scorer = best.letter, "letter" if best.letter else None
        is_named = document.own_id is not None and document.own_id not in self._shared_ids
        return {
            "prompt_id": f"{sheet.task}/{document.own_id if is_named else document.content_hash}",
            "stem_digest": stem_digest(question.prompt, choices),
            "benchmark": sheet.run.benchmark(sheet.task),
            "task": sheet.task,
            "prompt": question.prompt,
            "choices": choices,
            "answer": answer,
            "scorer": scorer,
        }


def _measures(sheets: Sequence[SampleSheet]) -> list[Measure]:
    orders = [order for sheet in sheets if (order := sheet.run.measures(sheet.task))]
    pairs = dict.fromkeys(pair for order in orders for pair in order)
    return chosen(orders, {pair: [value for sheet in sheets for value in sheet.values(pair)] for pair in pairs})


def _missing(rows: Sequence[SampleRow]) -> set[int]:
    """Return the lines of empty answers, where they are so many that they never came."""
    empty = {row.line for row in rows if documents.is_unanswered(row)}
    return empty if len(empty) >= EMPTY_SHARE * len(rows) else set()


def _doubt(document: SheetDocument) -> tuple[bool, bool, int]:
    question = document.question
    return (not (question and question.prompt), document.is_unclear, question.doubt if question else 0)


def _score_row(
    sheet: SampleSheet, row: SampleRow, prompt: dict[str, object], metric: str, score: float
) -> dict[str, object]:
    return {
        "candidate": sheet.run.candidate,
        "benchmark": prompt["benchmark"],
        "task": sheet.task,
        "prompt_id": prompt["prompt_id"],
        "score": score,
        "metric": metric,
        "num_fewshot": sheet.run.num_fewshot(sheet.task),
        "harness": HARNESS,
        "harness_version": sheet.run.version,
        "source_uri": sheet.file.uri,
        "source_row": row.line,
        "source_digest": sheet.file.digest,
        "collected_at": sheet.run.collected_at(),
    }
