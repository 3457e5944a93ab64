"""What a reader of one source returns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from modelsat.offpolicy.readers import cells


@dataclass
class Gathered:
    """Rows of one source, and what could not be read.

    Attributes:
        rows: With the keys `modelsat.offpolicy.requests.FIELDS`; `outcome` is a rating as it was written, with `place`,
            where the row stands, as (address, row).
        rejects: Address, row and reason of what was left out.
        notes: Sentences for a person.
    """

    rows: list[dict[str, object]] = field(default_factory=list)
    rejects: list[tuple[str, int | str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def reject(self, address: str, row: int | str, reason: str) -> None:
        """Leave out a row."""
        self.rejects.append((address, row, reason))

    def add(self, address: str, row: int | str, told: Mapping[str, object]) -> None:
        """Add a row, or reject it where a value cannot be read.

        Args:
            address: Of its file or server.
            row: Its number there, or its id.
            told: Values as they were written, by the names of `FIELDS`.
        """
        try:
            self.rows.append(_parsed(told) | {"place": (address, row)})
        except ValueError as fault:
            self.reject(address, row, str(fault))

    def in_scale(self, scale: tuple[float, float] | None) -> "Gathered":
        """Return rows whose ratings are outcomes in [0, 1].

        Args:
            scale: Lowest and highest rating; None finds the usual scale that holds all ratings of this source.

        Raises:
            ValueError: No usual scale holds them.
        """
        ratings = [float(str(row["outcome"])) for row in self.rows if row.get("outcome") is not None]
        if not ratings:
            return self
        found = scale or cells.scale_of(ratings)
        scaled = Gathered(rejects=self.rejects, notes=self.notes)
        if found != (0.0, 1.0) and scale is None:
            scaled.notes.append(
                f"ratings are taken to be from {found[0]:g} (worst) to {found[1]:g} (best); --ratings says otherwise"
            )
        for row in self.rows:
            try:
                outcome = None if row.get("outcome") is None else cells.scaled(float(str(row["outcome"])), found)
            except ValueError as fault:
                scaled.reject(*_place(row), str(fault))
                continue
            scaled.rows.append(row | {"outcome": outcome})
        return scaled


_READ = {
    "at": cells.moment,
    "outcome": cells.rating,
    "cost_usd": cells.amount,
    "latency_seconds": cells.amount,
    "propensity": cells.probability,
    "tokens_in": cells.amount,
    "tokens_out": cells.amount,
}


def _place(row: Mapping[str, object]) -> tuple[str, int | str]:
    place = row["place"]
    address, number = place if isinstance(place, tuple) else ("", 0)
    return str(address), number


def _parsed(told: Mapping[str, object]) -> dict[str, object]:
    row: dict[str, object] = {}
    for name in ("prompt", "model"):
        value = told.get(name)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"it has no {name}; a row needs the text of the prompt and the name of the model")
        row[name] = value if name == "prompt" else value.strip()
    for name, read in _READ.items():
        if not cells.is_missing(told.get(name)):
            try:
                row[name] = read(told[name])
            except ValueError as fault:
                raise ValueError(f"{name}: {fault}") from None
    return row


def joined(parts: Iterable[Gathered]) -> Gathered:
    """Return the rows, rejects and notes of several sources."""
    whole = Gathered()
    for part in parts:
        whole.rows += part.rows
        whole.rejects += part.rejects
        whole.notes += [note for note in part.notes if note not in whole.notes]
    return whole
