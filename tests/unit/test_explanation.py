"""Why a candidate was chosen: the nearest aptitude questions and what the best two scored there."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from modelsat.aptitude import frozen_test
from modelsat.bundle import explanation, ranking
from modelsat.bundle.bundle import Bundle
from modelsat.routers.constant import Constant
from modelsat.routers.router import Member
from modelsat.routers.selection import Selection

QUESTIONS = ("1 + 1?", "2 + 2?", "Spell cat.")


class Compares(Constant):
    """A constant router to which the prompt resembles the second question most and never saw the third."""

    def likeness(self, texts: Sequence[str]) -> np.ndarray:
        return np.asarray([[0.2, 0.9, -1.0]] * len(texts))


class Mixes(Compares):
    """Two members, the second of which is not asked about the first candidate."""

    def members(self, texts: Sequence[str]) -> list[Member]:
        said = {"fusion": (0.75, [0.9, 0.7, 0.1]), "Model-SAT": (0.25, [np.nan, 0.95, 0.2])}
        return [Member(name, weight, np.asarray([row] * len(texts))) for name, (weight, row) in said.items()]


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


def test_questions_are_weighted_by_the_routers_kernel(comparing: Bundle) -> None:
    """By default the kernel is the similarity: 0.9 and 0.2 of 1.1 in all."""
    told = explained(comparing)

    assert [one["weight"] for one in told["questions"]] == pytest.approx([0.9 / 1.1, 0.2 / 1.1])
    assert told["weighted"] == pytest.approx({"ada": 0.2 / 1.1, "bob": 1.0})
    assert "2 nearest aptitude questions, weighted by similarity: ada 0.182, bob 1.000" in explanation.lines(told)


def test_router_without_parts_is_its_only_member(comparing: Bundle) -> None:
    told = explained(comparing)

    assert told["members"] == [
        {"name": "constant", "weight": 1.0, "scores": pytest.approx({"ada": 0.9, "bob": 0.8}, abs=1e-6)}
    ]


def test_members_are_named_with_weight_and_what_each_says_of_the_best_two(comparing: Bundle) -> None:
    told = explained(replace(comparing, router=Mixes(comparing.names, comparing.router.probabilities)))

    assert "fusion (weight 75 %): ada 0.900, bob 0.700" in explanation.lines(told)
    assert "Model-SAT (weight 25 %): ada not asked, bob 0.950" in explanation.lines(told)


FACTS = {
    "candidates": ["ada", "bob"],
    "levels": {"ada": 0.8, "bob": 0.6},
    "weighted": {"ada": 0.4, "bob": 0.8},
    "members": [
        {"name": "fusion", "weight": 0.75, "scores": {"ada": 0.7, "bob": 0.6}},
        {"name": "Model-SAT", "weight": 0.25, "scores": {"ada": 0.5, "bob": 0.6}},
    ],
}


@pytest.mark.parametrize(
    ("changes", "lead", "sentence"),
    [
        ({"weighted": {"ada": 0.9, "bob": 0.8}}, 0.1, "The nearest questions favour ada."),
        ({}, 0.1, "The nearest questions favour bob; the overall level of ada outweighs it."),
        ({}, 0.3, "The nearest questions favour bob; fusion places ada ahead, from all training prompts together."),
        (
            {"levels": {"ada": 0.8, "bob": None}},
            0.1,
            "The nearest questions favour bob; fusion places ada ahead, from all training prompts together.",
        ),
        (
            {"weighted": {"ada": 0.8, "bob": 0.8}},
            0.1,
            "The nearest questions favour neither; the overall level of ada decides.",
        ),
        (
            {},
            -0.2,
            "The nearest questions favour bob; bob is the likelier to succeed, and cost, a budget or too few answers "
            "decide for ada.",
        ),
        ({"weighted": {"ada": None, "bob": None}}, 0.1, ""),
        ({"candidates": ["ada"], "weighted": {"ada": 1.0}}, 0.0, ""),
    ],
)
def test_contradiction_is_said_with_what_outweighs_it(changes: dict, lead: float, sentence: str) -> None:
    assert explanation.conclusion(FACTS | changes, lead) == sentence


def test_choice_against_the_questions_is_explained_by_the_level(comparing: Bundle) -> None:
    told = explained(replace(comparing, lineage=comparing.lineage | {"mean_score": {"ada": 0.9, "bob": 0.8}}))

    assert told["conclusion"] == "The nearest questions favour bob; the overall level of ada outweighs it."
    assert told["conclusion"] in explanation.lines(told)
    assert "overall level in training: ada 0.900, bob 0.800" in explanation.lines(told)


def test_foreign_prompt_is_called_so(comparing: Bundle) -> None:
    rows = ranking.rows(ranking.route(comparing, ["x"]))
    lines = [explanation.lines(explanation.explain(comparing, "x", rows, foreign=foreign)) for foreign in (0.49, 0.72)]

    sentence = "This prompt is unlike the training prompts (foreign 0.72), so the probabilities are less certain."
    assert lines[1] == [sentence, *lines[0]]


def test_as_many_questions_as_are_asked_for(comparing: Bundle) -> None:
    assert [one["text"] for one in explained(comparing, 1)["questions"]] == ["2 + 2?"]


def test_score_that_is_not_known_is_none_and_not_zero(comparing: Bundle) -> None:
    without = replace(comparing, answers=comparing.answers.slice(0, 0))

    assert [one["scores"] for one in explained(without)["questions"]] == [{"ada": None, "bob": None}] * 2
    assert explained(without)["weighted"] == {"ada": None, "bob": None}
    assert explained(without)["conclusion"] == ""


def test_excluded_candidate_is_not_among_the_best_two(comparing: Bundle) -> None:
    rows = ranking.rows(ranking.route(comparing, ["x"], ranking.Preferences(("bob", "cid"))))

    assert explanation.explain(comparing, "x", rows)["candidates"] == ["bob", "cid"]


def test_router_that_reads_no_prompt_explains_nothing(comparing: Bundle) -> None:
    told = explained(replace(comparing, router=Constant(comparing.names, np.asarray([0.9, 0.8, 0.1]))))

    assert (told["questions"], told["tasks"]) == ([], {})


def test_selection_compares_as_the_router_behind_it(comparing: Bundle) -> None:
    selected = replace(comparing, router=Selection.of(comparing.router, [0, 1, 2]))

    assert explained(selected)["questions"] == explained(comparing)["questions"]


def test_members_of_a_selection_say_what_they_say_of_the_same_candidates(comparing: Bundle) -> None:
    mixes = Mixes(comparing.names, comparing.router.probabilities)

    members = Selection.of(mixes, [1, 2]).members(["x"])

    assert [(one.name, one.success_probability.tolist()) for one in members] == [
        ("fusion", [[0.7, 0.1]]),
        ("Model-SAT", [[0.95, 0.2]]),
    ]
