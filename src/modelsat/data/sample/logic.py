"""Questions of the benchmark `sample-logic`."""

from datetime import date, timedelta
from itertools import pairwise
from random import Random

from modelsat.data.sample.drafts import Category, Draft, listing, near_misses
from modelsat.data.sample.words import KINDS, PEOPLE

_ORDERS = (
    ("finishes the race before", "finishes the race after", "Who crosses the finishing line in place"),
    ("is taller than", "is shorter than", "From the tallest to the shortest, who comes in place"),
    ("is older than", "is younger than", "From the oldest to the youngest, who comes in place"),
    ("stands in the queue ahead of", "stands in the queue behind", "Counted from the front, who stands in place"),
    ("lives on a higher floor than", "lives on a lower floor than", "Counted from the top floor, who comes in place"),
)


def _ordering(rng: Random, level: int) -> Draft:
    people = rng.sample(PEOPLE, level + 2)
    before, after, question = rng.choice(_ORDERS)
    clues = [f"{a} {before} {b}." if rng.random() < 0.5 else f"{b} {after} {a}." for a, b in pairwise(people)]
    rng.shuffle(clues)
    place = rng.randrange(len(people))
    answer = people[place]
    others = [name for name in people if name != answer]
    opening = rng.choice(
        ("", f"{listing(sorted(people))} compare notes. ", f"This is known about {len(people)} people. ")
    )
    text = f"{opening}{' '.join(clues)} {question} {place + 1}?"
    return Draft(text, answer, tuple(rng.sample(others, min(3, len(others)))), "one name")


_VERDICTS = ("true", "false", "unknown")


def _syllogism(rng: Random, level: int) -> Draft:
    *chain, apart = rng.sample(KINDS, level + 3)
    premises = [f"All {a} are {b}." for a, b in pairwise(chain)]
    premises.append(rng.choice((f"No {chain[-1]} are {apart}.", f"No {apart} are {chain[-1]}.")))
    # At least two steps apart, so that no premise is the answer by itself.
    low = rng.randrange(level)
    high = rng.randrange(low + 2, len(chain))
    verdict = rng.choice(_VERDICTS)
    if rng.random() < 0.5:
        statement = {
            "true": rng.choice((f"All {chain[low]} are {chain[high]}", f"No {chain[low]} are {apart}")),
            # Someone is a member, so that "all are" cannot be true for want of members.
            "false": f"All {chain[low]} are {apart}",
            "unknown": f"All {chain[high]} are {chain[low]}",
        }[verdict]
        premises.append(f"There is at least one of the {chain[low]}.")
    else:
        person = rng.choice(PEOPLE)
        known = high if verdict == "unknown" else low
        premises.append(f"{person} is one of the {chain[known]}.")
        target = {"true": chain[high], "false": apart, "unknown": chain[low]}[verdict]
        statement = f"{person} is one of the {target}"
    rng.shuffle(premises)
    text = rng.choice(
        (
            f"{' '.join(premises)} Is the following true, false or unknown? {statement}.",
            f"Suppose that only this is known: {' '.join(premises)} Judge the statement '{statement}'.",
            f"{' '.join(premises)} What follows for the claim '{statement}'?",
        )
    )
    return Draft(text, verdict, tuple(other for other in _VERDICTS if other != verdict), "true, false or unknown")


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_SPANS = {1: (2, 7), 2: (8, 30), 3: (40, 120), 4: (200, 999), 5: (1_500, 9_999)}
"""Least and greatest number of days of a level."""


def _weekday(rng: Random, level: int) -> Draft:
    days, today, sign = rng.randint(*_SPANS[level]), rng.randrange(7), rng.choice((-1, 1))
    then = (today + sign * days) % 7
    forms = (
        (
            f"Today is {_WEEKDAYS[today]}. Which day of the week is it in {days} days?",
            f"A parcel is posted on a {_WEEKDAYS[today]} and takes {days} days. On which weekday does it arrive?",
            f"If it is {_WEEKDAYS[today]} now, what weekday will it be after {days} days?",
        ),
        (
            f"Today is {_WEEKDAYS[today]}. Which day of the week was it {days} days ago?",
            f"An order arrives on a {_WEEKDAYS[today]}, {days} days after it was sent. On which weekday was it sent?",
        ),
    )
    others = rng.sample([day for day in _WEEKDAYS if day != _WEEKDAYS[then]], 3)
    return Draft(rng.choice(forms[sign < 0]), _WEEKDAYS[then], tuple(others), "a weekday")


