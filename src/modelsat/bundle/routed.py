"""Routed prompts as a notebook shows them: a table that prints, and data frames."""

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from modelsat.bundle import ranking as rankings
from modelsat.bundle.ranking import Ranking
from modelsat.io.printed_table import MISSING, PrintedTable, shortened
from modelsat.policy.preferences import Preferences
from modelsat.routers.router import FOREIGN

if TYPE_CHECKING:
    import pandas

_SHOWN_ROWS = 20
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, repr=False)
class RoutedPrompts:
    """The answer to `LoadedRouter.route`; it prints as a table.

    Attributes:
        prompts: Texts as the router read them, in the order given.
        ranking: Every candidate for every prompt, best first.
        preferences: What the candidates were ranked by.
        digest: SHA-256 digest of the router's bundle.
    """

    prompts: tuple[str, ...]
    ranking: Ranking
    preferences: Preferences
    digest: str

    @property
    def model(self) -> list[str]:
        """Return the chosen candidate of each prompt."""
        return self.ranking.model

    def __len__(self) -> int:
        """Return how many prompts were routed."""
        return len(self.prompts)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return one row per prompt.

        Columns: `prompt`, `model`, `success_probability` in [0, 1], `expected_cost_usd` (missing where the price is),
        `seen_in_training`, `truncated`, and `foreign` in [0, 1].
        """
        ranking = self.ranking
        columns = {
            "prompt": list(self.prompts),
            "model": ranking.model,
            "success_probability": ranking.success_probability[:, 0],
            "expected_cost_usd": ranking.expected_cost_usd[:, 0],
            "seen_in_training": ranking.seen_in_training[:, 0],
            "truncated": ranking.truncated,
            "foreign": ranking.foreign,
        }
        return pa.table(columns).to_pandas()

    def candidates_to_pandas(self) -> "pandas.DataFrame":
        """Return one row per prompt and candidate, best first within a prompt.

        Columns: `prompt_number` from 0, `prompt`, `rank` from 1, `candidate`, `success_probability` (missing for a
        candidate that the preferences exclude), `expected_cost_usd`, `seen_in_training`.
        """
        ranking, shown = self.ranking, self._shown()
        n = len(self.prompts)
        columns = {
            "prompt_number": np.repeat(np.arange(n), shown),
            "prompt": np.repeat(np.asarray(self.prompts, dtype=object), shown),
            "rank": np.tile(np.arange(1, shown + 1), n),
            "candidate": ranking.candidates[:, :shown].ravel(),
            "success_probability": ranking.success_probability[:, :shown].ravel(),
            "expected_cost_usd": ranking.expected_cost_usd[:, :shown].ravel(),
            "seen_in_training": ranking.seen_in_training[:, :shown].ravel(),
        }
        return pa.table(columns).to_pandas()

    def __str__(self) -> str:
        """Return the candidates of a single prompt and the reason, or one line per prompt of several."""
        return f"{self._heading()}\n\n{self._table().text()}{self._footer()}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        footer = html.escape(self._footer().strip())
        return f"<p>{html.escape(self._heading())}</p>{self._table().html()}<p>{footer}</p>"

    def _heading(self) -> str:
        n = len(self.prompts)
        return f"{n:,} {'prompt' if n == 1 else 'prompts'} routed by modelsat router {self.digest[:12]}"

    def _footer(self) -> str:
        if len(self.prompts) == 1:
            foreign = float(self.ranking.foreign[0])
            caution = f"\n{rankings.unfamiliar(foreign)}" if foreign >= FOREIGN else ""
            return f"\n\n{rankings.reason(rankings.rows(self.ranking), self.ranking.preferences)}{caution}"
        more = len(self.prompts) - _SHOWN_ROWS
        return f"\n\n{more:,} more; to_pandas() holds all" if more > 0 else ""

    def _table(self) -> PrintedTable:
        if len(self.prompts) == 1:
            rows = [row for row in rankings.rows(self.ranking) if row["success_probability"] is not None]
            cells = [_cells(str(row["candidate"]), row) for row in rows[: self._shown()]]
            return PrintedTable(("model", "success", "USD/1,000 prompts"), cells, marked=0)
        firsts = [rankings.rows(self.ranking, i)[0] for i in range(min(len(self.prompts), _SHOWN_ROWS))]
        lines = [
            (shortened(prompt, _SHOWN_CHARACTERS), *_cells(str(row["candidate"]), row))
            for prompt, row in zip(self.prompts, firsts, strict=False)
        ]
        return PrintedTable(("prompt", "model", "success", "USD/1,000 prompts"), lines, texts=2)

    def _shown(self) -> int:
        """Return how many candidates of a prompt are shown."""
        known = self.ranking.candidates.shape[1]
        return min(self.preferences.top_k or known, known)


def _cells(name: str, row: dict[str, Any]) -> tuple[str, str, str]:
    cost = row["expected_cost_usd"]
    return name, f"{row['success_probability']:.3f}", MISSING if cost is None else f"{1000 * cost:.3f}"
