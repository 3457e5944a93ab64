"""What a newcomer answered when an onboarding asked it is kept, all of it, whatever was kept before."""

from collections.abc import Callable
from pathlib import Path

import pytest
from llm_server import LlmServer
from test_asking import question, right

from modelsat.bundle.bundle import Bundle
from modelsat.data.collection import collect
from modelsat.onboarding import asked
from modelsat.onboarding.asking import AskingSettings
from modelsat.onboarding.change import Action, Change
from modelsat.onboarding.order import Order

QUESTIONS = 12


@pytest.fixture
def parent(make_bundle: Callable[..., Bundle], tmp_path: Path) -> Bundle:
    rows = [question(i) for i in range(QUESTIONS)]
    return make_bundle({"ada": 0.5}, aptitude_test=rows, attribution="").write(tmp_path / "parent")


def test_answers_to_further_questions_are_kept_beside_the_first_ones(parent: Bundle, tmp_path: Path) -> None:
    with LlmServer(right).running() as server:
        change, facts = Change(Action.ADD, "bob"), {"endpoint": server.url}
        order = Order(change, facts, 1, str(tmp_path / "parent"), parent.digest, "router/1", "apt-by-hand")

        first, all_of_them, again = (
            asked.ask(order, AskingSettings(questions=questions), tmp_path / "work", str(tmp_path / "answers"))
            for questions in (4, None, None)
        )

    assert [collect([kept]).scores.num_rows for kept in (first, all_of_them)] == [4, QUESTIONS]
    assert again == all_of_them
    assert len(server.asked) == QUESTIONS