def _days_between(rng: Random, level: int) -> Draft:
    days = rng.randint(*_SPANS[level])
    start = date(2001, 1, 1) + timedelta(rng.randrange(8_000))
    first, last = (f"{day.day} {_MONTHS[day.month - 1]} {day.year}" for day in (start, start + timedelta(days)))
    text = rng.choice(
        (
            f"How many days after {first} is {last}?",
            f"A journey starts on {first} and ends on {last}. How many nights does it last?",
            f"What is the number of days from {first} to {last}, not counting the first day?",
        )
    )
    return Draft(text, str(days), near_misses(rng, days))


def _set_size(rng: Random, level: int) -> Draft:
    size = level + 2
    a, b, c = (set(rng.sample(range(1, 3 * size), size)) for _ in range(3))
    shown = {
        name: "{" + ", ".join(map(str, sorted(numbers))) + "}" for name, numbers in zip("ABC", (a, b, c), strict=True)
    }
    two_sets = (("in A and in B", a & b), ("in A or in B or in both", a | b), ("in A but not in B", a - b))
    three_sets = (
        ("in A and in B but not in C", (a & b) - c),
        ("in at least one of A, B and C", a | b | c),
        ("in A or B, but not in C", (a | b) - c),
        ("in exactly one of A and B, and also in C", (a ^ b) & c),
    )
    names = "AB" if level < 3 else "ABC"
    phrase, result = rng.choice(two_sets if level < 3 else three_sets)
    stated = listing([f"{name} = {shown[name]}" for name in names])
    text = rng.choice(
        (
            f"Let {stated}. How many numbers are {phrase}?",
            f"Given the sets {stated}, count the elements that are {phrase}.",
            f"Sets of numbers: {stated}. What is the size of the set of numbers {phrase}?",
        )
    )
    return Draft(text, str(len(result)), near_misses(rng, len(result)))


def _clubs(rng: Random, level: int) -> Draft:
    people = rng.sample(PEOPLE, min(len(PEOPLE), 2 * level + 3))
    first, second = (rng.sample(people, level + 2) for _ in range(2))
    both = set(first) & set(second)
    question, count = rng.choice(
        (
            ("are in both", len(both)),
            ("are in at least one of the two", len({*first, *second})),
            ("sing without playing chess", len(set(first) - both)),
            ("are in exactly one of the two", len({*first, *second} - both)),
        )
    )
    text = f"In the choir: {listing(first)}. In the chess club: {listing(second)}. How many people {question}?"
    return Draft(text, str(count), near_misses(rng, count))


def _survey(rng: Random, level: int) -> Draft:
    scale = 10 * level
    only_tea, only_coffee, both, neither = (rng.randint(2, scale) for _ in range(4))
    everyone = only_tea + only_coffee + both + neither
    text = rng.choice(
        (
            f"Of {everyone} guests, {only_tea + both} drink tea, {only_coffee + both} drink coffee and {both} both. "
            "How many drink neither?",
            f"{everyone} pupils were asked: {only_tea + both} like tennis, {only_coffee + both} like football, "
            f"{both} like both. How many like none of the two?",
        )
    )
    return Draft(text, str(neither), near_misses(rng, neither))


CATEGORIES = (
    Category("ordering", (_ordering,), (_ordering,)),
    Category("syllogisms", (_syllogism,), (_syllogism,)),
    Category("calendar", (_weekday, _days_between), (_weekday, _days_between)),
    Category("sets", (_set_size, _clubs, _survey), (_set_size, _clubs, _survey)),
)
