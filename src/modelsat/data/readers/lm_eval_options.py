"""Options that a prompt lists under labels, such as `A. 4` and `B. 7`, told apart from the question before them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from modelsat.text.rendering import option_letter

_MOST = 26
_OPEN, _CLOSE = r"[(\[\uff08]?", r"[)\].:\uff09\uff0e\uff1a\u3001]+"
_LONGEST_LABEL = 4


@dataclass(frozen=True)
class OptionList:
    """A prompt with options: what stands before them, their labels, their texts, and what stands after them."""

    before: str
    labels: tuple[str, ...]
    options: tuple[str, ...]
    after: str


def are_labels(texts: Sequence[str]) -> bool:
    """Say whether answers are labels such as A, (B) or 3 rather than options: short, different, without words."""
    bare = [bare_label(text) for text in texts]
    is_series = any(bare == series[: len(bare)] for series in _SERIES)
    is_short = all(0 < len(text) <= 1 and not text.isdigit() for text in bare)
    return len(texts) > 1 and len(set(bare)) == len(bare) and (is_series or is_short)


def bare_label(text: str) -> str:
    """Return a label without brackets and stops."""
    return text.strip(" \t\n()[].:\uff08\uff09\uff0e\uff1a\u3001")


def listed_under(prompt: str, labels: Sequence[str], doc: object) -> OptionList | None:
    """Return the options that a prompt lists under the given labels, None where it does not list them all in order."""
    bare = [re.escape(bare_label(label)) for label in labels]
    for before_label in (rf"(?:^|{re.escape(_line_end(prompt))})[ \t]*", r"(?:^|(?<=\s))"):
        marks = [re.compile(rf"{before_label}{_OPEN}{label}(?:{_CLOSE}|[ \t]+-(?=[ \t]))[ \t]*") for label in bare]
        for first in reversed(list(marks[0].finditer(prompt))):
            spans = [first.span()]
            for mark in marks[1:]:
                found = mark.search(prompt, spans[-1][1])
                if found is None:
                    break
                spans.append(found.span())
            if len(spans) == len(bare):
                return _split(prompt, spans, labels, doc)
    return None


def listed(prompt: str, doc: object, target: str) -> OptionList | None:
    """Return the options that a prompt lists under letters or numbers and that its document knows.

    A list in a text need not be a list of options: they count where each is a value of the document of its own, or
    where the right answer is one of the labels.
    """
    values = {_plain(value) for value in scalars(doc)}
    for series in _SERIES:
        for n in range(_most(prompt, series), 1, -1):
            found = listed_under(prompt, series[:n], doc)
            if found is None or not all(found.options):
                continue
            is_known = all(_plain(option) in values for option in found.options)
            is_labelled = bare_label(target) in series[:n] and len(target.strip()) <= _LONGEST_LABEL
            if is_known or (is_labelled and not bare_label(target).isdigit()):
                return found
    return None


def listed_again(prompt: str, options: Sequence[str], doc: object) -> OptionList | None:
    """Return the options of a prompt that lists exactly the given ones, under letters or numbers."""
    found = (listed_under(prompt, series[: len(options)], doc) for series in _SERIES if len(options) > 1)
    return next((listing for listing in found if listing and list(listing.options) == list(options)), None)


def scalars(doc: object) -> list[str]:
    """Return every text and number of a document, whatever its length."""
    out, waiting = [], [doc]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
        elif isinstance(node, str | int | float) and not isinstance(node, bool):
            out.append(str(node).strip())
    return out


def _split(prompt: str, spans: Sequence[tuple[int, int]], labels: Sequence[str], doc: object) -> OptionList:
    ends = [start for start, _ in spans[1:]]
    options = [prompt[begin:end].strip() for (_, begin), end in zip(spans, ends, strict=False)]
    rest = prompt[spans[-1][1] :]
    # The last option ends with its line, unless the document knows it to be longer.
    whole = [value for value in scalars(doc) if "\n" in value and rest.startswith(value)]
    last = max(whole, key=len, default=rest.partition(_line_end(prompt))[0])
    bare = tuple(bare_label(label) for label in labels)
    return OptionList(prompt[: spans[0][0]].rstrip(), bare, (*options, last.strip()), rest[len(last) :].strip())


def _line_end(prompt: str) -> str:
    """Return what ends a line: some of the harness's own templates hold a backslash and an n instead."""
    return "\n" if "\n" in prompt.strip() else "\\n"


def _most(prompt: str, series: Sequence[str]) -> int:
    """Return how many labels of a series a prompt holds at most, so that only likely lists are searched for."""
    n = next((i for i, label in enumerate(series) if label not in prompt), len(series))
    return min(n, _MOST)


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".,;").casefold()


_LETTERS = [option_letter(i) for i in range(_MOST)]
_SERIES = (
    _LETTERS,
    [letter.lower() for letter in _LETTERS],
    [str(i) for i in range(1, _MOST + 1)],
    [str(i) for i in range(_MOST)],
)
