"""Which of a task's metrics and filters counts: one pair for all runs of the task, the same for every candidate.

A metric must say of each document how well it was answered, in [0, 1], more is better. `-1` stands for "not this
document", as RULER writes for the lengths that a document does not have; then each document is scored by the metric
that has it. A metric on another scale (points, percentages, likelihoods) gives way to the next.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

PREFERRED_METRICS = (
    "exact_match",
    "acc",
    "acc_norm",
    "prompt_level_strict_acc",
    "pass@1",
    "pass_at_1",
    "em",
    "f1",
    "mc2",
)
PREFERRED_FILTERS = ("none", "flexible-extract")
BYPASS = "bypass"
ABSENT = -1

_LESS_IS_BETTER = re.compile(
    r".*(?:perplexity|bits_per_byte|brier_score|loss|likelihood_diff|pct_stereotype|toxicity"
    r"|hallucination(?:_rate)?|error_rate|edit_distance|latency)|(?:.*_)?(?:[wct]er|r?mse|mae|ece)"
)
_VOTE = re.compile(r"maj(?:ority)?[@_-]?\d*.*|.*(?:majority|vote|consensus|best_of).*|maj")
_MANY = re.compile(r"(?:pass|maj|cons|best|avg)(?:@|_at_)(?!1$)\d+.*")
_ELSEWHERE = 0.5

Measure = tuple[str, str]


def ordered(
    pairs: Iterable[Measure], better: Mapping[str, object], filters: Mapping[str, Mapping[str, object]]
) -> list[Measure]:
    """Return the (metric, filter) pairs that may stand for a task, the best first.

    Args:
        pairs: What the results file lists.
        better: Whether more is better, by metric, where the file says so.
        filters: The task's filters by name, as configured; one with a majority vote looks at many samples.
    """
    usable = [
        pair
        for pair in pairs
        if pair[0] != BYPASS
        and better.get(pair[0]) is not False
        and (better.get(pair[0]) or not _LESS_IS_BETTER.fullmatch(pair[0]))
    ]

    def place(pair: Measure) -> tuple[object, ...]:
        metric, name = pair
        is_vote = _is_vote(name, filters.get(name, {})) or bool(_MANY.fullmatch(metric))
        return (is_vote, *_rank(metric, PREFERRED_METRICS), *_rank(name, PREFERRED_FILTERS))

    return sorted(usable, key=place)


def chosen(orders: Sequence[Sequence[Measure]], values: Mapping[Measure, Sequence[object]]) -> list[Measure]:
    """Return what stands for a task: one pair, or several of which each document has one, or none.

    Args:
        orders: For each run of the task its pairs, the best first.
        values: What each pair says of the documents of all runs.
    """
    usable = {pair: kind for pair, found in values.items() if (kind := _kind(pair[0], found)) is not None}
    everywhere = [pair for pair in (orders[0] if orders else []) if all(pair in order for order in orders)]
    for pairs in (everywhere, [pair for order in orders for pair in order]):
        whole = next((pair for pair in pairs if usable.get(pair) == "whole"), None)
        if whole:
            return [whole]
        if parts := [pair for pair in dict.fromkeys(pairs) if usable.get(pair) == "part"]:
            return [pair for pair in parts if pair[1] == parts[0][1]]
    return []


def _kind(metric: str, found: Sequence[object]) -> str | None:
    """Say whether a metric scores the documents wholly or in part, None where it is no score of documents."""
    if found and all(isinstance(value, list | dict) for value in found):
        return None
    numbers = [value for value in found if isinstance(value, int | float)]
    absent = sum(value == ABSENT for value in numbers)
    if absent and absent == len(numbers):
        return None
    outside = sum(not 0 <= value <= 1 and value != ABSENT and abs(value) != float("inf") for value in numbers)
    # A metric that is known to lie in [0, 1] may have a bad row, which validation names; another is on its own scale.
    tolerated = _ELSEWHERE * len(numbers) if metric in PREFERRED_METRICS else 1
    if outside and outside >= tolerated:
        return None
    return "part" if absent > 1 or (absent and metric not in PREFERRED_METRICS) else "whole"


def _is_vote(name: str, configured: Mapping[str, object]) -> bool:
    steps = configured.get("filter")
    functions = [step.get("function") for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    return "majority_vote" in functions or bool(_VOTE.fullmatch(name))


def _rank(name: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)
