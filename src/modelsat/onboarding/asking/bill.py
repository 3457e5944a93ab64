"""What asking costs: estimated before, added up afterwards, and kept below a budget while it goes on."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelsat.errors import InputError
from modelsat.onboarding.asking.questions import wording
from modelsat.onboarding.asking.settings import AskingSettings
from modelsat.policy import costs

_PESSIMISM = 2.0
"""How many times more tokens than four characters each a question may have: code, numbers, other scripts."""
_THINKING_TOKENS_OUT = 2000.0
"""Assumed of an answer with the thoughts before it."""


@dataclass(frozen=True)
class Prices:
    """USD per million tokens, None where the catalogue does not say."""

    price_in: float | None
    price_out: float | None

    def of(self, tokens_in: float | None, tokens_out: float | None) -> float | None:
        """Return USD, None where a price or a count is missing."""
        if self.price_in is None or self.price_out is None or tokens_in is None or tokens_out is None:
            return None
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


@dataclass(frozen=True)
class Estimate:
    """What questions will cost: tokens, USD as expected and at most; USD is None where a price is missing."""

    tokens_in: int
    tokens_out: int
    usd: float | None
    usd_most: float | None


def estimate(questions: Iterable[Mapping[str, Any]], prices: Prices, max_tokens: int, thinks: bool = False) -> Estimate:
    """Estimate the cost of questions: a token is four characters, an answer as long as where none was ever logged.

    Args:
        questions: Rows of the contract `APTITUDE_TEST`.
        prices: Of the candidate.
        max_tokens: Longest answer.
        thinks: Whether the candidate thinks before it answers, which is charged as part of the answer.
    """
    texts = [wording(question) for question in questions]
    tokens_in = float(costs.tokens_in(texts).sum())
    tokens_out = len(texts) * min(_THINKING_TOKENS_OUT if thinks else costs.DEFAULT_TOKENS_OUT, max_tokens)
    most = prices.of(tokens_in * _PESSIMISM, len(texts) * max_tokens)
    return Estimate(round(tokens_in), round(tokens_out), prices.of(tokens_in, tokens_out), most)


class Purse:
    """Lets a question begin only while the budget covers it and all that are in flight, each at its worst.

    Args:
        settings: Has the budget and the longest answer.
        prices: Of the candidate.

    Attributes:
        spent: USD so far; an answer without a known cost counts at its worst.

    Raises:
        InputError: There is a budget and no price to hold against it.
    """

    def __init__(self, settings: AskingSettings, prices: Prices) -> None:
        if settings.budget_usd is not None and prices.of(0, 0) is None:
            raise InputError("a budget needs prices; add price_in and price_out to the candidate's catalogue row")
        self._left = math.inf if settings.budget_usd is None else settings.budget_usd
        self._prices, self._max_tokens = prices, settings.longest_answer
        self.spent = 0.0

    def worst(self, question: Mapping[str, Any]) -> float:
        """Return what a question can cost at most, in USD; 0 where that is unknown."""
        return estimate([question], self._prices, self._max_tokens).usd_most or 0.0

    def reserve(self, usd: float) -> bool:
        """Set money aside and say whether there was enough."""
        if usd > self._left:
            return False
        self._left -= usd
        return True

    def settle(self, reserved: float, usd: float | None) -> None:
        """Give back what was set aside and take what it really cost."""
        cost = reserved if usd is None else usd
        self._left += reserved - cost
        self.spent += cost
