"""A small table for terminals and notebooks."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

MISSING = "–"


@dataclass(frozen=True)
class PrintedTable:
    """Cells that are formatted already.

    Attributes:
        heads: Of the columns.
        rows: Cells, as many in each row as there are heads.
        texts: How many columns from the left hold text and are aligned left; the others hold numbers.
        marked: Index of the row that is pointed at, or None.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    marked: int | None = None

    def text(self) -> str:
        """Return the table in lines of equal columns."""
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        lines = []
        for i, cells in enumerate([self.heads, *self.rows]):
            padded = [
                f"{cell:<{width}}" if place < self.texts else f"{cell:>{width}}"
                for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ]
            mark = "› " if self.marked is not None and i == self.marked + 1 else "  "
            lines.append((mark + "  ".join(padded)).rstrip())
        return "\n".join(lines)

    def html(self) -> str:
        """Return the table as HTML, every cell escaped."""
        rows = [f"<thead>{self._row('th', self.heads, False)}</thead>"]
        rows += [self._row("td", cells, i == self.marked) for i, cells in enumerate(self.rows)]
        return f"<table>{''.join(rows)}</table>"

    def _row(self, tag: str, cells: Sequence[str], bold: bool) -> str:
        shown = []
        for place, cell in enumerate(cells):
            side = "left" if place < self.texts else "right"
            text = f"<b>{html.escape(cell)}</b>" if bold else html.escape(cell)
            shown.append(f'<{tag} style="text-align:{side}">{text}</{tag}>')
        return f"<tr>{''.join(shown)}</tr>"


def shortened(text: str, most: int) -> str:
    """Return a text in one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
