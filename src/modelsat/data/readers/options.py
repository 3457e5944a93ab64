"""The options of a question, from the ways in which tables write them.

Lists of texts are options as they stand. Data sets of the Hub also use `{"text": [...], "label": [...]}`, a list of
`{"label": ..., "text": ...}`, and `{"A": ..., "B": ...}`; in CSV all of these appear as JSON or as Python literals.
"""

import ast
import io
import json
import math
import re
import tokenize
from collections.abc import Sequence

from modelsat.text.rendering import option_letter

_TEXTS = ("text", "texts", "choices", "options", "option", "content", "value", "choice", "answer")
_LABELS = ("label", "labels", "key", "keys", "letter", "id")
# NumPy prints an array within a list so; pandas writes it into CSV.
_ARRAY = re.compile(r"\barray\((\[.*?\])\s*(?:,\s*dtype=\w+)?\)", re.DOTALL)
_ELLIPSIS = re.compile(r"[,\[]\s*\.\.\.\s*[,\]]")


def options_of(cell: object) -> list[str] | None:
    """Return the options in order, None for an open question.

    Raises:
        ValueError: The cell holds something else.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, str):
        if not cell.strip():
            return None
        cell = _parsed(cell)
        if cell is None:
            return None
    if isinstance(cell, list | tuple) and cell and all(isinstance(one, tuple) and len(one) == 2 for one in cell):
        cell = dict(cell)  # a map of Parquet
    if isinstance(cell, dict):
        return _of_mapping(cell)
    if isinstance(cell, list | tuple):
        return _of_mappings(cell) if cell and all(isinstance(one, dict) for one in cell) else _texts(cell)
    raise ValueError("it is no list of options")


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    literal = _ARRAY.sub(r"\1", text)
    try:
        neighbours = _ELLIPSIS.search(literal) or _has_neighbours(literal)
        value = None if neighbours else ast.literal_eval(literal.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError) as error:
        raise ValueError("it is neither JSON nor a Python literal") from error
    if neighbours:
        raise ValueError("options or the commas between them are missing")
    if not isinstance(value, list | tuple | dict):
        raise ValueError("it is no list of options")
    return value


def _has_neighbours(literal: str) -> bool:
    """Say whether two texts stand side by side: NumPy prints no commas, and Python would join the texts."""
    previous = None
    for token in tokenize.generate_tokens(io.StringIO(literal).readline):
        if token.type in (tokenize.NL, tokenize.NEWLINE):
            continue
        if token.type == tokenize.STRING and previous == tokenize.STRING:
            return True
        previous = token.type
    return False


def _of_mapping(mapping: dict[object, object]) -> list[str]:
    texts = next((mapping[name] for name in _TEXTS if isinstance(mapping.get(name), list | tuple)), None)
    if texts is not None:
        labels = next((mapping[name] for name in _LABELS if isinstance(mapping.get(name), list | tuple)), None)
        return _in_order(_texts(texts), labels)  # type: ignore[arg-type]
    # A struct of Parquet has every label that any question has, null where this one has fewer options.
    told = {str(label): text for label, text in mapping.items() if text is not None}
    if not told or _rank(list(told)) is None:
        raise ValueError("its keys are neither text and label nor the options' letters")
    return _in_order(_texts(list(told.values())), list(told))


def _of_mappings(rows: Sequence[dict[object, object]]) -> list[str]:
    name = next((name for name in _TEXTS if all(name in row for row in rows)), None)
    if name is None:
        raise ValueError("its entries have no text")
    label = next((label for label in _LABELS if all(label in row for row in rows)), None)
    return _in_order(_texts([row[name] for row in rows]), None if label is None else [row[label] for row in rows])


def _in_order(texts: list[str], labels: Sequence[object] | None) -> list[str]:
    """Put options into the order of their letters or numbers, by which an answer names them."""
    if labels is None:
        return texts
    if len(labels) != len(texts):
        raise ValueError(f"it has {len(texts)} options and {len(labels)} labels")
    # Truth values, as in TruthfulQA, say which options are right.
    rank = None if set(labels) <= {0, 1} else _rank([str(label) for label in labels])
    return texts if rank is None else [texts[i] for i in sorted(range(len(texts)), key=rank.__getitem__)]


def _rank(labels: list[str]) -> list[int] | None:
    n = len(labels)
    stripped = [label.strip().strip("().:").upper() for label in labels]
    for start in (
        [option_letter(i) for i in range(n)],
        [str(i + 1) for i in range(n)],
        [str(i) for i in range(n)],
    ):
        if sorted(stripped) == sorted(start):
            return [start.index(label) for label in stripped]
    return None


def _texts(values: Sequence[object]) -> list[str]:
    out = []
    for value in values:
        if isinstance(value, str | bool) or (isinstance(value, int | float) and math.isfinite(value)):
            out.append(str(value))
        else:
            raise ValueError("an option is no text")
    return out
