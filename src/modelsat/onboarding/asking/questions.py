"""Which questions of an aptitude test can be put to an endpoint, and in which words."""

from collections.abc import Mapping
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from modelsat.errors import InputError
from modelsat.text.rendering import render_prompt

WORDING = 1
"""Version of what stands around a question: answers to other words are not mixed with these."""

_FORM = {
    "letter": "the letter of the right option",
    "number": "the number",
    "exact": "the answer and nothing else",
    "regex": "the answer and nothing else",
}
SCORERS = frozenset(_FORM)
JUDGE = "judge"
"""Scorer of questions whose answers another model compares with a reference."""


class Test(Protocol):
    """Questions to put: a bundle's aptitude test, or questions of one's own."""

    @property
    def aptitude_test(self) -> pa.Table:
        """Return a table of the contract `APTITUDE_TEST`."""

    @property
    def attribution(self) -> str:
        """Return the licence lines of the questions, Markdown."""


def askable(aptitude_test: pa.Table, first: int | None = None, is_judged: bool = False) -> pa.Table:
    """Return the questions that have a gold answer and a scorer, in the frozen order.

    Args:
        aptitude_test: Table of the contract `APTITUDE_TEST`.
        first: Only the first so many of them; None takes all.
        is_judged: Whether a judge is there for the questions that need one.

    Raises:
        InputError: There is none.
    """
    known = sorted(SCORERS | ({JUDGE} if is_judged else set()))
    scored = pc.is_in(aptitude_test["scorer"], value_set=pa.array(known))
    kept = aptitude_test.filter(pc.and_(scored, pc.is_valid(aptitude_test["answer"])))
    if not kept.num_rows:
        raise InputError(
            f"none of the {aptitude_test.num_rows} questions of the bundle's aptitude test has a gold answer and a "
            "scorer (letter, number, exact, regex), so no endpoint can be asked; collect the candidate's results "
            "instead, or retrain on results whose prompts have the columns answer and scorer"
        )
    return kept.sort_by("position").slice(0, first)


def wording(question: Mapping[str, Any]) -> str:
    """Return what a candidate is sent: the question as a router reads it, and where to put the answer."""
    if question["scorer"] == JUDGE:
        return str(question["text"])
    return (
        f"{question['text']}\n\nEnd your reply with a line of its own that says\nAnswer: <{_FORM[question['scorer']]}>"
    )


def prompt(question: Mapping[str, Any]) -> str:
    """Return the bare question without the lettered options that its text ends with."""
    return str(question["text"]).removesuffix(render_prompt("", question["choices"]))


def task(question: Mapping[str, Any]) -> str:
    """Return the task within the question's benchmark, as its source called it."""
    benchmark, category = str(question["benchmark"]), str(question["category"])
    return category.removeprefix(f"{benchmark}/")
