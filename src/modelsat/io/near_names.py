"""Names that may be meant by one that is not known."""

import difflib
from collections.abc import Iterable


def near(name: str, known: Iterable[str]) -> str:
    """Return " (similar names: a, b)" for the middle of a sentence, "" where no known name is similar.

    Args:
        name: What somebody wrote.
        known: Names that exist.
    """
    by_lower = {one.lower(): one for one in known}
    found = [by_lower[one] for one in difflib.get_close_matches(name.lower(), list(by_lower), 3, 0.6)]
    return f" (similar names: {', '.join(found)})" if found else ""
