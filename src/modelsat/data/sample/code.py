"""Questions of the benchmark `sample-code`: short Python programs and what they print."""

from collections.abc import Callable
from itertools import product
from random import Random

from modelsat.data.sample.drafts import Category, Draft, near_misses
from modelsat.data.sample.words import STRINGS

_OPENINGS = (
    "What does this Python program print?",
    "Read the Python code below and say what it prints.",
    "Which output does this Python snippet produce?",
    "Trace these lines of Python. What appears on the screen?",
)

_ListStep = Callable[[list[int]], list[int]]
_TextStep = Callable[[str], str]


def _program(rng: Random, lines: list[str]) -> str:
    return f"{rng.choice(_OPENINGS)}\n" + "\n".join(lines)


def _list_steps(rng: Random, name: str) -> tuple[tuple[str, _ListStep], ...]:
    n, k = rng.randint(1, 9), rng.randint(2, 4)
    return (
        (f"{name}.append({n})", lambda xs: [*xs, n]),
        (f"{name}.insert(0, {n})", lambda xs: [n, *xs]),
        (f"{name}.reverse()", lambda xs: xs[::-1]),
        (f"{name}.sort()", sorted),
        (f"{name}.pop()", lambda xs: xs[:-1]),
        (f"{name}.pop(0)", lambda xs: xs[1:]),
        (f"{name} = {name}[1:] + {name}[:1]", lambda xs: xs[1:] + xs[:1]),
        (f"{name} = [x + {n} for x in {name}]", lambda xs: [x + n for x in xs]),
        (f"{name} = [{k} * x for x in {name}]", lambda xs: [k * x for x in xs]),
    )


def _list_program(rng: Random, level: int) -> tuple[str, list[str], list[int]]:
    name = rng.choice(("xs", "numbers", "items", "values"))
    values = [rng.randint(1, 20) for _ in range(level + 3)]
    lines = [f"{name} = {values}"]
    for _ in range(level):
        line, step = rng.choice(_list_steps(rng, name))
        lines.append(line)
        values = step(values)
    return name, lines, values


def _list_content(rng: Random, level: int) -> Draft:
    name, lines, values = _list_program(rng, level)
    wrong: set[str] = set()
    while len(wrong) < 3:
        other = list(values)
        i, j = rng.sample(range(len(other)), 2)
        if rng.random() < 0.5:
            other[i] += rng.choice((-1, 1))
        else:
            other.insert(j, other.pop(i))
        wrong |= {str(other)} - {str(values)}
    return Draft(_program(rng, [*lines, f"print({name})"]), str(values), tuple(sorted(wrong)))


def _list_number(rng: Random, level: int) -> Draft:
    name, lines, values = _list_program(rng, level)
    i = rng.randrange(len(values))
    expression, number = rng.choice(
        (
            (f"sum({name})", sum(values)),
            (f"{name}[{i}]", values[i]),
            (f"{name}[-1] - {name}[0]", values[-1] - values[0]),
            (f"max({name}) + len({name})", max(values) + len(values)),
        )
    )
    return Draft(_program(rng, [*lines, f"print({expression})"]), str(number), near_misses(rng, number))


def _text_steps(rng: Random, name: str, text: str) -> tuple[tuple[str, _TextStep], ...]:
    old, new, k = rng.choice(text), rng.choice("aeioxz"), rng.randint(1, 3)
    return (
        (f"{name} = {name}.upper()", str.upper),
        (f"{name} = {name}.capitalize()", str.capitalize),
        (f"{name} = {name}[::-1]", lambda s: s[::-1]),
        (f"{name} = {name}[1:]", lambda s: s[1:]),
        (f"{name} = {name}[:-1]", lambda s: s[:-1]),
        (f"{name} = {name}[{k}:] + {name}[:{k}]", lambda s: s[k:] + s[:k]),
        (f'{name} = {name}.replace("{old}", "{new}")', lambda s: s.replace(old, new)),
        (f'{name} = {name} + "{new}"', lambda s: s + new),
        (f"{name} = {name}[0] + {name}", lambda s: s[0] + s),
    )


def _text_program(rng: Random, level: int) -> tuple[str, list[str], str]:
    name = rng.choice(("s", "word", "text", "label"))
    # Joined words stay long enough for any number of steps, each of which takes one letter at most.
    text = rng.choice(STRINGS) if level < 3 else "".join(rng.sample(STRINGS, 2))
    lines = [f'{name} = "{text}"']
    for _ in range(level):
        line, step = rng.choice(_text_steps(rng, name, text))
        lines.append(line)
        text = step(text)
    return name, lines, text


def _text_content(rng: Random, level: int) -> Draft:
    name, lines, text = _text_program(rng, level)
    wrong: set[str] = set()
    while len(wrong) < 3:
        i = rng.randrange(len(text) - 1)
        swapped = text[:i] + text[i + 1] + text[i] + text[i + 2 :]
        wrong |= {rng.choice((swapped, text[:i] + text[i + 1 :], text.swapcase(), text[1:] + text[0]))} - {text}
    return Draft(_program(rng, [*lines, f"print({name})"]), text, tuple(sorted(wrong)), "the printed text")


def _text_number(rng: Random, level: int) -> Draft:
    name, lines, text = _text_program(rng, level)
    letter = rng.choice(text)
    expression, number = rng.choice(
        (
            (f'{name}.count("{letter}")', text.count(letter)),
            (f'{name}.index("{letter}")', text.index(letter)),
            (f'10 * len({name}) + {name}.count("{letter}")', 10 * len(text) + text.count(letter)),
        )
    )
    return Draft(_program(rng, [*lines, f"print({expression})"]), str(number), near_misses(rng, number))


