"""One samples file of lm-evaluation-harness, reduced to what the tables need: what was asked, how it was scored."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from modelsat.data.readers import lm_eval_documents as documents
from modelsat.data.readers.lm_eval_gold import is_unclear, open_answer, right_letter, target_text
from modelsat.data.readers.lm_eval_measures import Measure
from modelsat.data.readers.lm_eval_question import ELSEWHERE, HarnessQuestion, asked
from modelsat.data.readers.lm_eval_results import HarnessRun
from modelsat.data.readers.lm_eval_samples import SampleRow, UnusableError, read_rows, with_filters
from modelsat.io.storage import SourceFile

_MANY = 3


@dataclass(frozen=True)
class SheetDocument:
    """One document of a samples file.

    Attributes:
        own_id: The document's own id, None where it has none.
        content_hash: Digest of its content, equal in all runs.
        question: What was asked, None where nothing can be told.
        letter: The right option's letter.
        answer: The right answer to an open question, with its scorer.
        is_unclear: Whether the text taken for the question holds the right answer or marks of a chat template.
    """

    own_id: str | None
    content_hash: str
    question: HarnessQuestion | None
    letter: str | None
    answer: tuple[str | None, str | None]
    is_unclear: bool


@dataclass
class SampleSheet:
    """One samples file with its run.

    Attributes:
        rows: The rows with the filters they are of, None where that cannot be told; without the documents' content.
        documents: What the rows are about, by line number; a row without a usable document has a fault instead.
        faults: Why a row cannot be used, by line number.
    """

    file: SourceFile
    run: HarnessRun
    task: str
    rows: list[tuple[str | None, SampleRow]] = field(default_factory=list)
    documents: dict[int, SheetDocument] = field(default_factory=dict)
    faults: dict[int, UnusableError] = field(default_factory=dict)

    def values(self, measure: Measure) -> Iterator[object]:
        """Yield what a metric says in the rows of a filter."""
        metric, chosen = measure
        return (row.content.get(metric) for name, row in self.rows if name == chosen and not row.fault)

    def shows_media(self) -> bool:
        """Say whether the task's questions come with images, audio or video."""
        config = self.run.setting(self.task).config
        return any(config.get(f"doc_to_{kind}") for kind in ("image", "audio", "video"))

    def asks_nothing(self) -> bool:
        """Say whether no document of the file has a question."""
        known = [document.question for document in self.documents.values()]
        return bool(known) and not any(question and question.prompt for question in known)

    def asks_one_thing(self) -> bool:
        """Say whether one text was sent for all of the file's documents, so that none of them was shown."""
        known = {document.content_hash: document.question for document in self.documents.values()}
        asked = {(question.prompt, question.choices) for question in known.values() if question}
        return len(known) >= _MANY and len(asked) == 1 and None not in known.values()


def read_sheet(file: SourceFile, run: HarnessRun, task: str) -> SampleSheet:
    """Read a samples file of a run."""
    sheet = SampleSheet(file, run, task)
    setting = run.setting(task)
    same: dict[str, SheetDocument] = {}
    for chosen, row in with_filters(list(read_rows(file.path)), run.filters(task)):
        sheet.rows.append((chosen, row))
        if row.fault:
            sheet.faults[row.line] = row.fault
            continue
        try:
            content_hash = documents.document_hash(row)
            # Every filter writes the document again.
            if content_hash not in same:
                doc, requests = documents.document(row), documents.requests(row)
                target = target_text(row.content.get("target"))
                question = asked(requests, doc, target, setting)
                is_of_another = question is not None and question.doubt == ELSEWHERE
                target = "" if is_of_another else target
                same[content_hash] = SheetDocument(
                    documents.document_id(row),
                    content_hash,
                    question,
                    right_letter(target, question, requests, doc, setting) if question and question.choices else None,
                    (None, None) if setting.output_type == "multiple_choice" else open_answer(target, doc),
                    question is not None and is_unclear(question, target, doc),
                )
            sheet.documents[row.line] = same[content_hash]
        except UnusableError as fault:
            sheet.faults[row.line] = fault
        for name in ("doc", "arguments"):
            row.content.pop(name, None)
    return sheet
