"""The sample is reproducible, its answers are right, and its candidates follow the documented model.

The answers of most categories are worked out again from the text alone, by another route than the templates take
(brute force, the standard library, running the program); those that rest on word lists are checked by hand.
"""

import ast
import contextlib
import csv
import io
import itertools
import math
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

from modelsat.data import sample
from modelsat.data.candidate_names import fault_in_candidate
from modelsat.data.collection import collect
from modelsat.data.sample import words
from modelsat.data.sample.candidates import CANDIDATES, draw_scores, probabilities
from modelsat.data.sample.drafts import Category, Draft
from modelsat.data.sample.questions import BENCHMARKS, SampleQuestion, draw
from modelsat.errors import InputError
from modelsat.text.rendering import stem_digest

CATEGORIES = [category.name for group in BENCHMARKS.values() for category in group]
NAMES = [candidate.name for candidate in CANDIDATES]


@pytest.fixture(scope="module")
def questions() -> list[SampleQuestion]:
    return draw(seed=0, prompts=2400)


@pytest.fixture(scope="module")
def scores(questions: list[SampleQuestion]) -> np.ndarray:
    return draw_scores(questions, seed=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sample.write(tmp_path / "sample", prompts=320)
    return tmp_path / "sample"


def gold(question: SampleQuestion) -> str:
    if question.choices is None:
        return question.answer
    return question.choices["ABCD".index(question.answer)]


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    sample.write(tmp_path / "a", seed=3, prompts=160)
    sample.write(tmp_path / "b", seed=3, prompts=160)
    sample.write(tmp_path / "c", seed=4, prompts=160)

    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a")["prompts.csv"] != contents(tmp_path / "c")["prompts.csv"]
    assert contents(tmp_path / "a")["scores.csv"] != contents(tmp_path / "c")["scores.csv"]


def test_full_sample_is_written_in_under_a_second_of_processor_time(tmp_path: Path) -> None:
    start = time.process_time()

    sample.write(tmp_path / "sample")

    assert time.process_time() - start < 1.0
    assert sorted(contents(tmp_path / "sample")) == ["README.md", "models.csv", "prompts.csv", "scores.csv"]


def test_no_two_questions_share_a_stem(questions: list[SampleQuestion]) -> None:
    stems = {stem_digest(question.prompt, question.choices) for question in questions}

    assert len(stems) == len(questions) == 2400


def test_questions_are_spread_evenly(questions: list[SampleQuestion]) -> None:
    for category in CATEGORIES:
        of_category = [question for question in questions if question.category == category]

        assert len(of_category) == 150
        assert sum(question.choices is not None for question in of_category) == 75
        assert {level: sum(q.level == level for q in of_category) for level in range(1, 6)} == dict.fromkeys(
            range(1, 6), 30
        )


def test_options_are_different_and_the_letter_names_one_of_them(questions: list[SampleQuestion]) -> None:
    for question in questions:
        if question.choices is None:
            assert question.scorer in ("number", "exact")
            assert question.scorer != "number" or re.fullmatch(r"-?\d+", question.answer)
        else:
            assert question.scorer == "letter"
            assert question.answer in "ABCD"[: len(question.choices)]
            assert len(set(question.choices)) == len(question.choices) >= 2


def test_right_option_stands_anywhere(questions: list[SampleQuestion]) -> None:
    with_four = [question.answer for question in questions if question.choices and len(question.choices) == 4]

    assert all(0.2 < with_four.count(letter) / len(with_four) < 0.3 for letter in "ABCD")


def test_harder_questions_are_longer(questions: list[SampleQuestion]) -> None:
    for category in CATEGORIES:
        easy, hard = (
            np.mean([len(q.prompt) for q in questions if q.category == category and q.level in levels])
            for levels in ((1, 2), (4, 5))
        )

        # Short stems with one word in question get harder by the word, not by their length.
        assert hard > easy - 3, category


def test_too_few_prompts_are_refused() -> None:
    with pytest.raises(InputError, match="ask for at least 16"):
        draw(seed=0, prompts=15)


def test_more_prompts_than_the_templates_can_make_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    constant = Category(
        "constant", (lambda _rng, _level: Draft("A question that never changes, whatever is drawn?", "1"),), ()
    )
    monkeypatch.setattr("modelsat.data.sample.questions.BENCHMARKS", {"sample-constant": (constant,)})

    with pytest.raises(InputError, match="'constant' make about 1 different prompts"):
        draw(seed=0, prompts=2)


def added(text: str) -> int:
    return sum(numbers(re.sub(r"on \d+ days", "", text)))


def multiplied(text: str) -> int:
    a, b = numbers(text)
    return sum(a * int(digit) * 10**place for place, digit in enumerate(reversed(str(b))))


def percent_worked_step_by_step(text: str) -> int:
    value = Fraction(next(n for n in numbers(re.sub(r"\d+ %", "", text))))
    for direction, percent in re.findall(r"(rises by |falls by |)(\d+) %", text):
        part = value * int(percent) / 100
        value = {"rises by ": value + part, "falls by ": value - part, "": part}[direction]
    assert value.denominator == 1
    return int(value)


SI: dict[str, Fraction | int] = {
    **{"kilometres": 1000, "metres": 1, "centimetres": Fraction(1, 100), "millimetres": Fraction(1, 1000)},
    **{"tonnes": 1000, "kilograms": 1, "grams": Fraction(1, 1000), "milligrams": Fraction(1, 10**6)},
    **{"weeks": 7 * 24, "days": 24, "hours": 1, "minutes": Fraction(1, 60), "seconds": Fraction(1, 3600)},
    **{"hectolitres": 100, "litres": 1, "centilitres": Fraction(1, 100), "millilitres": Fraction(1, 1000)},
}


def converted(text: str) -> Fraction:
    amounts = re.findall(rf"(less )?(\d+) ({'|'.join(SI)})\b", text)
    stated = sum((Fraction(-int(n) if less else int(n)) * SI[unit] for less, n, unit in amounts), Fraction(0))
    (target,) = re.findall(rf"(?<!\d )\b({'|'.join(SI)})\b", text)
    return stated / SI[target]


def ranked(text: str) -> str:
    order: TopologicalSorter[str] = TopologicalSorter()
    smaller = "after|shorter|younger|behind|lower"
    for a, relation, b in re.findall(
        r"([A-Z]\w+) (finishes [^.]+?|is \w+ than|stands [^.]+?|lives [^.]+?) ([A-Z]\w+)\.", text
    ):
        order.add(*((a, b) if re.search(smaller, relation) else (b, a)))
    return list(order.static_order())[int(re.search(r"place (\d+)\?", text)[1]) - 1]  # type: ignore[index]


def judged(text: str) -> str:
    """Judge a syllogism by all worlds: a being is a set of kinds, and only some sets are allowed."""
    kinds = sorted(set(re.findall(r"\b(?:All|No|are|the) ([a-z]+s)\b", text)) & set(words.KINDS))
    rules = re.findall(r"(All|No) (\w+) are (\w+)\.", text.split(" Is the following")[0].split(" What follows")[0])
    *_, statement = re.findall(r"(?:All|No) \w+ are \w+(?=[.'])|\w+ is one of the \w+(?=[.'])", text)
    if "Is the following" not in text:
        statement = re.search(r"'(.+?)'", text)[1]  # type: ignore[index]
    beings = [
        being
        for size in range(len(kinds) + 1)
        for being in map(set, itertools.combinations(kinds, size))
        if all(a not in being or (b in being) == (kind == "All") for kind, a, b in rules)
    ]
    if statement.startswith(("All", "No")):
        kind, subject, _, target = statement.split()
        inhabited = re.search(r"at least one of the (\w+)\.", text)[1]  # type: ignore[index]
    else:
        kind, target = "All", statement.split()[-1]
        subject = inhabited = re.search(rf"{statement.split()[0]} is one of the (\w+)\.", text)[1]  # type: ignore[index]
    against = [subject in being and (target in being) != (kind == "All") for being in beings]
    known_beings = [refutes for refutes, being in zip(against, beings, strict=True) if inhabited in being]
    return "true" if not any(against) else "false" if all(known_beings) else "unknown"


def dated(text: str) -> str:
    if "weekday" not in text and "day of the week" not in text:
        first, last = (datetime.strptime(d, "%d %B %Y") for d in re.findall(r"\d+ [A-Z][a-z]+ \d{4}", text))
        return str((last - first).days)
    day = datetime(2024, 1, 1)
    while day.strftime("%A") not in text:
        day += timedelta(1)
    (days,) = numbers(text)
    backwards = "ago" in text or "was it sent" in text
    return (day - timedelta(days) if backwards else day + timedelta(days)).strftime("%A")


def counted(text: str) -> int:
    if "choir" in text:
        choir, chess = (set(re.findall(r"[A-Z]\w+", part)) for part in re.findall(r": ([^.]+)\.", text)[:2])
        in_both = sum(name in chess for name in choir)
        return {
            "are in both": in_both,
            "are in at least one of the two": len(choir) + len(chess) - in_both,
            "sing without playing chess": len(choir) - in_both,
            "are in exactly one of the two": len(choir) + len(chess) - 2 * in_both,
        }[re.search(r"How many people (.+?)\?", text)[1]]  # type: ignore[index]
    if "{" not in text:
        everyone, first, second, both = numbers(text)
        return everyone - first - second + both
    sets = {name: ast.literal_eval(found) for name, found in re.findall(r"([ABC]) = (\{.+?\})", text)}
    rules: dict[str, Callable[[bool, bool, bool], bool]] = {
        "in A and in B but not in C": lambda a, b, c: a and b and not c,
        "in at least one of A, B and C": lambda a, b, c: a or b or c,
        "in A or B, but not in C": lambda a, b, c: (a or b) and not c,
        "in exactly one of A and B, and also in C": lambda a, b, c: a != b and c,
        "in A or in B or in both": lambda a, b, _: a or b,
        "in A but not in B": lambda a, b, _: a and not b,
        "in A and in B": lambda a, b, _: a and b,
    }
    rule = next(rules[phrase] for phrase in rules if phrase in text)
    return sum(rule(*(i in sets.get(name, ()) for name in "ABC")) for i in range(100))


def printed(text: str) -> str:
    lines = text.split("\n")
    program = "\n".join(lines[1 : 1 + next(i for i, line in enumerate(lines[1:], 1) if line.startswith("print("))])
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(program, {})  # noqa: S102  the program is the question
    return output.getvalue().strip()


def judged_or_printed(text: str) -> str:
    if "\n" in text:
        return printed(text)
    condition = re.search(r"`(.+?)`", text)[1]  # type: ignore[index]
    if "Boolean variables" in text or "truth table" in text:
        listed = re.search(r"(?:^|over )((?:[a-z], )+[a-z]) (?:are|make)", text)[1].split(", ")  # type: ignore[index]
        rows = itertools.product((False, True), repeat=len(listed))
        return str(sum(eval(condition, dict(zip(listed, row, strict=True))) for row in rows))  # noqa: S307
    last = max(numbers(text.replace(condition, "")))
    return str(sum(eval(condition, {"i": i}) for i in range(1, last + 1)))  # noqa: S307


def parsed(text: str) -> str | None:
    """Work out verbs and adjectives from the place of the words; None for questions about word forms."""
    if subject := re.search(r"[?:] The (\w+) .*___", text):
        return "are" if subject[1].endswith("s") else "is"
    if "adjectives" in text:
        sentence = re.search(r"[?:] The (.+?)\.", text)[1]  # type: ignore[index]
        phrases = re.sub(r"\b(stands|near|behind|beside|under|above|below)\b", "", sentence).split(" the ")
        return str(sum(len(phrase.split()) - 1 for phrase in phrases))
    return None


SOLVERS: dict[str, Callable[[str], object]] = {
    "addition": added,
    "multiplication": multiplied,
    "percentages": percent_worked_step_by_step,
    "unit-conversion": converted,
    "ordering": ranked,
    "syllogisms": judged,
    "calendar": dated,
    "sets": counted,
    "lists": printed,
    "strings": printed,
    "booleans": judged_or_printed,
    "loops": printed,
    "grammar": parsed,
}


@pytest.mark.parametrize("category", SOLVERS)
def test_gold_answers_are_what_another_route_finds(category: str, questions: list[SampleQuestion]) -> None:
    found = {q.prompt: SOLVERS[category](q.prompt) for q in questions if q.category == category}
    known = {prompt: str(answer) for prompt, answer in found.items() if answer is not None}

    assert len(known) >= 30
    assert known == {q.prompt: gold(q) for q in questions if q.prompt in known}


HAND_WORKED = [
    ("spelling", "Which spelling is right? arctick height beleive rythm", "height"),
    ("spelling", "Count the spelling mistakes in this list: rythm, foriegn, recieve.", "3"),
    ("spelling", "knowledge, restaurant, disapear, miniature, reccommend, occurrence and guarantee", "2"),
    ("spelling", "Correct the spelling of 'priviledge'.", "privilege"),
    ("synonyms", "'Begin' is closest in meaning to which word? little endow inaugurate fracture", "inaugurate"),
    ("synonyms", "furious, unusual, livid, irate and angry mean about the same. Which one does not fit?", "unusual"),
    ("synonyms", "Count the synonyms of 'support' in this list: succour, aid, bestow.", "2"),
    ("synonyms", "as 'gloomy'? huge conclude sluggish sorrowful", "sorrowful"),
    ("translation", "in English reads 'shirt, city'. What does it say in Spanish?", "camisa, ciudad"),
    ("translation", "What is the English word for the French word 'neige'? head snow book horse", "snow"),
    ("translation", "luna, casa, gato, noche, queso. Find the one that translates 'Mond' from German.", "luna"),
    ("translation", "Translate 'water' from English into Spanish. Answer", "agua"),
    ("grammar", "Which line gives the plural of each of these words: potato, berry?", "potatoes, berries"),
    ("grammar", "The bottle stands behind the blue chair behind the warm small map.", "3"),
    ("grammar", "The painting below the ladder beside the coin under the chair above the letter ___ ready.", "is"),
    ("grammar", "Put the words 'choose, speak, grow, break' into the past tense.", "chose, spoke, grew, broke"),
]


@pytest.mark.parametrize(("category", "text", "answer"), HAND_WORKED)
def test_gold_answers_are_what_a_person_finds(
    category: str, text: str, answer: str, questions: list[SampleQuestion]
) -> None:
    (question,) = [q for q in questions if q.category == category and text in " ".join([q.prompt, *(q.choices or ())])]

    assert gold(question) == answer


def test_word_lists_have_one_right_answer() -> None:
    synonyms = [word for group in words.SYNONYMS for word in group]
    spelled = [form for row in words.SPELLINGS for form in row]

    assert len(set(synonyms)) == len(synonyms)
    assert len(set(spelled)) == len(spelled)
    assert {len(group) for group in words.SYNONYMS} == {5}
    for column in zip(*words.TRANSLATIONS, strict=True):
        assert len(set(column)) == len(column)
    for _, right, wrong in words.PAST_TENSES + words.PLURALS:
        assert right != wrong


def simulated(choices: tuple[str, ...] | None, benchmark: str, category: str, level: int) -> dict[str, float]:
    question = SampleQuestion("id", benchmark, category, "text", choices, "A", "letter", level)
    return dict(zip(NAMES, probabilities([question])[0], strict=True))


def test_probability_of_an_average_candidate_on_a_question_of_its_level() -> None:
    of_four = simulated(("a", "b", "c", "d"), "sample-logic", "sets", level=3)

    # Ability 0, difficulty 0, so half of what guessing leaves: 1/4 + 3/4 * 1/2.
    assert of_four["sim-generalist-small"] == pytest.approx(0.625)


def test_probability_of_a_specialist_on_an_open_question() -> None:
    open_question = simulated(None, "sample-arithmetic", "unit-conversion", level=4)

    # Ability 0.2 + 3.2 - 2.0 = 1.4 and difficulty 1.6: 1 / (1 + e^0.2), e^0.2 = 1.2214.
    assert open_question["sim-maths-specialist"] == pytest.approx(1 / 2.2214, abs=1e-4)
    # Ability 2.3: 1 / (1 + e^-0.7), e^-0.7 = 0.4966.
    assert open_question["sim-generalist-large"] == pytest.approx(1 / 1.4966, abs=1e-4)


def test_drawn_scores_follow_the_probabilities(questions: list[SampleQuestion], scores: np.ndarray) -> None:
    expected = probabilities(questions)
    run = ~np.isnan(scores)

    for column, name in enumerate(NAMES):
        p = expected[run[:, column], column]
        z = (scores[run[:, column], column].sum() - p.sum()) / math.sqrt((p * (1 - p)).sum())

        assert abs(z) < 4, name


@pytest.mark.parametrize(
    ("specialist", "categories"),
    [
        ("sim-maths-specialist", ["addition", "multiplication", "percentages"]),
        ("sim-language-specialist", ["spelling", "grammar"]),
        ("sim-translator", ["translation"]),
        ("sim-logic-specialist", ["ordering", "syllogisms"]),
        ("sim-code-specialist", ["lists", "strings", "loops"]),
    ],
)
def test_specialists_beat_the_generalist_in_their_categories(
    specialist: str, categories: list[str], questions: list[SampleQuestion], scores: np.ndarray
) -> None:
    own, general = NAMES.index(specialist), NAMES.index("sim-generalist-large")
    rows = [question.category in categories for question in questions]

    assert scores[rows, own].mean() > scores[rows, general].mean() + 0.05
    for category in categories:
        rows = [question.category == category for question in questions]
        assert scores[rows, own].mean() > scores[rows, general].mean()


def test_there_is_something_to_gain_by_routing(questions: list[SampleQuestion], scores: np.ndarray) -> None:
    single = dict(zip(NAMES, np.nanmean(scores, axis=0), strict=True))
    by_category = np.mean(
        [
            np.nan_to_num(scores[[q.category == category for q in questions]].mean(axis=0)).max()
            for category in CATEGORIES
        ]
    )
    cheapest = min((c for c in CANDIDATES if c.price_out is not None), key=lambda c: c.price_out or 0.0)

    assert max(single, key=lambda name: single[name]) == "sim-generalist-large"
    assert 0.75 < max(single.values()) < 0.80
    assert 0.04 < by_category - max(single.values()) < 0.08
    assert 0.95 < np.nanmax(scores, axis=1).mean() < 0.98
    assert single[cheapest.name] < max(single.values()) - 0.25


def test_candidates_are_usable_and_recognisable_as_simulated() -> None:
    assert all(name.startswith("sim-") and fault_in_candidate(name) is None for name in NAMES)
    assert all(benchmark.startswith("sample-") for benchmark in BENCHMARKS)
    assert {candidate.released.year for candidate in CANDIDATES} == {2023, 2024, 2025}
    assert [candidate.name for candidate in CANDIDATES if candidate.price_in is None] == ["sim-open-preview"]


def test_collector_takes_the_sample_without_a_reject(folder: Path) -> None:
    collection = collect([str(folder)])

    assert collection.rejects.num_rows == 0
    assert collection.notes == ()
    assert collection.prompts.num_rows == 320
    assert collection.scores.num_rows == 320 * 12 - 80
    assert set(collection.candidates["family"].to_pylist()) == {"simulated"}
    assert collection.prompts["answer"].null_count == 0


def test_candidate_that_was_not_run_has_no_rows_and_one_without_price_has_none(folder: Path) -> None:
    collection = collect([str(folder)])

    run_on = {(row["candidate"], row["benchmark"]) for row in collection.scores.to_pylist()}
    prices = {row["candidate"]: row["price_in"] for row in collection.candidates.to_pylist()}

    assert {*itertools.product(NAMES, BENCHMARKS)} - run_on == {("sim-language-specialist", "sample-code")}
    assert prices["sim-open-preview"] is None
    assert prices["sim-generalist-tiny"] == 0.1


def test_readme_says_that_no_language_model_was_run(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")

    assert text.startswith("# Sample of modelsat: synthetic, no language model was run")
    assert all(f"`{name}`" in text for name in [*NAMES, *BENCHMARKS])


def columns(folder: Path) -> dict[str, list[str]]:
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def test_planted_specialist_is_right_in_its_category_only(folder: Path) -> None:
    sample.plant_specialist(folder, "syllogisms", "sim-planted")

    found = collect([str(folder)])
    planted = [row for row in found.scores.to_pylist() if row["candidate"] == "sim-planted"]

    assert len(planted) == 320
    assert all(row["score"] == (row["task"] == "syllogisms") for row in planted)
    assert found.rejects.num_rows == 0


@pytest.mark.parametrize(("category", "name"), [("astrology", "sim-new"), ("sets", "sim-translator")])
def test_planting_without_effect_is_refused(folder: Path, category: str, name: str) -> None:
    before = contents(folder)

    with pytest.raises(InputError, match="choose another"):
        sample.plant_specialist(folder, category, name)

    assert contents(folder) == before


def test_permuted_scores_keep_their_sums_and_gaps_and_nothing_else(folder: Path) -> None:
    before = columns(folder)

    sample.permute_scores(folder, seed=1)

    after = columns(folder)
    assert after["prompt_id"] == before["prompt_id"]
    for name in NAMES:
        assert sorted(after[name]) == sorted(before[name])
        assert [cell == "" for cell in after[name]] == [cell == "" for cell in before[name]]
        assert after[name] != before[name]