def _expression(rng: Random, names: str, operators: int) -> tuple[str, Callable[[dict[str, bool]], bool]]:
    """Return a random expression with `operators` uses of and/or, and the function that evaluates it."""
    if operators == 0:
        name = rng.choice(names)
        if rng.random() < 0.4:
            return f"not {name}", lambda values: not values[name]
        return name, lambda values: values[name]
    left_operators = rng.randrange(operators)
    left_text, left = _expression(rng, names, left_operators)
    right_text, right = _expression(rng, names, operators - 1 - left_operators)
    if rng.random() < 0.5:
        return f"({left_text} and {right_text})", lambda values: left(values) and right(values)
    return f"({left_text} or {right_text})", lambda values: left(values) or right(values)


def _truth(rng: Random, level: int) -> Draft:
    names = "".join(rng.sample("abcdpqrxyz", min(4, level + 1)))
    values = {name: rng.random() < 0.5 for name in names}
    expression, evaluate = _expression(rng, names, level)
    answer = str(evaluate(values))
    text = _program(rng, [*(f"{name} = {value}" for name, value in values.items()), f"print({expression})"])
    return Draft(text, answer, ("False" if answer == "True" else "True",), "True or False")


def _true_assignments(rng: Random, level: int) -> Draft:
    names = "".join(sorted(rng.sample("abcdpqrxyz", min(4, level + 1))))
    expression, evaluate = _expression(rng, names, level)
    rows = product((False, True), repeat=len(names))
    count = sum(evaluate(dict(zip(names, row, strict=True))) for row in rows)
    text = rng.choice(
        (
            f"{', '.join(names)} are Boolean variables in Python. For how many of the {2 ** len(names)} assignments of "
            f"True and False is `{expression}` true?",
            f"How many rows of the truth table over {', '.join(names)} make `{expression}` come out as True?",
        )
    )
    return Draft(text, str(count), near_misses(rng, count))


def _true_numbers(rng: Random, level: int) -> Draft:
    tests: list[tuple[str, Callable[[int], bool]]] = []
    last = 8 * level
    for _ in range(level // 2 + 1):
        k, low = rng.randint(2, 5), rng.randint(2, last - 1)
        divides, exceeds = (lambda i, k=k: i % k == 0), (lambda i, low=low: i > low)
        tests.append(rng.choice(((f"i % {k} == 0", divides), (f"i > {low}", exceeds))))
    joint, every = rng.choice(((" and ", all), (" or ", any)))
    condition = joint.join(text for text, _ in tests)
    count = sum(every([test(i) for _, test in tests]) for i in range(1, last + 1))
    text = rng.choice(
        (
            f"For how many whole numbers i from 1 to {last} is the Python condition `{condition}` true?",
            f"The variable i runs over 1, 2, 3 and so on up to {last}. How often does `{condition}` hold?",
        )
    )
    return Draft(text, str(count), near_misses(rng, count))


def _for_loop(rng: Random, level: int) -> Draft:
    total, i = rng.choice((("total", "i"), ("result", "n"), ("acc", "k")))
    start, step, factor, skip = rng.randint(0, 5), rng.randint(1, 3), rng.randint(1, 4), rng.randint(2, 4)
    stop = start + step * (level + 1) + rng.randint(0, step - 1)
    lines = [f"{total} = 0", f"for {i} in range({start}, {stop}, {step}):"]
    numbers = list(range(start, stop, step))
    if level > 2:
        lines += [f"    if {i} % {skip} == 0:", "        continue"]
        numbers = [number for number in numbers if number % skip]
    lines += [f"    {total} += {factor} * {i}", f"print({total})"]
    result = factor * sum(numbers)
    return Draft(_program(rng, lines), str(result), near_misses(rng, result))


def _nested_loop(rng: Random, level: int) -> Draft:
    rows, columns, offset = rng.randint(level + 1, level + 2), rng.randint(level + 1, level + 3), rng.randint(0, 9)
    bound = rng.choice((str(columns), "row + 1"))
    lines = [
        "count = 0",
        f"for row in range({rows}):",
        f"    for column in range({bound}):",
        f"        count += row + {offset}",
        "print(count)",
    ]
    result = sum((row + offset) * (row + 1 if bound == "row + 1" else columns) for row in range(rows))
    return Draft(_program(rng, lines), str(result), near_misses(rng, result))


def _while_loop(rng: Random, level: int) -> Draft:
    n, divisor = rng.randint(4**level, 5 * 4**level), rng.choice((2, 3))
    left, steps = n, 0
    while left > 1:
        left //= divisor
        steps += 1
    shown, result = rng.choice((("steps", steps), ("10 * steps + n", 10 * steps + left)))
    lines = [f"n = {n}", "steps = 0", "while n > 1:", f"    n = n // {divisor}", "    steps += 1", f"print({shown})"]
    return Draft(_program(rng, lines), str(result), near_misses(rng, result))


CATEGORIES = (
    Category("lists", (_list_content, _list_number), (_list_number,)),
    Category("strings", (_text_content, _text_number), (_text_content, _text_number)),
    Category("booleans", (_truth, _true_assignments, _true_numbers), (_truth, _true_assignments, _true_numbers)),
    Category("loops", (_for_loop, _nested_loop, _while_loop), (_for_loop, _nested_loop, _while_loop)),
)
