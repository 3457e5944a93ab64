"""Cuts the text of all studies into one page each, below `docs/studies/`."""

import re
from pathlib import Path

from modelsat.io.atomic import write_text

FOOT = """

---

Written by `python benchmarks/results_page.py` from `benchmarks/results/`. [All studies](../results.md)
"""


def slug(title: str) -> str:
    """Return the name of a study's page, which is the anchor that its heading would have."""
    return re.sub(r"[^\w\s-]", "", title.strip().lower()).replace(" ", "-")


def cut(text: str) -> dict[str, str]:
    """Return the page of every study by its title, in order.

    Args:
        text: studies in Markdown, each below a heading of level 2, with links relative to `docs/`.

    Returns:
        Pages in Markdown with a heading of level 1, and links relative to `docs/studies/`.
    """
    pieces = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return {title: page(title, body) for title, body in zip(pieces[::2], pieces[1::2], strict=True)}


def page(title: str, body: str) -> str:
    """Return one page: headings a level higher, links a folder deeper."""
    body = re.sub(r"^##(#+ )", r"#\1", body.strip(), flags=re.MULTILINE)
    body = re.sub(r"\]\((?!https?:|#|studies/)", "](../", body).replace("](studies/", "](")
    body = re.sub(r"\n{3,}", "\n\n", body)
    return f"# {title}\n\n{body}{FOOT}"


def write(folder: Path, pages: dict[str, str]) -> None:
    """Write the pages into a folder, and remove those of studies that there are no more."""
    folder.mkdir(exist_ok=True)
    for title, text in pages.items():
        write_text(folder / f"{slug(title)}.md", text)
    for stale in set(folder.glob("*.md")) - {folder / f"{slug(title)}.md" for title in pages}:
        stale.unlink()
