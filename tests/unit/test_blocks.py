"""Questions in adaptive order, on a real surface over sums and words."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from llm_server import LlmServer

from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.data.collection import collect
from modelsat.errors import InputError
from modelsat.onboarding import asking
from modelsat.onboarding.asking import AskingSettings
from modelsat.onboarding.asking.blocks import adaptive_blocks, surface_router
from modelsat.routers.constant import Constant
from modelsat.routers.fusion import surface
from modelsat.routers.fusion.router import Fusion
from modelsat.routers.fusion.surface_router import Anchors
from modelsat.text import rendering
from modelsat.text.encoder import Encoder

SUMS = [f"What is {i} + {7 * i}?" for i in range(60)]
WORDS = [f"Which word rhymes with {word}{i}, out of all that there are?" for i in range(30) for word in ("rain", "sea")]
TEXTS = [*SUMS, *WORDS]
IS_SUM = np.arange(120) < 60


@pytest.fixture(scope="module")
def bundle(tiny_backbone: Path) -> Bundle:
    """`adder` solves sums, `speller` words, `best` both; every prompt is a question of the test."""
    encoder = Encoder(tiny_backbone, max_tokens=32, layers=(1, 2))
    vectors = encoder.encode(TEXTS)
    scores = np.column_stack([IS_SUM, ~IS_SUM, np.arange(120) % 10 > 0]).astype(float)
    found = surface.fit(vectors, scores, np.where(IS_SUM, "sums", "words"))
    router = Fusion(("adder", "speller", "best"), encoder, found, Anchors(vectors, scores.astype(np.float32)))
    rows: list[dict[str, object]] = [
        {
            **{
                "version": "apt-fair-by-hand",
                "keywords": ["x"] * 5,
                "position": i,
                "prompt_id": f"q{i:03d}",
                "text": text,
            },
            **{"stem_digest": rendering.stem_digest(text), "answer": "yes", "scorer": "exact"},
            **dict.fromkeys(("task", "category", "benchmark"), "sums" if IS_SUM[i] else "words"),
        }
        for i, text in enumerate(TEXTS)
    ]
    return Bundle(
        router=router,
        candidates=contracts.from_rows([{"candidate": name} for name in router.candidates], contracts.CANDIDATES),
        aptitude_test=contracts.from_rows(rows, contracts.APTITUDE_TEST),
        cards=contracts.CARDS.empty_table(),
    )


def asked(bundle: Bundle, score: Callable[[int], float]) -> list[list[int]]:
    """Return the blocks that a newcomer is asked who scores so on each question."""
    answers: dict[str, dict[str, float]] = {}
    blocks = []
    for block in adaptive_blocks(bundle, bundle.aptitude_test.to_pylist(), answers):
        blocks.append([question["position"] for question in block])
        answers |= {question["prompt_id"]: {"score": score(question["position"])} for question in block}
    return blocks


def test_blocks_hold_questions_of_every_task_and_none_twice(bundle: Bundle) -> None:
    blocks = asked(bundle, lambda i: float(i % 2))

    rows = [row for block in blocks for row in block]
    assert len(rows) == len(set(rows))
    assert max(map(len, blocks)) <= 32
    assert set(IS_SUM[blocks[0]]) == {True, False}


def test_candidate_that_never_comes_into_question_is_asked_less(bundle: Bundle) -> None:
    hopeless = asked(bundle, lambda _: 0.0)
    rival = asked(bundle, lambda i: float(i % 10 > 0))

    assert sum(map(len, hopeless)) < sum(map(len, rival))


def test_question_without_an_answer_is_not_put_again(bundle: Bundle) -> None:
    questions = bundle.aptitude_test.to_pylist()[:40]

    blocks = list(adaptive_blocks(bundle, questions, {}))

    assert sorted(question["position"] for block in blocks for question in block) == list(range(40))


def test_router_without_a_surface_has_no_adaptive_order() -> None:
    with pytest.raises(InputError, match=r"a constant router has no outcome surface .*; ask without adaptive"):
        surface_router(Constant(["ada"], np.array([0.5])))


def test_adaptive_exam_over_http_leaves_questions_out(bundle: Bundle, tmp_path: Path) -> None:
    with LlmServer(lambda _: "Answer: no").running() as server:
        candidate = {"candidate": "new", "endpoint": server.url}
        folder = asking.ask(bundle, candidate, tmp_path / "new", AskingSettings(adaptive=True))

    assert 32 <= len(server.asked) < 120
    assert collect([str(folder)]).scores.num_rows == len(server.asked)
