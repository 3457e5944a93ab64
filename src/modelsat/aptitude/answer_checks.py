"""Checks whether a new candidate's answers to the aptitude test are plausible. Numbers in, sentences out.

Outcomes alone cannot prove a leak: a new kind of model may solve questions that no other model solved. Answers that
look copied or leaked are therefore held for review, and a reviewer may accept them. Broken answers are always refused.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_ABILITIES = np.linspace(-6.0, 6.0, 121)
_LEAST_ZOO = 3
_HARDEST = 0.25


@dataclass(frozen=True)
class CheckedAnswers:
    """The new candidate's answers beside the zoo's; q questions, c known candidates.

    Attributes:
        scores: Of the newcomer, (q,), NaN where not asked.
        zoo: Of the known candidates on the same questions, (q, c), NaN where not asked or unknown.
        names: Of the known candidates, length c.
        tasks: Which task a question belongs to, (q,).
        chance: Success of blind guessing, (q,), 0 for open questions and where options are unknown.
        unparsable: How many answers could not be read and were scored 0.
    """

    scores: np.ndarray
    zoo: np.ndarray
    names: Sequence[str]
    tasks: np.ndarray
    chance: np.ndarray
    unparsable: int = 0

    @property
    def asked(self) -> np.ndarray:
        """Return which questions were put to the newcomer, (q,)."""
        return ~np.isnan(self.scores)


@dataclass(frozen=True)
class AnswerLimits:
    """What is tolerated.

    Attributes:
        min_answers: Fewer answers are not enough to judge.
        max_unparsable: Largest share of unreadable answers, in [0, 1].
        guessing_errors: Standard errors below blind guessing that cannot be chance.
        same_answers: Common answers with one candidate needed to detect a copy.
        same_share: Share of equal answers that two independent candidates do not reach, in [0, 1].
        hard_excess: Success on the hardest questions of each task beyond the prediction from the others, in [0, 1].
        hard_errors: The same in standard errors; both limits must be exceeded.
        perfect: A share of correct answers at or above this is implausible if the zoo's best is 5 points below it.
    """

    min_answers: int = 30
    max_unparsable: float = 0.25
    guessing_errors: float = 5.0
    same_answers: int = 100
    same_share: float = 0.99
    hard_excess: float = 0.15
    hard_errors: float = 5.5
    perfect: float = 0.99


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
        title: The expectation, as a statement.
        holds: Whether it holds.
        detail: The observed numbers, and what to do if the expectation does not hold.
        suspicion: Whether a reviewer may accept the answers all the same.
    """

    title: str
    holds: bool
    detail: str
    suspicion: bool = False


def check(answers: CheckedAnswers, limits: AnswerLimits = AnswerLimits()) -> tuple[Finding, ...]:
    """Check the answers; if almost none are readable, the later checks are skipped.

    Args:
        answers: What was answered.
        limits: What is tolerated.
    """
    broken = tuple(_broken(answers, limits))
    if not all(finding.holds for finding in broken):
        return broken
    judges: tuple[Callable[[CheckedAnswers, AnswerLimits], Finding], ...] = (
        _above_guessing,
        _own_answers,
        _fair_hard,
        _fair_all,
    )
    return broken + tuple(judge(answers, limits) for judge in judges)


def refusals(findings: Sequence[Finding], trusted: bool = False) -> list[Finding]:
    """Return the findings against the answers; suspicions are dropped if a reviewer trusts the answers."""
    return [finding for finding in findings if not finding.holds and not (trusted and finding.suspicion)]


def _broken(answers: CheckedAnswers, limits: AnswerLimits) -> Iterator[Finding]:
    given = answers.scores[answers.asked]
    enough = len(given) >= limits.min_answers
    wanted = "" if enough else f"; ask at least {limits.min_answers}"
    yield Finding("enough questions are answered", enough, f"{len(given)} answers to the aptitude test{wanted}")
    outside = int(((given < 0) | (given > 1) | ~np.isfinite(given)).sum())
    detail = f"{outside} of {len(given)} scores lie outside [0, 1]" + ("; rescale them" if outside else "")
    yield Finding("scores lie in [0, 1]", not outside, detail)
    share = answers.unparsable / max(len(given), 1)
    detail = f"{answers.unparsable} of {len(given)} answers could not be read ({100 * share:.0f} %)"
    readable = share <= limits.max_unparsable
    # Answers are kept and not paid for twice, so a repaired endpoint alone changes none.
    hint = (
        f", at most {100 * limits.max_unparsable:.0f} % may be; correct the endpoint's template and give its catalogue "
        "row another revision, by which it is asked anew, or raise max_tokens"
    )
    yield Finding("answers can be read", readable, detail + ("" if readable else hint))
    constant = len(given) >= limits.min_answers and bool((given == given[0]).all())
    detail = f"{100 * given.mean() if len(given) else 0:.0f} % right on average"
    if constant:
        detail = f"all {len(given)} answers score {given[0]:g}; correct the scorer or the answer key"
    yield Finding("answers are not all the same", not constant, detail)


