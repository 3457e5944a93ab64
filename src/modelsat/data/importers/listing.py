"""What all lists of models share: entries that are kept or named with the reason, names, prices and dates."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from modelsat.data import contracts
from modelsat.data.candidate_names import fault_in_candidate, suggest_candidate
from modelsat.data.importers import Import
from modelsat.data.remarks import Remark

_MILLISECONDS = 1e11
_FIRST_YEAR = 2015


class LeftOutError(Exception):
    """An entry is no candidate, with the reason."""


@dataclass
class Listing:
    """The candidates of one list as they are found, and sentences on the other entries."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def take(
        self, entries: Iterable[Any], candidate: Callable[[Any, Callable[[str], None]], dict[str, Any]], where: object
    ) -> None:
        """Turn each entry into a row; one that is none is left out with a sentence."""
        for number, entry in enumerate(entries, start=1):
            remarks: list[str] = []
            try:
                row = candidate(entry, remarks.append)
                if row["candidate"] in self.rows:
                    raise LeftOutError(_twice(row, self.rows[row["candidate"]]))
            except (LeftOutError, TypeError, ValueError, InvalidOperation, OverflowError, OSError) as error:
                reason = str(error) or type(error).__name__
                name = _name(entry)
                told = reason if name is None or repr(name) in reason else f"{name!r} cannot be read ({reason})"
                self.notes.append(Remark.MODEL_LEFT_OUT.of(f"model {number} of {where} is left out: {told}"))
                continue
            self.rows[row["candidate"]] = row
            self.notes += [f"model {number} of {where}, {row['candidate']!r}: {remark}" for remark in remarks]

    def import_(self) -> Import:
        """Return the candidates; a name that two models share tells neither from the other."""
        shared = Counter(alias for row in self.rows.values() for alias in set(row["aliases"]))
        for row in self.rows.values():
            row["aliases"] = sorted(one for one in row["aliases"] if shared[one] == 1 and one not in self.rows) or None
        return Import(contracts.from_rows(list(self.rows.values()), contracts.CANDIDATES), tuple(self.notes))


def _name(entry: object) -> str | None:
    name = entry.get("id") if isinstance(entry, Mapping) else entry[0] if isinstance(entry, tuple) else None
    return name if isinstance(name, str) and name else None


def _twice(row: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    if row["served_as"] == other["served_as"]:
        return f"{row['served_as']!r} stands there twice"
    return f"{row['served_as']!r} would be called {row['candidate']!r} here, as {other['served_as']!r} is"


def names(name: object, others: Iterable[object] = ()) -> dict[str, Any]:
    """Return the columns that name a model: usable here, as served, and its other names."""
    if not isinstance(name, str) or not name:
        raise LeftOutError("it has no id")
    usable = name if fault_in_candidate(name) is None else suggest_candidate(name)
    return {
        "candidate": usable,
        "family": name.partition("/")[0] if "/" in name else None,
        "served_as": name,
        "aliases": sorted({str(one) for one in (name, *others) if one} - {usable}),
    }


def part(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a nested object, empty where there is none."""
    found = entry.get(name)
    return found if isinstance(found, Mapping) else {}


def per_million(price: object) -> float | None:
    """Return the price of a million tokens from that of one, None where it is not known.

    Raises:
        InvalidOperation: It is no number.
    """
    value = amount(price)
    return None if value is None else float(value * 1_000_000)


def amount(price: object) -> Decimal | None:
    """Return a price as written; a negative one means that it depends, so it is not known."""
    if price is None or price == "" or isinstance(price, bool):
        return None
    value = Decimal(str(price))
    return value if value.is_finite() and value >= 0 else None


def day(value: object) -> date | None:
    """Return the day of a date as text, seconds or milliseconds since 1970; None where there is none."""
    if not value or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return datetime.fromisoformat(value).date()
    if isinstance(value, int | float):
        at = datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC).date()
        # A server that knows no day writes 0 or 1.
        return at if at.year > _FIRST_YEAR else None
    raise ValueError(f"{value!r} is no date")


def check_not_retired(retires: date | None, today: date, name: object) -> None:
    """Raise `LeftOutError` where a model is not served any more."""
    if retires is not None and retires <= today:
        raise LeftOutError(f"{name!r} was retired on {retires}")


def whole(*values: object) -> int | None:
    """Return the first positive whole number, also as text."""
    for listed in values:
        value = int(listed) if isinstance(listed, str) and listed.isascii() and listed.isdigit() else listed
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**31:
            return int(value)
    return None
