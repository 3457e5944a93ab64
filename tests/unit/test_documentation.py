"""Pages are short enough to be read, and each stands in the navigation of the site."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MOST_WORDS, MOST_WORDS_README = 1500, 1000
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def words(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").split())


def listed(nav: Any) -> Iterator[str]:
    """Yield the pages of a navigation, however deep."""
    if isinstance(nav, str):
        yield nav
    else:
        for one in nav.values() if isinstance(nav, dict) else nav:
            yield from listed(one)


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("studies/")])
def test_page_has_at_most_1500_words(page: str) -> None:
    assert words(DOCS / page) <= MOST_WORDS


def test_readme_has_fewer_than_1000_words() -> None:
    assert words(ROOT / "README.md") < MOST_WORDS_README


def test_navigation_has_every_page_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]

    assert sorted(listed(nav)) == PAGES
