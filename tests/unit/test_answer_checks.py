"""Honest answers pass; constant, unreadable, shifted, copied and leaked ones are refused with numbers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from modelsat.aptitude.answer_checks import CheckedAnswers, Finding, check, refusals
from modelsat.data import score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.evaluation.arena import labels_of


def zoo(questions: int = 400, candidates: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return simulated answers (questions, candidates) and the questions' difficulty in logits."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 2, questions)
    ability = rng.normal(0, 1, candidates)
    success = 1 / (1 + np.exp(difficulty[:, None] - ability))
    return (rng.random(success.shape) < success).astype(float), difficulty


def answers(scores: np.ndarray, others: np.ndarray, chance: float = 0.0, unparsable: int = 0) -> CheckedAnswers:
    names = [f"known-{i}" for i in range(others.shape[1])]
    tasks = np.repeat(["sums", "words"], [len(scores) // 2, len(scores) - len(scores) // 2])
    return CheckedAnswers(scores, others, names, tasks, np.full(len(scores), chance), unparsable)


def against(found: CheckedAnswers) -> list[Finding]:
    return refusals(check(found))


def test_honest_candidate_passes_every_check() -> None:
    others, _ = zoo()

    findings = check(answers(others[:, 0], others[:, 1:]))

    assert len(findings) == 8
    assert all(finding.holds for finding in findings)


@pytest.mark.parametrize(("score", "words"), [(0.0, "score 0"), (1.0, "score 1"), (0.5, "score 0.5")])
def test_constant_answers_are_refused(score: float, words: str) -> None:
    others, _ = zoo()

    (finding,) = against(answers(np.full(400, score), others))

    assert f"all 400 answers {words}" in finding.detail


def test_handful_of_answers_says_too_little() -> None:
    others, _ = zoo()
    few = np.where(np.arange(400) < 29, others[:, 0], np.nan)

    (finding,) = against(answers(few, others[:, 1:]))

    assert finding.detail == "29 answers to the aptitude test; ask at least 30"


@pytest.mark.parametrize("bad", [1.01, -0.1, np.inf])
def test_score_outside_its_range_is_refused(bad: float) -> None:
    others, _ = zoo()
    scores = others[:, 0].copy()
    scores[7] = bad

    assert against(answers(scores, others[:, 1:]))[0].detail == "1 of 400 scores lie outside [0, 1]; rescale them"


@pytest.mark.parametrize(("unparsable", "refused"), [(100, False), (101, True)])
def test_quarter_of_the_answers_may_be_unreadable(unparsable: int, refused: bool) -> None:
    others, _ = zoo()

    found = against(answers(others[:, 0], others[:, 1:], unparsable=unparsable))

    assert bool(found) is refused
    assert not refused or "101 of 400 answers could not be read (25 %)" in found[0].detail
    assert not refused or "give its catalogue row another revision, by which it is asked anew" in found[0].detail


def test_answers_worse_than_guessing_are_refused() -> None:
    others, _ = zoo()
    shifted = (np.arange(400) % 10 == 0).astype(float)

    found = against(answers(shifted, others, chance=0.25))

    assert found[0].detail.startswith("10 % right of 400 with options, guessing gives 25 %")
    assert not found[0].suspicion


def test_copy_of_a_known_candidate_is_held_for_a_person() -> None:
    others, _ = zoo()
    copied = others[:, 3].copy()
    copied[:2] = 1 - copied[:2]

    found = check(answers(copied, others))

    (finding,) = refusals(found)
    assert "99.5 % of 400 answers equal those of 'known-3'" in finding.detail
    assert refusals(found, trusted=True) == []


def test_nearly_perfect_answers_far_above_the_zoo_are_held_for_a_person() -> None:
    others, _ = zoo()
    perfect = np.ones(400)
    perfect[5] = 0

    titles = [finding.title for finding in against(answers(perfect, others))]

    assert "nearly perfect answers come only where others are near" in titles


def test_answers_that_leaked_on_hard_and_easy_questions_alike_are_held_for_a_person() -> None:
    others, difficulty = zoo(questions=1000, candidates=30)
    rng = np.random.default_rng(1)
    honest = (rng.random(1000) < 1 / (1 + np.exp(difficulty + 0.5))).astype(float)
    leaked = np.where(rng.random(1000) < 0.4, 1.0, honest)

    assert against(answers(honest, others)) == []
    (finding,) = against(answers(leaked, others))
    assert "the zoo finds hardest in each task" in finding.detail
    assert finding.suspicion


def test_what_is_broken_is_refused_even_if_somebody_trusts_it() -> None:
    others, _ = zoo()

    assert refusals(check(answers(np.ones(400), others)), trusted=True)


def test_without_answers_of_the_zoo_only_what_needs_none_is_judged() -> None:
    others, _ = zoo()
    unknown = answers(others[:, 0], np.full((400, 3), np.nan))

    assert against(unknown) == []
    assert against(replace(unknown, scores=np.zeros(400)))


@pytest.mark.real_data
@pytest.mark.parametrize("folder", ["zeroeval", "mmlupro", "mmlu_helm"])
@pytest.mark.parametrize("questions", [64, 250])
def test_no_real_candidate_is_refused_but_for_one_pair_of_twins(
    collect_real: Callable[[str], Collection], folder: str, questions: int
) -> None:
    collection = collect_real(folder)
    prompts = collection.prompts
    train = np.flatnonzero(splits.assign(prompts["stem_digest"].to_pylist()) == splits.TRAIN)
    rows = np.random.default_rng(0).choice(train, questions, replace=False)
    names = collection.candidates["candidate"].to_pylist()
    scores = score_matrix.matrix(collection.scores, [prompts["prompt_id"][int(i)].as_py() for i in rows], names)
    options = np.asarray([len(prompts["choices"][int(i)].as_py() or ()) for i in rows])
    chance = np.where(options > 1, 1 / np.maximum(options, 1), 0.0)

    refused = set()
    for i, name in enumerate(names):
        others = [j for j in range(len(names)) if j != i]
        told = [names[j] for j in others]
        found = CheckedAnswers(scores[:, i], scores[:, others], told, labels_of(collection)[rows], chance)
        if found.asked.sum() >= 30 and against(found):
            refused.add(name)

    # HELM lists these two under different names with 99.9 % equal answers.
    assert refused <= {"palmyra-x-v3", "text-unicorn-001"}