def _above_guessing(answers: CheckedAnswers, limits: AnswerLimits) -> Finding:
    title = "answers are no worse than blind guessing"
    closed = answers.asked & (answers.chance > 0)
    if closed.sum() < limits.min_answers:
        return Finding(title, True, f"{closed.sum()} questions have known options, too few to tell")
    guess, right = answers.chance[closed], answers.scores[closed]
    errors = (guess.mean() - right.mean()) * len(guess) / np.sqrt((guess * (1 - guess)).sum())
    detail = f"{100 * right.mean():.0f} % right of {len(guess)} with options, guessing gives {100 * guess.mean():.0f} %"
    if errors <= limits.guessing_errors:
        return Finding(title, True, detail)
    return Finding(title, False, f"{detail}; the answers are shifted or read wrongly, correct the template or the key")


def _own_answers(answers: CheckedAnswers, limits: AnswerLimits) -> Finding:
    title = "answers are the candidate's own"
    both = answers.asked[:, None] & ~np.isnan(answers.zoo)
    common = both.sum(axis=0)
    comparable = common >= limits.same_answers
    if not comparable.any():
        return Finding(title, True, "no known candidate answered enough of the same questions to compare")
    same = (both & (answers.scores[:, None] == answers.zoo)).sum(axis=0) / np.maximum(common, 1)
    nearest = int(np.where(comparable, same, -1.0).argmax())
    detail = f"{100 * same[nearest]:.1f} % of {common[nearest]} answers equal those of {answers.names[nearest]!r}"
    if same[nearest] < limits.same_share:
        return Finding(title, True, f"at most {detail}")
    remedy = "make one an alias of the other if both are the same model, else collect the answers again"
    return Finding(title, False, f"{detail}; {remedy}", suspicion=True)


def _fair_hard(answers: CheckedAnswers, limits: AnswerLimits) -> Finding:
    title = "success on the hardest questions is what the others foretell"
    obtained, foretold, variance, questions = _hardest(answers)
    if not questions:
        return Finding(title, True, "the zoo's own answers to these questions are not known well enough to tell")
    excess, errors = (obtained - foretold) / questions, (obtained - foretold) / np.sqrt(variance)
    detail = (
        f"{100 * obtained / questions:.0f} % right of the {questions} questions that the zoo finds hardest in each "
        f"task, the others foretell {100 * foretold / questions:.0f} %"
    )
    if excess <= limits.hard_excess or errors <= limits.hard_errors:
        return Finding(title, True, detail)
    remedy = "the answers may have leaked to the candidate; look at them, and trust them by hand if they are sound"
    return Finding(title, False, f"{detail} ({errors:.0f} standard errors more); {remedy}", suspicion=True)


def _fair_all(answers: CheckedAnswers, limits: AnswerLimits) -> Finding:
    title = "nearly perfect answers come only where others are near"
    enough = (answers.asked[:, None] & ~np.isnan(answers.zoo)).sum(axis=0) >= limits.same_answers
    given = answers.scores[answers.asked]
    if not enough.any() or len(given) < limits.same_answers:
        return Finding(title, True, "too few answers of known candidates to compare with")
    best = float(np.nanmean(answers.zoo[np.ix_(answers.asked, enough)], axis=0).max())
    detail = f"{100 * given.mean():.1f} % right, the zoo's best {100 * best:.1f} % on the same questions"
    if given.mean() < limits.perfect or given.mean() - best <= 0.05:
        return Finding(title, True, detail)
    remedy = "the test may have leaked to the candidate; look at the answers, and trust them by hand if they are sound"
    return Finding(title, False, f"{detail}; {remedy}", suspicion=True)


def _hardest(answers: CheckedAnswers) -> tuple[float, float, float, int]:
    """Return correct answers on the hardest quarter of each task, the number predicted, its variance, and the count.

    A question's difficulty comes from the zoo's scores on it; the ability in a task comes from the easier three
    quarters (a Rasch model with a floor for guessing, averaged over abilities by their likelihood).
    """
    zoo_answers = (~np.isnan(answers.zoo)).sum(axis=1)
    usable = answers.asked & (zoo_answers >= _LEAST_ZOO)
    share = (np.nansum(answers.zoo, axis=1) + 0.5) / (zoo_answers + 1)
    obtained = foretold = variance = 0.0
    questions = 0
    for task in np.unique(answers.tasks[usable]):
        rows = np.flatnonzero(usable & (answers.tasks == task))
        hard = share[rows] <= np.quantile(share[rows], _HARDEST)
        if hard.sum() < 5 or (~hard).sum() < 10:
            continue
        floor = answers.chance[rows]
        least = 0.5 / (zoo_answers[rows] + 1)
        easiness = np.clip((share[rows] - floor) / (1 - floor), least, 1 - least)
        logits = _ABILITIES[:, None] + np.log(easiness / (1 - easiness))
        success = floor + (1 - floor) / (1 + np.exp(-logits))
        right = answers.scores[rows]
        easy = success[:, ~hard]
        likelihood = (right[~hard] * np.log(easy) + (1 - right[~hard]) * np.log(1 - easy)).sum(axis=1)
        likelihood -= _ABILITIES**2 / 18
        weight = np.exp(likelihood - likelihood.max())
        weight /= weight.sum()
        expected = success[:, hard].sum(axis=1)
        mean = float(weight @ expected)
        spread = (success[:, hard] * (1 - success[:, hard])).sum(axis=1)
        obtained += float(right[hard].sum())
        foretold += mean
        variance += float(weight @ ((expected - mean) ** 2 + spread))
        questions += int(hard.sum())
    return obtained, foretold, max(variance, 1e-9), questions
