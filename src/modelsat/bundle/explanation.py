"""Why this candidate: what each part of the router says, the levels, and the aptitude questions nearest to the prompt.

The questions are weighted as the router weighs them. Where they speak against the choice, that is said, and what
outweighs them.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.bundle import ranking
from modelsat.bundle.bundle import Bundle
from modelsat.io.printed_table import shortened
from modelsat.routers.router import FOREIGN

QUESTIONS = 5
_MOST_CHARACTERS = 600
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, repr=False)
class ExplainedChoice:
    """Why a prompt goes to the model it goes to; it prints as text.

    Attributes:
        model: The chosen candidate.
        reason: Why it was chosen, in one sentence.
        candidates: The best two candidates, the chosen one first.
        levels: Their mean scores in training, in [0, 1]; None where unknown.
        members: Parts of the router, each with `name`, `weight`, and `scores`, the success probability that it gives
            each of the two.
        foreign: How far the prompt is from the training prompts, in [0, 1].
        questions: The nearest aptitude questions: `text`, `task`, `likeness` (cosine similarity), `weight`, and the
            `scores` of the two, None where one was not asked.
        weighted: Their weighted mean scores on questions that both answered; None without such.
        conclusion: Whether these questions support the choice, and what outweighs them if not.
        tasks: Accuracy of the two on the tasks of these questions, and on how many questions it rests.
        promise: What the default promises; None for a router that promises nothing.
    """

    model: str
    reason: str
    candidates: list[str]
    levels: dict[str, float | None]
    members: list[dict[str, Any]]
    foreign: float
    questions: list[dict[str, Any]]
    weighted: dict[str, float | None]
    conclusion: str
    tasks: dict[str, Any]
    promise: dict[str, Any] | None = None

    def __str__(self) -> str:
        """Return the reason, the members, and the nearest aptitude questions with what the best two scored there."""
        return "\n".join([self.reason, *lines(asdict(self))])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def explain(
    bundle: Bundle, text: str, ranked: Sequence[dict[str, Any]], questions: int = QUESTIONS, foreign: float = 0.0
) -> dict[str, Any]:
    """Explain a ranking.

    Args:
        bundle: The router.
        text: The rendered prompt.
        ranked: Its rows as `ranking.rows` gives them.
        questions: How many questions are shown at most.
        foreign: How foreign the prompt is, as the ranking says.

    Returns:
        - `candidates`: the best two, the chosen one first.
        - `levels`: the training mean of each, None where it is unknown.
        - `members`: the router's parts, each with its `name`, its `weight`, and `scores`, the success probability that
          it gives each of the two, calibrated like the router's; None for a candidate that it was not asked about.
        - `foreign`: as given.
        - `questions`: the aptitude questions, nearest first, each with its `text`, `task`, `likeness` (a cosine),
          `weight` among the questions shown, and what each of the two `scores` there, None where that is unknown.
          Empty where the router compares none: a constant one reads no prompt.
        - `weighted`: the weighted mean score of each on the questions that both answered; None without such.
        - `conclusion`: whether the questions support the choice, and what outweighs them where they do not.
        - `tasks`: by task of these questions the accuracy of each on the aptitude test, and on how many questions it
          rests.
        - `promise`: what the router's default promises, where it promises something (`policy.promise`).
    """
    rows = [row for row in ranked if row["success_probability"] is not None][:2]
    best = [row["candidate"] for row in rows]
    columns = [bundle.names.index(name) for name in best]
    likeness = bundle.router.likeness([text])
    near = [] if likeness is None else _nearest(likeness[0], questions)
    asked = bundle.aptitude_test.take(pa.array([place for place, _ in near], pa.int64())).to_pylist()
    weights = _shares(bundle.router.kernel(np.asarray([alike for _, alike in near])))
    shown = [
        {
            "text": question["text"][:_MOST_CHARACTERS],
            "task": question["task"],
            "likeness": alike,
            "weight": float(weight),
            "scores": {name: _score(bundle.answers, name, place) for name in best},
        }
        for (place, alike), weight, question in zip(near, weights, asked, strict=True)
    ]
    level = bundle.lineage.get("mean_score", {})
    members = bundle.router.members([text])
    said = [(member, bundle.calibration(member.success_probability[0, columns])) for member in members]
    facts = {
        "candidates": best,
        "levels": {name: None if level.get(name) is None else float(level[name]) for name in best},
        "members": [
            {
                "name": member.name,
                "weight": float(member.weight),
                "scores": dict(zip(best, map(_plain, scores), strict=True)),
            }
            for member, scores in said
        ],
        "foreign": float(foreign),
        "questions": shown,
        "weighted": _weighted(shown, best),
    }
    lead = rows[0]["success_probability"] - rows[1]["success_probability"] if len(rows) == 2 else 0.0
    tasks = dict.fromkeys(question["task"] for question in shown)
    accuracies = {task: _accuracies(bundle.cards, task, best) for task in tasks}
    promised = {"promise": bundle.promise.as_json()} if bundle.promise else {}
    return facts | {"conclusion": conclusion(facts, lead), "tasks": accuracies} | promised


def conclusion(facts: Mapping[str, Any], lead: float) -> str:
    """Say whether the nearest questions support the choice, and what outweighs them where they do not.

    Args:
        facts: What `explain` returns, without tasks.
        lead: Success probability of the chosen candidate less that of the next best.

    Returns:
        One sentence; empty without two candidates or without questions that both answered.
    """
    if len(facts["candidates"]) < 2 or None in facts["weighted"].values():
        return ""
    first, second = facts["candidates"]
    nearer = round(facts["weighted"][first] - facts["weighted"][second], 6)
    if nearer > 0:
        return f"The nearest questions favour {first}."
    found = f"The nearest questions favour {second}" if nearer < 0 else "The nearest questions favour neither"
    if lead < 0:
        return (
            f"{found}; {second} is the likelier to succeed, and cost, a budget or too few answers decide for {first}."
        )
    levels = facts["levels"]
    if None not in levels.values() and levels[first] > levels[second] and levels[first] - levels[second] >= lead:
        return f"{found}; the overall level of {first} {'outweighs it' if nearer < 0 else 'decides'}."
    ahead = [one["name"] for one in facts["members"] if (_lead(one["scores"], first, second) or 0.0) > 0]
    places = f"{' and '.join(ahead)} place" if len(ahead) > 1 else f"{''.join(ahead) or 'the router'} places"
    return f"{found}; {places} {first} ahead, from all training prompts together."


def lines(explained: Mapping[str, Any]) -> list[str]:
    """Return what `explain` found as lines of text."""
    found = []
    names = explained["candidates"]
    found += [ranking.unfamiliar(explained["foreign"])] if explained["foreign"] >= FOREIGN else []
    for member in explained["members"]:
        weight = f" (weight {100 * member['weight']:.0f} %)" if len(explained["members"]) > 1 else ""
        found.append(f"{member['name']}{weight}: {_pair(member['scores'], names, 'not asked')}")
    if any(level is not None for level in explained["levels"].values()):
        found.append(f"overall level in training: {_pair(explained['levels'], names, 'unknown')}")
    if not explained["questions"]:
        return [*found, "This router does not compare prompts with aptitude questions."]
    if None not in explained["weighted"].values():
        known = sum(None not in question["scores"].values() for question in explained["questions"])
        mean = _pair(explained["weighted"], names, "")
        found.append(f"{known} nearest aptitude questions, weighted by similarity: {mean}")
    found += [explained["conclusion"]] if explained["conclusion"] else []
    found += [explained["promise"]["sentence"]] if explained.get("promise") else []
    for question in explained["questions"]:
        shown = shortened(question["text"], _SHOWN_CHARACTERS)
        found.append(f"\n  similarity {question['likeness']:.2f}, weight {100 * question['weight']:.0f} %  {shown}")
        found += [f"        {name}: {_did(question, explained['tasks'], name)}" for name in names]
    return found


def _pair(values: Mapping[str, float | None], names: Sequence[str], missing: str) -> str:
    shown = (f"{name} {missing if values[name] is None else f'{values[name]:.3f}'}" for name in names)
    return ", ".join(shown)


def _lead(scores: Mapping[str, float | None], first: str, second: str) -> float | None:
    one, other = scores[first], scores[second]
    return None if one is None or other is None else one - other


def _plain(value: float) -> float | None:
    return None if value != value else float(value)


def _shares(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum() if weights.sum() > 0 else np.full(len(weights), 1 / max(len(weights), 1))


def _weighted(shown: Sequence[dict[str, Any]], best: Sequence[str]) -> dict[str, float | None]:
    known = [question for question in shown if None not in question["scores"].values()]
    total = sum(question["weight"] for question in known)
    return {
        name: sum(question["weight"] * question["scores"][name] for question in known) / total if total else None
        for name in best
    }


def _did(question: Mapping[str, Any], tasks: Mapping[str, Any], name: str) -> str:
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
