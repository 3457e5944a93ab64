"""The log of requests: what was asked, which model answered, and what came of it, as parallel arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from modelsat.data.aliases import Roster
from modelsat.policy import costs

FIELDS = (
    "at",
    "prompt",
    "model",
    "outcome",
    "cost_usd",
    "latency_seconds",
    "propensity",
    "tokens_in",
    "tokens_out",
)
"""Keys of a row as readers return it; all but `prompt` and `model` may be missing."""


@dataclass(frozen=True)
class RequestLog:
    """Answered requests, one a row; n rows. Numbers are float64, NaN where unknown.

    Attributes:
        at: When each was asked, in seconds since 1970, (n,).
        prompt: What a router reads of it, object (n,).
        model: Which model answered, object (n,).
        outcome: How good the answer was, in [0, 1], (n,).
        cost_usd: What it cost, in USD, (n,).
        latency_seconds: How long it took, (n,).
        propensity: With which probability that model was chosen, in (0, 1], (n,); 1 where nothing was left to chance.
        tokens_in: Length of the prompt, (n,).
        tokens_out: Length of the answer, (n,).
    """

    at: np.ndarray
    prompt: np.ndarray
    model: np.ndarray
    outcome: np.ndarray
    cost_usd: np.ndarray
    latency_seconds: np.ndarray
    propensity: np.ndarray
    tokens_in: np.ndarray
    tokens_out: np.ndarray

    def __len__(self) -> int:
        """Return n."""
        return len(self.prompt)

    def take(self, rows: np.ndarray) -> "RequestLog":
        """Return some of the rows, by index or boolean mask."""
        return RequestLog(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def is_rated(self) -> np.ndarray:
        """Say which answers have an outcome, boolean (n,)."""
        return np.asarray(~np.isnan(self.outcome))

    def in_order(self) -> "RequestLog":
        """Return the rows by time; those without one keep their place among themselves, at the end."""
        return self.take(np.argsort(self.at, kind="stable"))

    def named(self, models: Sequence[str]) -> np.ndarray:
        """Return the column of each row's model in an order of models, -1 for others, (n,)."""
        column = {name: i for i, name in enumerate(models)}
        return np.asarray([column.get(name, -1) for name in self.model], dtype=np.int64)


def of_rows(rows: Sequence[Mapping[str, object]]) -> RequestLog:
    """Return a log of rows with the keys `FIELDS`; what is missing or None becomes NaN."""

    def numbers(name: str) -> np.ndarray:
        return np.asarray([np.nan if row.get(name) is None else row[name] for row in rows], dtype=np.float64)

    def texts(name: str) -> np.ndarray:
        column = np.empty(len(rows), dtype=object)
        column[:] = [row[name] for row in rows]
        return column

    texts_of = {name: texts(name) for name in ("prompt", "model")}
    return RequestLog(**texts_of, **{name: numbers(name) for name in FIELDS if name not in texts_of})


def with_catalogue(log: RequestLog, catalogue: pa.Table) -> RequestLog:
    """Return the log with the catalogue's names, and with costs at its prices where none was logged and tokens were.

    Args:
        log: As it was read.
        catalogue: Table of the contract `CANDIDATES`; models that it does not list keep their name.
    """
    roster = Roster.of(catalogue)
    known = log.model.copy()
    known[:] = [roster.resolve(name) or name for name in log.model]
    place = {name: i for i, name in enumerate(catalogue["candidate"].to_pylist())}
    rows = np.asarray([place.get(name, -1) for name in known], dtype=np.int64)
    price_in, price_out = (
        np.append(costs.numbers(catalogue[name]), np.nan)[rows] for name in ("price_in", "price_out")
    )
    listed = (log.tokens_in * price_in + log.tokens_out * price_out) / 1e6
    columns = {field.name: getattr(log, field.name) for field in fields(log)}
    return RequestLog(**columns | {"model": known, "cost_usd": np.where(np.isnan(log.cost_usd), listed, log.cost_usd)})
