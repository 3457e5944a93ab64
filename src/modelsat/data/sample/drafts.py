"""What a template makes, and the small tools that templates share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

LEVELS = (1, 2, 3, 4, 5)
"""How hard a question is, shown in its text: more digits, longer lists, more steps."""

NUMBER = "a number"


@dataclass(frozen=True)
class Draft:
    """A question before it becomes multiple-choice or open.

    Attributes:
        text: The question, without options and without the form of the answer.
        answer: The right answer.
        wrong: Wrong answers for the options; empty where the question can only be open.
        form: What an open answer consists of, such as "one word"; `NUMBER` makes the scorer `number`.
    """

    text: str
    answer: str
    wrong: tuple[str, ...] = ()
    form: str = NUMBER


Template = Callable[[Random, int], Draft]


@dataclass(frozen=True)
class Category:
    """A skill with the templates that ask for it; a template may serve both ways of asking."""

    name: str
    choice: tuple[Template, ...]
    open: tuple[Template, ...]


def listing(words: Sequence[object], last: str = "and") -> str:
    """Return "a, b and c"."""
    *head, tail = map(str, words)
    return f"{', '.join(head)} {last} {tail}" if head else tail


def near_misses(rng: Random, value: int, count: int = 3) -> tuple[str, ...]:
    """Return `count` wrong numbers that differ from `value` by a small slip in one digit."""
    wrong: set[int] = set()
    while len(wrong) < count:
        slip = rng.randint(1, 3) * 10 ** rng.randrange(len(str(abs(value))))
        other = value + rng.choice((-1, 1)) * slip
        if other >= 0 or value < 0:
            wrong.add(other)
    return tuple(map(str, sorted(wrong)))


def alter_one(
    rng: Random, right: Sequence[str], replacements: Sequence[Sequence[str]], count: int = 3
) -> tuple[str, ...]:
    """Return wrong versions of the list `right`, as text, with some entries replaced.

    Args:
        rng: Source of randomness.
        right: The entries of the right answer.
        replacements: For each entry, what may wrongly stand in its place.
        count: How many versions, at most as many as there are different ones.
    """
    single = [
        ", ".join([*right[:i], other, *right[i + 1 :]]) for i, others in enumerate(replacements) for other in others
    ]
    double = [
        ", ".join([*right[:i], replacements[i][0], *right[i + 1 : j], replacements[j][0], *right[j + 1 :]])
        for j in range(len(right))
        for i in range(j)
    ]
    different = sorted({*single, *double} - {", ".join(right)})
    return tuple(rng.sample(different, min(count, len(different))))
