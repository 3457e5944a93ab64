"""Who a document of lm-evaluation-harness samples is, and what a metric says of it.

The harness numbers documents anew in every run (`doc_id`), so they are known by their own id or by their content.
"""

import hashlib
import json
import math
import re

from modelsat.data.readers.lm_eval_requests import HarnessRequests
from modelsat.data.readers.lm_eval_samples import SampleRow, UnusableError

_IDS = ("id", "question_id")
_HASH = re.compile(r"[0-9a-f]{64}")


def document(row: SampleRow) -> dict[str, object]:
    """Return the document of a row.

    Raises:
        UnusableError: The row has none.
    """
    doc = row.content.get("doc")
    if not isinstance(doc, dict) or not doc:
        raise UnusableError("the row has no document in `doc`; run the task again with --log_samples", "doc", doc)
    return doc


def document_id(row: SampleRow) -> str | None:
    """Return the document's own `id` or `question_id`, None where it has none."""
    doc = document(row)
    for name in _IDS:
        value = doc.get(name)
        if (isinstance(value, str) and value.strip()) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value).strip()
    return None


def document_hash(row: SampleRow) -> str:
    """Return the harness's `doc_hash`, made here for rows of versions before 0.4.3, which have none."""
    given = row.content.get("doc_hash")
    if isinstance(given, str) and _HASH.fullmatch(given):
        return given
    return hashlib.sha256(json.dumps(document(row), indent=2, ensure_ascii=False).encode("utf-8")).hexdigest()


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


def requests(row: SampleRow) -> HarnessRequests:
    """Return what was sent to the model."""
    found = row.content.get("arguments")
    return found if isinstance(found, HarnessRequests) else HarnessRequests((), ())


def is_unanswered(row: SampleRow) -> bool:
    """Say whether the model's answers are all empty."""
    return row.content.get("resps") is True
