"""What a row of lm-evaluation-harness samples says about its document: who it is, what it asks, what is right.

A row holds the document as its data set has it (`doc`, whose field names are the data set's own), the texts rendered
from it (`arguments`, few-shot examples included), the right answer (`target`) and one key per metric.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence

from modelsat.data.readers.lm_eval_samples import SampleRow, UnusableError, items
from modelsat.text.rendering import option_letter

_QUESTIONS = ("question", "query", "problem", "prompt", "input", "text")
_PASSAGES = ("passage", "context", "article", "narrative", "story", "support")
_OPTIONS = ("choices", "options")
_IDS = ("id", "question_id")
_EXACT_METRICS = ("exact_match", "em")

_HASH = re.compile(r"[0-9a-f]{64}")
_INDEX = re.compile(r"[0-9]{1,3}")
_NUMBER = re.compile(r"[-+]?\$?[0-9][0-9,]*(?:\.[0-9]+)?")
_LONGEST_ANSWER = 200


def document(row: SampleRow) -> dict[str, object]:
    """Return the document of a row.

    Raises:
        UnusableError: The row has none.
    """
    doc = row.content.get("doc")
    if not isinstance(doc, dict) or not doc:
        raise UnusableError("the row has no document in `doc`; run the task again with --log_samples", "doc", doc)
    return doc


def document_key(row: SampleRow) -> str:
    """Return what names a document within its task, equal in all versions of the harness.

    That is its own `id` or `question_id`, else the harness's `doc_hash`, else the same digest made here.
    """
    doc = document(row)
    for name in _IDS:
        value = doc.get(name)
        if (isinstance(value, str) and value.strip()) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value).strip()
    return document_hash(row)


def document_hash(row: SampleRow) -> str:
    """Return the harness's `doc_hash`, made here for rows of versions before 0.4.3, which have none."""
    given = row.content.get("doc_hash")
    if isinstance(given, str) and _HASH.fullmatch(given):
        return given
    return hashlib.sha256(json.dumps(document(row), indent=2, ensure_ascii=False).encode("utf-8")).hexdigest()


def question(row: SampleRow) -> tuple[str, bool]:
    """Return the text a user would ask, and whether it had to be taken from the rendered text.

    A rendered text holds the few-shot examples, so the document's own question is preferred, with its passage before.

    Raises:
        UnusableError: There is neither.
    """
    doc = _fields(row)
    for name in _QUESTIONS:
        text = _text(doc.get(name))
        if text:
            passages = [_text(doc.get(passage)) for passage in _PASSAGES]
            return "\n\n".join([*filter(None, passages), text]), False
    first, _ = _arguments(row)
    if _text(first):
        return _text(first), True
    reason = f"the document has no question (one of {', '.join(_QUESTIONS)}) and no rendered text; run the task again"
    raise UnusableError(reason, "doc", row.content.get("doc"))


def options(row: SampleRow) -> list[str] | None:
    """Return the options of a multiple-choice document in their order, None where it has none."""
    return _options(row)[0]


def answer(row: SampleRow, output_type: str, metric: str) -> tuple[str | None, str | None]:
    """Return the right answer and its scorer, both None where the row does not say them clearly.

    Args:
        row: A row of a samples file.
        output_type: How the task was run, such as `multiple_choice` or `generate_until`.
        metric: The metric that was chosen for the task.

    Returns:
        A letter and `letter`, a number without separators and `number`, or a short text and `exact`.
    """
    target = row.content.get("target")
    text = str(target).strip() if isinstance(target, str | int | float) and not isinstance(target, bool) else ""
    choices, labels = _options(row)
    if choices is not None:
        is_index = output_type == "multiple_choice"
        letter = _letter(text, choices, labels, is_index)
        known = letter is not None and not (is_index and _arguments(row)[1] != len(choices))
        return (letter, "letter") if known else (None, None)
    if output_type == "multiple_choice" or metric not in _EXACT_METRICS:
        return None, None
    text = text.rpartition("####")[2].strip()
    if _NUMBER.fullmatch(text):
        return text.replace(",", "").replace("$", ""), "number"
    is_clear = 0 < len(text) <= _LONGEST_ANSWER and "\n" not in text and text[0] not in "[{"
    return (text, "exact") if is_clear else (None, None)


def score(row: SampleRow, metric: str) -> float:
    """Return the score of a row; true and false, as some metrics write, are 1 and 0.

    Raises:
        UnusableError: It is absent or not a finite number. Ranges are not judged here.
    """
    value = row.content.get(metric)
    if metric not in row.content:
        raise UnusableError(f"the row has no score {metric!r}; run the task again", metric)
    if not isinstance(value, int | float):
        raise UnusableError(f"the score {metric!r} is not a number; run the task again", metric, value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnusableError(f"the score {metric!r} is not a finite number; run the task again", metric, number)
    return number


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _fields(row: SampleRow) -> dict[str, object]:
    return {str(name).lower(): value for name, value in document(row).items()}


def _arguments(row: SampleRow) -> tuple[object, int]:
    arguments = row.content.get("arguments")
    return arguments if isinstance(arguments, tuple) else (None, 0)


def _options(row: SampleRow) -> tuple[list[str] | None, list[str]]:
    for name in _OPTIONS:
        field = _fields(row).get(name)
        given = field.get("text") if isinstance(field, dict) else field
        labels = items(field.get("label")) if isinstance(field, dict) else []
        choices = [item for item in items(given) if isinstance(item, str) and item.strip()]
        if choices and choices == given:
            return choices, [str(label) for label in labels] if len(labels) == len(choices) else []
    return None, []


def _letter(text: str, choices: Sequence[str], labels: Sequence[str], is_index: bool) -> str | None:
    letters = [option_letter(i) for i in range(len(choices))]
    if is_index and _INDEX.fullmatch(text):
        return letters[int(text)] if int(text) < len(letters) else None
    for known in (choices, labels, letters, [f"({letter})" for letter in letters]):
        if list(known).count(text) == 1:
            return letters[list(known).index(text)]
    return None
