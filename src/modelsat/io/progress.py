"""How far a long step is: one line in one format, wherever it is shown."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

EVERY_SECONDS = 5.0
"""Shortest time between two lines of a log."""


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


class StepProgress:
    """Reports how far a step is: at most every five seconds, and at its end.

    A line reads `encoding prompts 2,000/4,000 · 12 s left`; details stand between the count and the time.

    Args:
        doing: What is counted, such as "encoding prompts".
        tell: Called with each line; by default it is printed to stdout.
    """

    def __init__(self, doing: str, tell: Callable[[str], None] = _print) -> None:
        self._doing, self._tell = doing, tell
        self._last = time.monotonic()
        self._first: tuple[int, float] | None = None

    def __call__(self, done: int, in_all: int, *details: str) -> None:
        """Report progress.

        Args:
            done: How many are done, those of an interrupted run before included.
            in_all: How many there are.
            details: What else the line says, such as "0.25 USD".
        """
        now = time.monotonic()
        self._first = self._first or (done, now)
        if self._is_due(now) or done == in_all:
            self._tell(" · ".join([f"{self._doing} {done:,}/{in_all:,}", *details, *self._left(done, in_all, now)]))
            self._last = now
        if done == in_all:
            self._end()

    def _left(self, done: int, in_all: int, now: float) -> list[str]:
        """Return the time left at the speed since the first report; none is known before the second."""
        before, began = self._first or (done, now)
        if not before < done < in_all:
            return []
        return [f"{(in_all - done) * (now - began) / (done - before):.0f} s left"]

    def _is_due(self, now: float) -> bool:
        return now - self._last > EVERY_SECONDS

    def _end(self) -> None:
        """Do what the last line needs."""


class TerminalProgress(StepProgress):
    """Shows the same line on a stream: rewritten in place on a terminal, and as lines now and then elsewhere.

    Args:
        doing: What is counted.
        stream: Where the line is shown; stderr by default, since stdout belongs to results.
    """

    def __init__(self, doing: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        super().__init__(doing, self._show)

    def _show(self, line: str) -> None:
        start, end = ("\r", "\x1b[K") if self._is_terminal else ("", "\n")
        self._stream.write(f"{start}{line}{end}")
        self._stream.flush()

    def _is_due(self, now: float) -> bool:
        return self._is_terminal or super()._is_due(now)

    def _end(self) -> None:
        if self._is_terminal:
            self._stream.write("\n")
            self._stream.flush()
