"""The preferences of a request: which candidates may be chosen, and how. One form for every protocol.

    candidates               names that may be chosen; an unknown one is an error
    available                names that can be reached; others are not chosen, and unknown ones are ignored
    policy                   auto (the default): what the router promises (`promise`); best and cheap: the ends of the
                             dial; utility: most probability less weighted cost; cheapest: least cost
    cost_weight              the dial: probability given up for the cost of the most expensive candidate, in [0, 1]
    max_cost_usd             most that a prompt may cost, in USD; candidates without a price are excluded
    budget_usd               what all prompts of the request may cost together, in USD; within it the most successes
    min_success_probability  candidates that reach it rank first; if none does, the most likely one is chosen
    min_context_length       in tokens
    modalities               what the candidate must read besides text, such as image
    tools                    whether it must be able to call tools
    region                   where it must be served
    failed                   names that failed on the prompts: not chosen again, and the others are ranked accordingly
    top_k                    how many candidates are shown

An unknown property of a candidate counts as not fulfilled if the request asks for it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelsat.errors import InputError

AUTO, BEST, CHEAP, UTILITY, CHEAPEST = "auto", "best", "cheap", "utility", "cheapest"
SINGLE = "best single"
"""What `auto` comes to where a router promises nothing cheaper; no request can ask for it."""
POLICIES = (AUTO, BEST, CHEAP, UTILITY, CHEAPEST)
_LISTS = ("candidates", "modalities", "available", "failed")
NUMBERS = {"cost_weight": 1.0, "max_cost_usd": math.inf, "budget_usd": math.inf, "min_success_probability": 1.0}
"""Fields that may be fractions, with the most that each may be."""
WHOLE = {"min_context_length": 2**31, "top_k": 2**31}
_TEXTS = ("policy", "region")
_ADVICE = {"cost_weight": "; 0 ignores costs"}
_DECIDED_BY_BUDGET = {"policy": (AUTO, UTILITY), "cost_weight": (None, 0.0), "min_success_probability": (0.0,)}


@dataclass(frozen=True)
class Preferences:
    """Which candidates may be chosen for a prompt, and how. None leaves a limit unset.

    Attributes:
        candidates: Names that may be chosen; an unknown one is an error.
        policy: `auto`, the router's promised default; `best` and `cheap`, the ends of the dial; `utility`, success
            probability minus weighted cost; `cheapest`, the lowest cost.
        cost_weight: The dial: success probability given up to save the cost of the most expensive candidate, in [0, 1].
        max_cost_usd: Most that one prompt may cost, in USD.
        min_success_probability: Candidates that reach it rank first, in [0, 1].
        min_context_length: In tokens.
        modalities: What the candidate must read besides text, such as `image`.
        tools: Whether it must be able to call tools.
        region: Where it must be served.
        top_k: Number of candidates to show.
        budget_usd: Most that all prompts together may cost, in USD.
        available: Names that can be reached; unknown ones are ignored.
        failed: Names that failed on these prompts; the others are ranked accordingly.
    """

    candidates: tuple[str, ...] | None = None
    policy: str = AUTO
    cost_weight: float | None = None
    max_cost_usd: float | None = None
    min_success_probability: float = 0.0
    min_context_length: int | None = None
    modalities: tuple[str, ...] = ()
    tools: bool = False
    region: str | None = None
    top_k: int | None = None
    budget_usd: float | None = None
    available: tuple[str, ...] | None = None
    failed: tuple[str, ...] = ()


FIELDS = (*_LISTS, *NUMBERS, *WHOLE, *_TEXTS, "tools")


def read(fields: Mapping[str, Any]) -> Preferences:
    """Read preferences as requests spell them; lists may be texts with commas, since parameters of v2 are scalars.

    Raises:
        InputError: A field is unknown, of another kind, out of its range, or at odds with another.
    """
    unknown = sorted(str(name) for name in set(fields) - set(FIELDS))
    if unknown:
        # An ignored field would change nothing, so a misspelt name would go unnoticed.
        raise InputError(f"unknown parameter {unknown[0][:80]!r}; this router knows {', '.join(FIELDS)}")
    asked = Preferences(**{name: _value(name, value) for name, value in fields.items() if value is not None})
    if asked.budget_usd is not None:
        for name, neutral in _DECIDED_BY_BUDGET.items():
            if getattr(asked, name) not in neutral:
                raise InputError(f"budget_usd decides what a success may cost; leave out {name}")
        return replace(asked, policy=AUTO, cost_weight=None)
    if asked.cost_weight is not None and asked.policy in (BEST, CHEAP):
        raise InputError(f"policy {asked.policy} is an end of the dial that cost_weight turns; leave out one of them")
    return asked


def _value(name: str, value: Any) -> Any:
    if name in _LISTS:
        return _names(name, value)
    if name in NUMBERS:
        return _number(name, value, NUMBERS[name])
    if name in WHOLE:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < WHOLE[name]:
            raise InputError(f"{name} {_shown(value)} is not a whole number from 1 on")
        return value
    if name in _TEXTS:
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{name} {_shown(value)} is not a text")
        if name == "policy" and value not in POLICIES:
            raise InputError(f"policy {_shown(value)} is unknown; send one of {', '.join(POLICIES)}")
        return value
    if not isinstance(value, bool):
        raise InputError(f"{name} {_shown(value)} is neither true nor false")
    return value


def _names(name: str, value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
        raise InputError(f"{name} {_shown(value)} is not a list of names")
    return tuple(one.strip() for one in names if one.strip())


def _number(name: str, value: Any, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} {_shown(value)} is not a number")
    fault = f"outside [0, {most:g}]" if most < math.inf else "not a number from 0 on"
    # An integer of JSON may be too large for a float; comparing it is not.
    if not 0 <= value <= most or value == math.inf:
        raise InputError(f"{name} {_shown(value)} is {fault}{_ADVICE.get(name, '')}")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{name} is too large; send a smaller number") from None


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 40 else f"of {len(repr(value))} characters"
