"""Why a candidate was chosen: the nearest aptitude questions and what the best two scored there."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from modelsat.aptitude import frozen_test
from modelsat.bundle import explanation, ranking
from modelsat.bundle.bundle import Bundle
from modelsat.routers.constant import Constant
from modelsat.routers.selection import Selection

QUESTIONS = ("1 + 1?", "2 + 2?", "Spell cat.")


class Compares(Constant):
    """A constant router to which the prompt resembles the second question most and never saw the third."""

    def likeness(self, texts: Sequence[str]) -> np.ndarray:
        return np.asarray([[0.2, 0.9, -1.0]] * len(texts))


@pytest.fixture
def comparing(make_bundle: Callable[..., Bundle]) -> Bundle:
    """`ada` solved the first sum, `bob` both; `cid` comes third and does not matter."""
    question = {"version": "v", "category": "c", "keywords": [], "prompt_id": "p", "stem_digest": "d"}
    made = make_bundle(
        {"ada": 0.9, "bob": 0.8, "cid": 0.1},
        aptitude_test=[
            question | {"position": i, "text": text, "task": "words" if i == 2 else "sums"}
            for i, text in enumerate(QUESTIONS)
        ],
        cards=[
            {"candidate": "ada", "test_version": "v", "task": "sums", "accuracy": 0.5, "n": 2, "shrunken_accuracy": 0.5}
        ],
        answers=frozen_test.answers(np.asarray([[1, 1, 0], [0, 1, 0], [1, np.nan, 0]]), ["ada", "bob", "cid"]),
    )
    return replace(made, router=Compares(made.names, made.router.probabilities))


def explained(bundle: Bundle, questions: int = 5) -> dict:
    return explanation.explain(bundle, "3 + 3?", ranking.rows(ranking.route(bundle, ["3 + 3?"])), questions)


def test_nearest_questions_come_first_with_what_the_best_two_scored(comparing: Bundle) -> None:
    told = explained(comparing)

    assert told["candidates"] == ["ada", "bob"]
    assert [(one["text"], one["task"], one["likeness"], one["scores"]) for one in told["questions"]] == [
        ("2 + 2?", "sums", 0.9, {"ada": 0.0, "bob": 1.0}),
        ("1 + 1?", "sums", 0.2, {"ada": 1.0, "bob": 1.0}),
    ]
    assert told["tasks"] == {"sums": {"ada": {"accuracy": 0.5, "n": 2}}}
    assert explanation.sentence(told) == "Of the 2 nearest aptitude questions that they answered: ada 1, bob 2."


def test_as_many_questions_as_are_asked_for(comparing: Bundle) -> None:
    assert [one["text"] for one in explained(comparing, 1)["questions"]] == ["2 + 2?"]


def test_score_that_is_not_known_is_none_and_not_zero(comparing: Bundle) -> None:
    without = replace(comparing, answers=comparing.answers.slice(0, 0))

    assert [one["scores"] for one in explained(without)["questions"]] == [{"ada": None, "bob": None}] * 2
    assert explanation.sentence(explained(without)) == ""


def test_excluded_candidate_is_not_among_the_best_two(comparing: Bundle) -> None:
    rows = ranking.rows(ranking.route(comparing, ["x"], ranking.Preferences(("bob", "cid"))))

    assert explanation.explain(comparing, "x", rows)["candidates"] == ["bob", "cid"]


def test_router_that_reads_no_prompt_explains_nothing(comparing: Bundle) -> None:
    told = explained(replace(comparing, router=Constant(comparing.names, np.asarray([0.9, 0.8, 0.1]))))

    assert (told["questions"], told["tasks"]) == ([], {})


def test_selection_compares_as_the_router_behind_it(comparing: Bundle) -> None:
    selected = replace(comparing, router=Selection.of(comparing.router, [0, 1, 2]))

    assert explained(selected)["questions"] == explained(comparing)["questions"]
