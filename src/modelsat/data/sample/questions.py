"""Questions with computed answers, drawn from templates: 16 categories in 4 benchmarks, five levels of difficulty."""

from dataclasses import dataclass
from random import Random

from modelsat.data.sample import arithmetic, code, language, logic
from modelsat.data.sample.drafts import LEVELS, NUMBER, Category, Draft
from modelsat.errors import InputError
from modelsat.text.rendering import option_letter, stem_digest

BENCHMARKS: dict[str, tuple[Category, ...]] = {
    "sample-arithmetic": arithmetic.CATEGORIES,
    "sample-language": language.CATEGORIES,
    "sample-logic": logic.CATEGORIES,
    "sample-code": code.CATEGORIES,
}

_TRIES = 200


@dataclass(frozen=True)
class SampleQuestion:
    """One prompt with its gold answer; `choices` is None for an open question."""

    prompt_id: str
    benchmark: str
    category: str
    prompt: str
    choices: tuple[str, ...] | None
    answer: str
    scorer: str
    level: int


def draw(seed: int, prompts: int) -> list[SampleQuestion]:
    """Draw questions of which no two share a stem, spread evenly over categories, levels and the two ways of asking.

    Args:
        seed: Each category has its own stream, so that one more category leaves the others as they were.
        prompts: How many in all, at least one for each category.

    Raises:
        InputError: There are fewer prompts than categories, or more than the templates can make.
    """
    categories = [(benchmark, category) for benchmark, group in BENCHMARKS.items() for category in group]
    if prompts < len(categories):
        raise InputError(f"a sample of {prompts} prompts is too small; ask for at least {len(categories)}")
    questions: list[SampleQuestion] = []
    stems: set[str] = set()
    for i, (benchmark, category) in enumerate(categories):
        rng = Random(f"{seed}/{category.name}")  # noqa: S311  a reproducible sample is wanted, not a secret
        for number in range(prompts // len(categories) + (i < prompts % len(categories))):
            questions.append(_draw_one(rng, benchmark, category, number, stems))
    return questions


def _draw_one(rng: Random, benchmark: str, category: Category, number: int, stems: set[str]) -> SampleQuestion:
    level = LEVELS[number % len(LEVELS)]
    has_choices = number // len(LEVELS) % 2 == 0
    for _ in range(_TRIES):
        draft = rng.choice(category.choice if has_choices else category.open)(rng, level)
        prompt, choices, answer, scorer = _with_choices(rng, draft) if has_choices else _open(rng, draft)
        stem = stem_digest(prompt, choices)
        if stem not in stems:
            stems.add(stem)
            prompt_id = f"sample-{category.name}-{number + 1:04d}"
            return SampleQuestion(prompt_id, benchmark, category.name, prompt, choices, answer, scorer, level)
    raise InputError(f"the templates of {category.name!r} make about {number} different prompts; ask for fewer prompts")


def _with_choices(rng: Random, draft: Draft) -> tuple[str, tuple[str, ...], str, str]:
    choices = [draft.answer, *draft.wrong]
    rng.shuffle(choices)
    return draft.text, tuple(choices), option_letter(choices.index(draft.answer)), "letter"


def _open(rng: Random, draft: Draft) -> tuple[str, None, str, str]:
    hint = rng.choice(("Answer with {}.", "Give only {}.", "Reply with nothing but {}.")).format(draft.form)
    separator = "\n" if "\n" in draft.text else " "
    return f"{draft.text}{separator}{hint}", None, draft.answer, "number" if draft.form == NUMBER else "exact"
