"""The frame of every page: a title, one sentence that answers, and sections with tables, figures or text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from modelsat.io.atomic import write_text

FRAME = "page.html"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class TableRow:
    """Cells of one table row; `tone` is strong, good, warn, bad or empty."""

    cells: tuple[object, ...]
    tone: str = ""


@dataclass(frozen=True)
class Section:
    """One heading with what stands below it; empty parts are left out.

    Attributes:
        heading: A few words.
        text: A paragraph before the rest. Here and in the note, what stands between backticks is shown as code.
        figure: An SVG element.
        heads: Column heads of the table.
        rows: Its rows.
        numeric: Which columns hold numbers, from 0.
        pre: Text in a fixed pitch.
        note: Small print after the rest.
    """

    heading: str
    text: str = ""
    figure: str = ""
    heads: Sequence[str] = ()
    rows: Sequence[TableRow] = ()
    numeric: frozenset[int] = field(default_factory=frozenset)
    pre: str = ""
    note: str = ""


def write(
    path: Path | str, title: str, sentence: str, sections: Sequence[Section], tone: str = "", footer: str = ""
) -> None:
    """Write a page.

    Args:
        path: Where to.
        title: What the page is about.
        sentence: What a reader wants to know first.
        sections: The rest, in order.
        tone: good, warn, bad or empty: the colour of the sentence.
        footer: Versions, seeds and digests.
    """
    html = (
        templates()
        .get_template(FRAME)
        .render(title=title, sentence=sentence, sections=sections, tone=tone, footer=footer, style=style())
    )
    write_text(path, html)


def templates(*folders: Path) -> jinja2.Environment:
    """Return the frame `FRAME` with the templates in some folders, which may extend it by its blocks."""
    places = [*folders, _FOLDER]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(places), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["prose"] = _prose
    return environment


def style(*more: Path) -> Markup:
    """Return the style sheet of every page, with those in some files behind it."""
    sheets = (path.read_text(encoding="utf-8") for path in (_FOLDER / "page.css", *more))
    return Markup("".join(sheets))  # noqa: S704  # files of ours, with no word of anybody else


def _prose(text: str) -> Markup:
    """Return text as HTML in which `commands` are code."""
    # Split, commands stand at the odd places.
    parts = re.split(r"`([^`]+)`", text)
    return Markup().join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )


def percent(value: float, digits: int = 1) -> str:
    """Format a share in [0, 1] as a percentage."""
    return f"{100 * value:.{digits}f} %"


def points(value: float, digits: int = 1) -> str:
    """Format a difference of shares as signed percentage points."""
    return f"{100 * value:+.{digits}f}"


def dollars(value: float | None) -> str:
    """Format US dollars; a dash where unknown."""
    return "–" if value is None else f"{value:,.3f}" if value < 0.1 else f"{value:,.2f}"
