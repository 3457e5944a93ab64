"""Why this candidate: the aptitude questions nearest to the prompt, and how the best two did on them."""

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.bundle.bundle import Bundle
from modelsat.io.printed_table import shortened

QUESTIONS = 5
_MOST_CHARACTERS = 600
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, repr=False)
class ExplainedChoice:
    """Why a prompt goes where it goes; it prints as text.

    Attributes:
        model: The chosen candidate.
        reason: Why, in one sentence.
        candidates: As `explain` returns them, like the next two.
        questions: Likewise.
        tasks: Likewise.
    """

    model: str
    reason: str
    candidates: list[str]
    questions: list[dict[str, Any]]
    tasks: dict[str, Any]

    def __str__(self) -> str:
        """Return the reason, and the nearest aptitude questions with what the best two scored there."""
        return "\n".join([self.reason, *lines(asdict(self))])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def explain(bundle: Bundle, text: str, ranked: Sequence[dict[str, Any]], questions: int = QUESTIONS) -> dict[str, Any]:
    """Explain a ranking.

    Args:
        bundle: The router.
        text: The rendered prompt.
        ranked: Its rows as `routing.rows` gives them.
        questions: How many questions are told at the most.

    Returns:
        `candidates`, the best two; `questions`, nearest first, each with its text, task, likeness (a cosine) and what
        each of the two scored there, None where that is not known; `tasks`, by task of these questions the accuracy on
        the aptitude test of each of the two and on how many questions it rests. Without questions where the router
        compares none: a constant one reads no prompt.
    """
    best = [row["candidate"] for row in ranked if row["success_probability"] is not None][:2]
    likeness = bundle.router.likeness([text])
    near = [] if likeness is None else _nearest(likeness[0], questions)
    asked = bundle.aptitude_test.take(pa.array([place for place, _ in near], pa.int64())).to_pylist()
    told = [
        {
            "text": question["text"][:_MOST_CHARACTERS],
            "task": question["task"],
            "likeness": alike,
            "scores": {name: _score(bundle.answers, name, place) for name in best},
        }
        for (place, alike), question in zip(near, asked, strict=True)
    ]
    tasks = dict.fromkeys(question["task"] for question in told)
    accuracies = {task: _accuracies(bundle.cards, task, best) for task in tasks}
    return {"candidates": best, "questions": told, "tasks": accuracies}


def sentence(explained: dict[str, Any]) -> str:
    """Say in one sentence how the best two did on the nearest questions; empty where nothing is known of that."""
    known = [question["scores"] for question in explained["questions"] if None not in question["scores"].values()]
    if not known:
        return ""
    sums = [f"{name} {sum(scores[name] for scores in known):g}" for name in explained["candidates"]]
    return f"Of the {len(known)} nearest aptitude questions that they answered: {', '.join(sums)}."


def lines(explained: dict[str, Any]) -> list[str]:
    """Return what `explain` found as lines of text."""
    if not explained["questions"]:
        return ["This router does not compare prompts with aptitude questions."]
    told = [sentence(explained)] if sentence(explained) else []
    for question in explained["questions"]:
        told.append(f"\n  {question['likeness']:.2f}  {shortened(question['text'], _SHOWN_CHARACTERS)}")
        for name in explained["candidates"]:
            told.append(f"        {name}: {_did(question, explained['tasks'], name)}")
    return told


def _did(question: dict[str, Any], tasks: dict[str, Any], name: str) -> str:
    score = question["scores"][name]
    card = tasks[question["task"]].get(name, {"accuracy": None, "n": 0})
    here = "not asked" if score is None else f"scored {score:g}"
    if card["accuracy"] is None:
        return here
    return f"{here}; {100 * card['accuracy']:.0f} % of {card['n']} on {question['task']}"


def _nearest(likeness: np.ndarray, most: int) -> list[tuple[int, float]]:
    """Return (place, likeness) of the nearest questions that the router holds."""
    order = np.argsort(-likeness, kind="stable")[:most]
    return [(int(place), float(likeness[place])) for place in order if likeness[place] > -1]


def _score(answers: pa.Table, candidate: str, question: int) -> float | None:
    rows = answers.filter(pc.and_(pc.equal(answers["candidate"], candidate), pc.equal(answers["position"], question)))
    return float(rows["score"][0].as_py()) if rows.num_rows else None


def _accuracies(cards: pa.Table, task: str, candidates: Sequence[str]) -> dict[str, dict[str, float | int | None]]:
    rows = cards.filter(pc.and_(pc.equal(cards["task"], task), pc.is_in(cards["candidate"], pa.array(candidates))))
    return {row["candidate"]: {"accuracy": row["accuracy"], "n": row["n"]} for row in rows.to_pylist()}
