"""What the next answer of a conversation is expected to cost, with the history that is sent along.

The router expects costs of the question alone. Tokens are estimated, at four characters each.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelsat.policy import switching
from modelsat.policy.costs import CHARACTERS_PER_TOKEN
from modelsat.text.conversation import text_of
from serving.gateway.catalogue import CandidateFacts
from serving.gateway.chat_request import ChatRequest
from serving.gateway.sessions import Previous

TURN = "turn_cost_usd"
_BESIDE = ("tools", "functions", "system", "instructions")
"""Fields that every turn sends again, beside its messages."""


@dataclass(frozen=True)
class History:
    """What a request sends beside what was routed on, in tokens.

    Attributes:
        tokens: All of it.
        repeated: What the candidate of the last answer has read before.
    """

    tokens: float
    repeated: float


def of_request(chat: ChatRequest, read: str) -> History:
    """Return a request's history.

    Args:
        chat: The request.
        read: What was routed on.
    """
    answers = [i for i, message in enumerate(chat.messages) if message.get("role") == "assistant"]
    beside = sum(len(json.dumps(chat.forwarded[name])) for name in _BESIDE if chat.forwarded.get(name))
    before = beside + sum(map(_characters, chat.messages[: answers[-1]] if answers else ()))
    rest = sum(map(_characters, chat.messages[answers[-1] :] if answers else chat.messages))
    tokens = max(before + rest - len(read), 0) / CHARACTERS_PER_TOKEN
    return History(tokens, min(before / CHARACTERS_PER_TOKEN, tokens))


def with_history(
    ranked: Sequence[Mapping[str, Any]],
    history: History,
    last: Previous,
    facts: Mapping[str, CandidateFacts],
) -> list[dict[str, Any]]:
    """Return the rows of a ranking with the cost of the whole turn as `turn_cost_usd`, None where none is known.

    Where one of the priced candidates has no known input price the rows come back as they are: a history that counts
    for some of them alone would move the choice.

    Args:
        ranked: Rows of `modelsat.bundle.ranking.rows`.
        history: Of the request.
        last: Who gave the last answer, whose provider has the history cached for a while.
        facts: Of the candidates, with their prices.
    """
    names = [str(row["candidate"]) for row in ranked]
    prices = [facts.get(name, CandidateFacts()).prices for name in names]
    if any(
        row["expected_cost_usd"] is not None and one.price_in is None for row, one in zip(ranked, prices, strict=True)
    ):
        return [dict(row) for row in ranked]
    is_cached = last.seconds <= switching.CACHED_SECONDS
    costs = switching.turn_costs(
        _numbers([row["expected_cost_usd"] for row in ranked]),
        history.tokens,
        np.asarray([history.repeated if is_cached and name == last.candidate else 0.0 for name in names]),
        _numbers([one.price_in for one in prices]),
        _numbers([one.price_cached_in for one in prices]),
    )
    return [{**row, TURN: None if np.isnan(cost) else float(cost)} for row, cost in zip(ranked, costs, strict=True)]


def expected(row: Mapping[str, Any]) -> float | None:
    """Return what an answer is expected to cost in USD: the whole turn, else the question alone; None where unknown."""
    cost = row[TURN] if TURN in row else row["expected_cost_usd"]
    return None if cost is None else float(cost)


def _characters(message: Mapping[str, Any]) -> int:
    calls = message.get("tool_calls")
    return len(text_of(message)) + (len(json.dumps(calls)) if calls else 0)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.asarray([np.nan if value is None else value for value in values], dtype=np.float64)
