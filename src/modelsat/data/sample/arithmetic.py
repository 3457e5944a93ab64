"""Questions of the benchmark `sample-arithmetic`; all answers are whole numbers."""

from math import prod
from random import Random

from modelsat.data.sample.drafts import Category, Draft, listing, near_misses
from modelsat.data.sample.words import PEOPLE

_FACTOR_DIGITS = {1: (1, 2), 2: (2, 2), 3: (2, 3), 4: (3, 3), 5: (3, 4)}

_UNITS = {
    "rope": (("kilometres", 1_000_000), ("metres", 1_000), ("centimetres", 10), ("millimetres", 1)),
    "load": (("tonnes", 1_000_000_000), ("kilograms", 1_000_000), ("grams", 1_000), ("milligrams", 1)),
    "wait": (("weeks", 604_800), ("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1)),
    "supply": (("hectolitres", 100_000), ("litres", 1_000), ("centilitres", 10), ("millilitres", 1)),
}
"""Units from large to small, each with its size in the smallest."""


def _addition(rng: Random, level: int) -> Draft:
    terms = [rng.randrange(10**level, 10 ** (level + 1)) for _ in range(2 + level // 2)]
    text = rng.choice(
        (
            f"What is {' + '.join(map(str, terms))}?",
            f"Add up the numbers {listing(terms)}.",
            f"{rng.choice(PEOPLE)} pays bills of {listing(terms)} euros. How much is that altogether?",
            f"A depot receives {listing(terms)} parcels on {len(terms)} days. How many parcels arrive in all?",
            f"Find the sum of {listing(terms)}.",
        )
    )
    total = sum(terms)
    return Draft(text, str(total), near_misses(rng, total))


def _multiplication(rng: Random, level: int) -> Draft:
    a, b = (rng.randrange(max(2, 10 ** (digits - 1)), 10**digits) for digits in _FACTOR_DIGITS[level])
    text = rng.choice(
        (
            f"What is {a} times {b}?",
            f"Multiply {a} by {b}.",
            f"A hall has {a} rows of {b} seats. How many seats does it have?",
            f"{rng.choice(PEOPLE)} orders {a} crates with {b} oranges in each. How many oranges are ordered?",
            f"A rectangular field is {a} metres long and {b} metres wide. What is its area in square metres?",
        )
    )
    return Draft(text, str(a * b), near_misses(rng, a * b))


def _percent_values(rng: Random, level: int) -> list[int]:
    if level == 1:
        return [rng.choice((10, 20, 25, 50, 75))]
    if level == 2:
        return [rng.randrange(5, 96, 5)]
    return [rng.randrange(2, 60) for _ in range(level - 2)]


def _shares(rng: Random, level: int) -> Draft:
    shares = _percent_values(rng, level)
    # The base makes every intermediate result whole.
    base = rng.randrange(2, 100) * 100 ** len(shares)
    chain = " of ".join(f"{share} %" for share in shares)
    first, *later = shares
    text = rng.choice(
        (
            f"What is {chain} of {base}?",
            f"Work out {chain} of {base}.",
            f"A nursery sows {base} seeds. {first} % of them sprout"
            + "".join(f", {share} % of those live through another month" for share in later)
            + ". How many plants are left?",
            f"A network receives {base} packets. {first} % of them pass the first filter"
            + "".join(f", {share} % of those the next one" for share in later)
            + ". How many packets pass every filter?",
        )
    )
    result = base * prod(shares) // 100 ** len(shares)
    return Draft(text, str(result), near_misses(rng, result))


def _changes(rng: Random, level: int) -> Draft:
    changes = [rng.choice((-1, 1)) * value for value in _percent_values(rng, level)]
    base = rng.randrange(2, 100) * 100 ** len(changes)
    steps = " and then ".join(f"{'rises' if change > 0 else 'falls'} by {abs(change)} %" for change in changes)
    text = rng.choice(
        (
            f"The value of an estate is {base} euros. It {steps}. What is the value now?",
            f"A country has {base} inhabitants. Their number {steps}. How many inhabitants does it have afterwards?",
            f"An index stands at {base} points. It {steps}. Where does it stand in the end?",
        )
    )
    result = base * prod(100 + change for change in changes) // 100 ** len(changes)
    return Draft(text, str(result), near_misses(rng, result))


def _conversion(rng: Random, level: int) -> Draft:
    thing = rng.choice(tuple(_UNITS))
    units = _UNITS[thing]
    parts = (1, 1, 2, 3, 3)[level - 1]
    gap = (1, 2, 1, 0, 0)[level - 1]
    first = rng.randrange(len(units) - parts - gap + 1)
    amounts = [rng.randint(2, 59) for _ in range(parts)]
    target, unit_size = units[first + parts - 1 + gap]
    size = sum(amount * units[first + i][1] for i, amount in enumerate(amounts))
    stated = listing([f"{amount} {units[first + i][0]}" for i, amount in enumerate(amounts)])
    if level == 5:
        less = rng.randint(2, 9)
        size -= less * units[first + 1][1]
        stated += f", less {less} {units[first + 1][0]},"
    text = rng.choice(
        (
            f"How many {target} are {stated} in all?",
            f"Convert to {target}: {stated.rstrip(',')}.",
            f"Express {stated} in {target}.",
            f"{rng.choice(PEOPLE)} notes a {thing} of {stated} and needs it in {target}. Which number is right?",
        )
    )
    answer = size // unit_size
    return Draft(text, str(answer), near_misses(rng, answer))


CATEGORIES = (
    Category("addition", (_addition,), (_addition,)),
    Category("multiplication", (_multiplication,), (_multiplication,)),
    Category("percentages", (_shares, _changes), (_shares, _changes)),
    Category("unit-conversion", (_conversion,), (_conversion,)),
)
