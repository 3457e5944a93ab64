"""Reads the answer out of a reply, and compares it with the gold answer.

The answer is what follows the last "Answer:", as the question asks for; without one, a reply of a single line is the
answer. Anything else cannot be read. Such a reply scores 0 and is flagged, it is not missing: a candidate that cannot
say what it means would not have helped a user either, and one that was cut off or went astray on the hard questions
must not look better for it. What is counted apart from that are questions which the endpoint never answered.
"""

import re
from decimal import Decimal, InvalidOperation

from modelsat.errors import InputError
from modelsat.text.rendering import option_letter

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_MARKED = re.compile(r"answer\s*(?:is)?\s*[:=]\s*(.*)", re.IGNORECASE)
_LETTER = re.compile(r"\W*([A-Z]{1,2})(?![A-Za-z0-9]).*", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"[-+\u2212]?[$\u20ac\u00a3]?\s*\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
_LONGEST_MATCHED, _MATCHING_SECONDS = 1000, 1.0
_DECORATION = " \t*_`\"'$"


def read(reply: str, scorer: str, options: int = 0) -> str | None:
    """Return the answer that a reply gives, None where it cannot be read.

    Args:
        reply: What the candidate wrote; thoughts in `<think>` tags are left out.
        scorer: `letter`, `number`, `exact` or `regex`.
        options: How many options the question has.
    """
    said = _stated(without_thoughts(reply))
    if said is None:
        return None
    if scorer == "letter":
        found = _LETTER.fullmatch(said)
        letters = {option_letter(i) for i in range(options)}
        return found[1].upper() if found and found[1].upper() in letters else None
    if scorer == "number":
        numbers = _NUMBER.findall(said)
        return _plain(numbers[-1]) if numbers else None
    return (said if scorer == "regex" else _normal(said)) or None


def without_thoughts(reply: str) -> str:
    """Return a reply without what stands in `<think>` tags."""
    return _THOUGHTS.sub("", reply)


def score(answer: str | None, gold: str, scorer: str) -> float:
    """Return 1.0 where the answer is right, 0.0 where it is wrong or could not be read.

    Raises:
        InputError: `gold` is a pattern that takes too long to match.
    """
    if answer is None:
        return 0.0
    if scorer == "number":
        given, right = _number(answer), _number(_plain(gold))
        return float(given is not None and given == right)
    if scorer == "letter":
        return float(answer == gold.strip().upper())
    if scorer == "regex":
        return float(_matches(gold, answer[:_LONGEST_MATCHED]))
    return float(answer == _normal(gold))


def _matches(pattern: str, answer: str) -> bool:
    # Unlike the standard library's, this one can be stopped: some patterns take longer than a life.
    import regex

    try:
        return regex.fullmatch(pattern, answer, regex.IGNORECASE, timeout=_MATCHING_SECONDS) is not None
    except TimeoutError:
        raise InputError(
            f"matching an answer with {pattern!r} takes more than {_MATCHING_SECONDS:g} s; write a simpler pattern, "
            "one without a repetition inside a repetition"
        ) from None


def _stated(reply: str) -> str | None:
    marked = [found.strip(_DECORATION) for found in _MARKED.findall(reply)]
    if marked and marked[-1]:
        return marked[-1]
    lines = [line.strip() for line in reply.strip().splitlines() if line.strip()]
    return lines[0].strip(_DECORATION) or None if len(lines) == 1 else None


def _plain(number: str) -> str:
    return re.sub(r"[,$\u20ac\u00a3\s]", "", number).replace("\u2212", "-")


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _normal(text: str) -> str:
    """Reduce a short answer to what counts: case, spaces, quotes and a full stop at its end do not."""
    return " ".join(text.strip(_DECORATION).removesuffix(".").strip(_DECORATION).casefold().split())
