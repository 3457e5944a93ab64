"""Who is who: a model goes by several names, and one of them is canonical.

A catalogue, a folder of results and a bundle may call the same model `ada`, `org/ada` or `ada-2024`. Names are resolved
here, where they come in; the rest of the program carries canonical names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Roster:
    """The names of some candidates.

    Attributes:
        canonical: Canonical name by every name and alias. A name goes before an alias; an alias of two candidates means
            the first of them.
    """

    canonical: Mapping[str, str]

    @classmethod
    def of(cls, *tables: pa.Table) -> "Roster":
        """Return the roster of tables of the contract `CANDIDATES`, in the order of precedence."""
        rows: list[dict[str, Any]] = [row for table in tables for row in table.to_pylist()]
        canonical = {row["candidate"]: row["candidate"] for row in rows}
        for row in rows:
            for alias in row["aliases"] or ():
                canonical.setdefault(alias, row["candidate"])
        return cls(canonical)

    def resolve(self, name: str, aliases: Sequence[str] | None = None) -> str | None:
        """Return the canonical name of a candidate, None where the roster does not hold it.

        Args:
            name: Any name of the candidate; it goes before its aliases.
            aliases: Its other names.
        """
        return next(iter(self._named(name, aliases)), None)

    def match(self, found: pa.Table) -> dict[str, str]:
        """Return which candidates of a table are on the roster; none of the roster's stands for two of them.

        Args:
            found: Table of the contract `CANDIDATES`.

        Returns:
            Canonical name by name in `found`. Equal names are matched first, then aliases in the order of the rows.
        """
        rows = found.to_pylist()
        pairs = {
            row["candidate"]: row["candidate"]
            for row in rows
            if self.canonical.get(row["candidate"]) == row["candidate"]
        }
        taken = set(pairs)
        for row in rows:
            if row["candidate"] not in pairs:
                free = [name for name in self._named(row["candidate"], row["aliases"]) if name not in taken]
                if free:
                    pairs[row["candidate"]] = free[0]
                    taken.add(free[0])
        return pairs

    def _named(self, name: str, aliases: Sequence[str] | None) -> list[str]:
        return [self.canonical[one] for one in (name, *(aliases or ())) if one in self.canonical]
