"""The right answer to a question of lm-evaluation-harness, where the row says it clearly.

`target` is an option's text, its label, its index from 0, or the answer itself; which one depends on the task. Where
two readings name different options and the document does not decide between them, no answer is stated: a wrong key
would grade every newcomer wrongly.
"""

import re
from collections.abc import Mapping, Sequence

from modelsat.data.readers.lm_eval_chat import has_markers
from modelsat.data.readers.lm_eval_options import bare_label, scalars
from modelsat.data.readers.lm_eval_question import HarnessQuestion, TaskSetting
from modelsat.data.readers.lm_eval_requests import HarnessRequests
from modelsat.data.readers.lm_eval_shots import leaves
from modelsat.data.readers.lm_eval_templates import render
from modelsat.text.rendering import option_letter

_INDEX = re.compile(r"[0-9]{1,3}")
_NUMBER = re.compile(r"[-+]?\$?[0-9][0-9,]*(?:\.[0-9]+)?")
_LONGEST_ANSWER = 200
_TELLING = 4


def target_text(value: object) -> str:
    """Return the `target` of a row as text, empty where it is neither text nor a number."""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def right_letter(
    target: str,
    question: HarnessQuestion,
    requests: HarnessRequests,
    doc: Mapping[str, object],
    setting: TaskSetting,
) -> str | None:
    """Return the letter of the right option, None where the row does not say it clearly."""
    choices = question.choices or ()
    if setting.output_type != "multiple_choice":
        found = _generated(target, question, doc, setting)
    elif len(requests.contexts) > 1:
        # Partial evaluation: the template of the question gives the index of the right option.
        found = _index(render(setting.config.get("doc_to_text"), doc) or "", len(choices))
    else:
        found = _compared(target, question, requests.continuations, doc, setting)
    return None if found is None or found >= len(choices) else option_letter(found)


def open_answer(target: str, doc: Mapping[str, object]) -> tuple[str | None, str | None]:
    """Return the right answer to an open question and its scorer, both None where the row does not say it clearly.

    Returns:
        A number without separators and `number`, or a short text and `exact`.
    """
    text = target.rpartition("####")[2].strip()
    # Some tasks join an object, which gives the names of its fields instead of the answer.
    is_names = any(isinstance(value, dict) and text == ",".join(map(str, value)) for value in doc.values())
    if is_names or _is_index_of_a_list(text, doc):
        return None, None
    if _NUMBER.fullmatch(text):
        return text.replace(",", "").replace("$", ""), "number"
    is_clear = 0 < len(text) <= _LONGEST_ANSWER and "\n" not in text and text[0] not in "[{"
    return (text, "exact") if is_clear else (None, None)


def is_unclear(question: HarnessQuestion, target: str, doc: Mapping[str, object]) -> bool:
    """Say whether a prompt that had to be cut out still holds its own answer or marks of a chat template.

    A question may hold its answer, as a passage does; then the document has it in a text that is not the answer.
    A prompt that the task's template gives is what was asked, whatever it holds.
    """
    if question.doubt and has_markers(question.prompt) and not any(has_markers(leaf) for leaf in leaves(doc)):
        return True
    if not question.doubt or question.choices or len(target) < _TELLING or target not in question.prompt:
        return False
    return not any(target in leaf and leaf != target and leaf in question.prompt for leaf in leaves(doc))


def _compared(
    target: str,
    question: HarnessQuestion,
    continuations: Sequence[str],
    doc: Mapping[str, object],
    setting: TaskSetting,
) -> int | None:
    """Read the target as the harness does: an index, unless the document's own field holds it as a text."""
    answers = [answer.strip() for answer in continuations]
    if len(answers) != len(question.choices or ()) and not question.labels:
        return None
    field = doc.get(setting.text("doc_to_target"))
    by_text = _only(answers, target)
    if by_text is None:
        by_text = _only([bare_label(answer) for answer in answers], bare_label(target))
    if isinstance(field, str) and by_text is not None:
        return by_text
    if _INDEX.fullmatch(target):
        return _index(target, len(answers))
    for known in (question.choices or (), question.labels, [option_letter(i) for i in range(len(answers))]):
        by_text = _only(known, target) if by_text is None else by_text
        by_text = _only(known, bare_label(target)) if by_text is None else by_text
    return by_text


def _generated(target: str, question: HarnessQuestion, doc: Mapping[str, object], setting: TaskSetting) -> int | None:
    choices = question.choices or ()
    by_text, by_label = _only(choices, target), _only(question.labels, bare_label(target))
    by_index = _index(target, len(choices))
    own = doc.get(setting.text("doc_to_target"))
    values = [own] if own is not None else list(doc.values())
    is_number = any(isinstance(value, int) and not isinstance(value, bool) and str(value) == target for value in values)
    is_text = any(isinstance(value, str) and value.strip() == target for value in values)
    if by_index is not None and is_number and not is_text and by_label is None:
        return by_index
    if by_text is not None and is_text and not is_number and by_label in (None, by_text):
        return by_text
    readings = {reading for reading in (by_text, by_label, by_index) if reading is not None}
    return readings.pop() if len(readings) == 1 else None


def _only(known: Sequence[str], text: str) -> int | None:
    return list(known).index(text) if text and list(known).count(text) == 1 else None


def _index(text: str, n: int) -> int | None:
    return int(text) if _INDEX.fullmatch(text) and int(text) < n else None


def _is_index_of_a_list(text: str, doc: Mapping[str, object]) -> bool:
    """Say whether a number may be the place of an option in a list that the prompt does not show."""
    if not _INDEX.fullmatch(text) or text not in scalars([value for value in doc.values() if isinstance(value, int)]):
        return False
    return any(isinstance(value, list) and 1 < len(value) > int(text) for value in doc.values())
