"""A bundle that 0.1.0 wrote loads and answers as it did then (tests/data/bundle_0_1_0)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelsat.bundle import bundle, explanation, ranking
from modelsat.bundle.bundle import Bundle
from modelsat.policy import preferences

FOLDER = Path(__file__).parents[1] / "data" / "bundle_0_1_0"


@pytest.fixture(scope="module")
def old() -> Bundle:
    return bundle.read(FOLDER / "bundle")


@pytest.fixture(scope="module")
def answers() -> Any:
    return json.loads((FOLDER / "answers.json").read_text(encoding="utf-8"))


def test_kind_within_a_kind_is_read(old: Bundle, answers: Any) -> None:
    assert old.router.kind == "selection"
    assert old.names == ("adder", "speller", "allround")
    assert old.digest == answers["digest"]


@pytest.mark.parametrize("asked", ["plain", "cost_weight", "cheapest"])
def test_rankings_are_those_of_0_1_0(old: Bundle, answers: Any, asked: str) -> None:
    then = answers["rankings"][asked]

    now = ranking.route(old, answers["prompts"], preferences.read(then["fields"]))

    assert now.model == then["model"]
    assert now.candidates.tolist() == then["candidates"]
    np.testing.assert_allclose(now.success_probability, then["success_probability"], atol=1e-4)
    np.testing.assert_allclose(now.expected_cost_usd, np.array(then["expected_cost_usd"], dtype=float), rtol=1e-4)
    assert now.truncated.tolist() == then["truncated"]


def test_foreign_has_todays_meaning_although_choices_are_those_of_0_1_0(old: Bundle, answers: Any) -> None:
    """0.1.0 stored no scale: it is calibrated from the landmarks, so one number means the same for every bundle."""
    now = ranking.route(old, answers["prompts"])

    assert answers["prompts"][2] == "Name a river."
    assert now.foreign[:2].tolist() == [0.0, 0.0]
    assert 0.5 < now.foreign[2] < 1.0


def test_explanation_names_its_candidates_and_shows_questions_of_the_same_kind(old: Bundle, answers: Any) -> None:
    prompt = answers["prompts"][0]

    now = explanation.explain(old, prompt, ranking.rows(ranking.route(old, [prompt])))

    assert now["candidates"] == answers["explained"]["candidates"]
    # Similarity is that of the surface, in all layers, and no longer that of the last one: the order may differ.
    texts = {question["text"] for question in now["questions"]}
    assert len(texts & set(answers["explained"]["questions"])) >= 4
    assert [member["name"] for member in now["members"]] == ["fusion"]
    assert now["levels"].keys() == now["weighted"].keys() == set(now["candidates"])
