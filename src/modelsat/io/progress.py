"""How far a long step is, as a line now and then."""

import time
from collections.abc import Callable

_SECONDS = 5.0


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


class StepProgress:
    """Tells how far a step is, at most every five seconds and at its end.

    Args:
        doing: What is counted, such as "encoding prompts".
        tell: Called with the line; by default it is printed.
    """

    def __init__(self, doing: str, tell: Callable[[str], None] = _print) -> None:
        self._doing, self._tell, self._last = doing, tell, time.monotonic()

    def __call__(self, done: int, in_all: int) -> None:
        """Report progress."""
        if time.monotonic() - self._last > _SECONDS or done == in_all:
            self._tell(f"{self._doing} {done:,}/{in_all:,}")
            self._last = time.monotonic()
