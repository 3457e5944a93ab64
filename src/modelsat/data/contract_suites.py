"""The data contract as expectations: one suite per table, each with its remedies and limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelsat.data import suspects
from modelsat.data.expectations import WARNING, Rule


@dataclass(frozen=True)
class ValidationLimits:
    """The settings of validation.

    Attributes:
        max_rejected_share: Largest tolerated share of rejected rows, in [0, 1].
        max_drift: Largest tolerated change of a candidate's mean on a benchmark since the champion's data, in [0, 1].
        perfect_score: A mean at or above this over `enough_prompts` is suspicious, in [0, 1].
        enough_prompts: Means over fewer prompts are not checked.
        longest_prompt: Longer prompts give a warning, in characters.
        most_times_list: By which factor measured costs may differ from list prices without a warning, above 1.
    """

    max_rejected_share: float = 0.0
    max_drift: float = 0.10
    perfect_score: float = 0.995
    enough_prompts: int = 50
    longest_prompt: int = 32_768
    most_times_list: float = 100.0


def some_scores() -> list[Rule]:
    """Return the expectation about the number of scores."""
    return [
        Rule(
            "There are scores",
            "ExpectTableRowCountToBeBetween",
            {"min_value": 1, "max_value": 10**9},
            "collect some results",
        )
    ]


def scores(prompts: Sequence[str], candidates: Sequence[str]) -> list[Rule]:
    """Return the expectations about every score.

    Args:
        prompts: Ids of the known prompts, as far as they are among the scores to judge.
        candidates: Names of the known candidates, likewise.
    """
    return [
        Rule(
            "Every score is a number",
            "ExpectColumnValuesToNotBeNull",
            {"column": "score"},
            "remove the row where a candidate was not run",
            suspect=suspects.NO_NUMBER,
        ),
        Rule(
            "Every score lies in [0, 1]",
            "ExpectColumnValuesToBeBetween",
            {"column": "score", "min_value": 0, "max_value": 1},
            "rescale percentages and points to [0, 1] before upload, or name a file of percentages scores_percent.csv",
            suspect=suspects.OUT_OF_RANGE,
        ),
        Rule(
            "Every score names its candidate",
            "ExpectColumnValuesToNotBeNull",
            {"column": "candidate"},
            "name the candidate",
        ),
        Rule(
            "Every score names its prompt", "ExpectColumnValuesToNotBeNull", {"column": "prompt_id"}, "name the prompt"
        ),
        Rule(
            "Every score's prompt is known",
            "ExpectColumnValuesToBeInSet",
            {"column": "prompt_id", "value_set": prompts},
            "add the prompt to the prompts table or remove its scores",
            suspect=suspects.UNKNOWN_PROMPT,
        ),
        Rule(
            "Every score's candidate is known",
            "ExpectColumnValuesToBeInSet",
            {"column": "candidate", "value_set": candidates},
            "add the candidate to the models table",
            suspect=suspects.UNKNOWN_CANDIDATE,
        ),
        Rule(
            "A candidate has one score per prompt",
            "ExpectCompoundColumnsToBeUnique",
            {"column_list": ["candidate", "prompt_id"]},
            "keep one of the rows, or one metric of the benchmark",
            suspect=suspects.TWICE,
        ),
    ]


def some_prompts() -> list[Rule]:
    """Return the expectation about the number of prompts."""
    return [
        Rule(
            "There are prompts",
            "ExpectTableRowCountToBeBetween",
            {"min_value": 1, "max_value": 10**9},
            "add the prompts table",
        )
    ]


def prompts(limits: ValidationLimits) -> list[Rule]:
    """Return the expectations about every prompt."""
    return [
        Rule(
            "Every prompt stands once",
            "ExpectColumnValuesToBeUnique",
            {"column": "prompt_id"},
            "give each prompt its own id",
            suspect=suspects.TWICE,
        ),
        Rule(
            "Every prompt has a text",
            "ExpectColumnValuesToBeBetween",
            {"column": "characters", "min_value": 1},
            "add the text",
            suspect=suspects.EMPTY,
        ),
        Rule(
            f"No prompt is longer than {limits.longest_prompt:,} characters",
            "ExpectColumnValuesToBeBetween",
            {"column": "characters", "max_value": limits.longest_prompt},
            "the router reads only a part of it; shorten it or leave it out if that misleads",
            WARNING,
            suspects.LONG,
        ),
    ]


def candidates(limits: ValidationLimits) -> list[Rule]:
    """Return the expectations about every candidate, its properties and its scores overall."""
    return [
        Rule(
            "There are at least two candidates",
            "ExpectTableRowCountToBeBetween",
            {"min_value": 2, "max_value": 10**6},
            "collect results of a second candidate",
        ),
        Rule(
            f"No candidate scores the same on {limits.enough_prompts} or more prompts",
            "ExpectColumnValuesToNotBeInSet",
            {"column": "constant", "value_set": [True]},
            "check how this candidate was scored; a run that failed or was copied looks like this",
        ),
        Rule(
            f"No candidate's mean reaches {limits.perfect_score} on {limits.enough_prompts} or more prompts",
            "ExpectColumnValuesToNotBeInSet",
            {"column": "suspiciously_perfect", "value_set": [True]},
            "check for answers that leaked into the candidate or its scorer",
        ),
        Rule(
            "Every price is a number of at least 0",
            "ExpectColumnValuesToNotBeInSet",
            {"column": "impossible_price", "value_set": [True]},
            "correct price_in or price_out; leave it empty where it is not known",
        ),
        Rule(
            "Every candidate has prices",
            "ExpectColumnValuesToNotBeNull",
            {"column": "price"},
            "add price_in and price_out, or what was paid; until then it counts as the most expensive",
            WARNING,
        ),
    ]


def paid(limits: ValidationLimits) -> list[Rule]:
    """Return the expectations about every candidate of which measured costs are known."""
    most = limits.most_times_list
    return [
        Rule(
            f"What was paid lies within {most:g} times of list prices",
            "ExpectColumnValuesToBeBetween",
            {"column": "times_list", "min_value": 1 / most, "max_value": most},
            "check the unit of cost_usd (US dollars per answer) and of the prices (USD per million tokens)",
            WARNING,
        ),
    ]


def benchmarks(limits: ValidationLimits) -> list[Rule]:
    """Return the expectations about every candidate on every benchmark."""
    return [
        Rule(
            f"No candidate scores the same on {limits.enough_prompts} or more prompts of a benchmark",
            "ExpectColumnValuesToNotBeInSet",
            {"column": "constant", "value_set": [True]},
            "check how the candidate was scored there; a run that failed or answers that were cut off look like this",
            WARNING,
        ),
    ]


def drift(limits: ValidationLimits) -> list[Rule]:
    """Return the expectations about means that the champion's data also contains."""
    return [
        Rule(
            f"No candidate's mean on a benchmark moved by more than {limits.max_drift:.0%} since the champion's data",
            "ExpectColumnValuesToBeBetween",
            {"column": "change", "min_value": -limits.max_drift, "max_value": limits.max_drift},
            "check the harness of this run; raise validate_max_drift if the change is real",
        )
    ]
