"""The sample that stands in where no scores are given: synthetic questions, simulated candidates, tidy tables.

The questions and their answers are real, if simple. The candidates are not: see `modelsat.data.sample.candidates`.
Figures from this sample show that the product works and say nothing about any language model.
"""

from collections.abc import Sequence
from pathlib import Path

from modelsat.data.sample.candidates import CANDIDATES, DIFFICULTIES, NOT_RUN, draw_scores
from modelsat.data.sample.controls import permute_scores, plant_specialist
from modelsat.data.sample.questions import BENCHMARKS, SampleQuestion, draw
from modelsat.data.sample.tables import model_rows, prompt_rows, score_rows, write_csv
from modelsat.io.atomic import atomic_folder, write_text

__all__ = ["permute_scores", "plant_specialist", "write"]


def write(folder: Path, seed: int = 0, prompts: int = 2400) -> None:
    """Write the sample as tidy tables, completely or not at all; the same arguments give the same bytes.

    Args:
        folder: Replaced where it exists.
        seed: Of the questions and of the simulated answers, ≥ 0.
        prompts: How many, spread evenly over the categories.

    Raises:
        InputError: There are fewer prompts than categories, or more than the templates can make.
    """
    questions = draw(seed, prompts)
    scores = draw_scores(questions, seed)
    with atomic_folder(folder) as beside:
        write_csv(beside / "prompts.csv", prompt_rows(questions))
        write_csv(beside / "scores.csv", score_rows(questions, scores))
        write_csv(beside / "models.csv", model_rows())
        write_text(beside / "README.md", _readme(seed, questions))


def _readme(seed: int, questions: Sequence[SampleQuestion]) -> str:
    benchmarks = "\n".join(
        f"- `{benchmark}`: {', '.join(category.name for category in group)}" for benchmark, group in BENCHMARKS.items()
    )
    abilities = "\n".join(
        f"| `{c.name}` | {c.overall:+g} | {', '.join(f'{name} {value:+g}' for name, value in c.strengths.items())} |"
        for c in CANDIDATES
    )
    difficulties = ", ".join(f"{difficulty:+g}" for difficulty in DIFFICULTIES.values())
    return f"""# Sample of modelsat: synthetic, no language model was run

Written by `modelsat.data.sample.write` with seed {seed}: {len(questions)} questions from templates, answered by
{len(CANDIDATES)} simulated candidates. Figures from it show that the product works and say nothing about real models.

## Questions

{benchmarks}

Each has one of five levels, which shows in the text (more digits, longer lists, more steps). Half have options.
The answers in `prompts.csv` are computed, or come from word lists written by hand.

## Candidates

Scores are Bernoulli draws (1 right, 0 wrong) with

    P(right) = guess + (1 - guess) * sigmoid(ability - difficulty)

`guess` is one over the number of options, 0 for an open question; the `difficulty` of the five levels is
{difficulties}; `ability` is the candidate's overall level plus its strengths in the benchmark and in
the category. Names, dates, sizes and prices are made up. `{NOT_RUN[0]}` was not run on
`{NOT_RUN[1]}`: its cells are empty.

| candidate | overall | strengths |
|---|---|---|
{abilities}
"""
