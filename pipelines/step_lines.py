"""One line per pipeline step for whoever waits at a terminal: name, state, duration; the full log goes to a file.

`kfp.local` says on stdout when a task starts and how it ends, and prints what the task prints in between. Among that
are KFP's own lines: the whole input of a task as JSON over many lines, and its outputs after its end. They go to the
log only, but for the sentence in which a step says what came out: it stands below the step's line.
"""

import io
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_STARTS = re.compile(r"Executing task '([\w-]+)'")
_ENDS = re.compile(r"Task '([\w-]+)' finished with status (\w+)")
_INPUT = "Got executor_input:"
_PROGRESS = re.compile(r"[^|%]* [\d,]+/[\d,]+(?: |$)")
"""How `StepProgress` and the training count; what libraries say of themselves, such as MLflow's registry, does not."""
_NOT_OURS = re.compile(r"\[|Traceback \(|File \"|warning|\S*Warning: ", re.IGNORECASE)
"""Beginnings of lines that say nothing of a step's progress: loggers, warnings and tracebacks."""
_WARNING = re.compile(r"\S+:\d+: \w*Warning: ")
_STAMP = re.compile(r"^\d\d:\d\d:\d\d\.\d{3} - ")
_SAYS = re.compile(r"(?:Output|sentence): '(\S+ .*?)'?$")
"""The output of a step that is a sentence of several words, as KFP prints it; of several lines the first."""
_ALIVE_SECONDS = 20.0
_WIDTH = 34
_SENTENCE = 110


class StepLines(io.TextIOBase):
    """A text stream that takes what `kfp.local` prints.

    Args:
        names: Display name by task name; steps without one are not shown.
        terminal: Where the lines go.
        log: File that receives everything.

    Attributes:
        said: What the current task has printed, or the first that failed: others of a loop still run behind that.
    """

    def __init__(self, names: Mapping[str, str], terminal: TextIO, log: Path) -> None:
        self.names = names
        self.terminal = terminal
        self.log = log.open("a", encoding="utf-8")
        self.said: list[str] = []
        self._rest = ""
        self._task = self._ended = ""
        self._input: list[str] | None = None
        self._warned = self._has_failed = False
        self._began = self._shown = 0.0

    def write(self, text: str) -> int:
        """Take a piece of output."""
        self.log.write(_COLOURS.sub("", text))
        self.log.flush()
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(_COLOURS.sub("", line).strip())
        return len(text)

    def close(self) -> None:
        """Close the log."""
        self.log.close()
        super().close()

    def _line(self, line: str) -> None:
        started, ended = _STARTS.search(line), _ENDS.search(line)
        if (started or ended) or self._input is None:
            self._input = [] if line.endswith(_INPUT) else None
        else:
            self._take_input(line)
            return
        if started:
            self._task, self._began, self._ended = started[1], time.monotonic(), ""
            if not self._has_failed:
                self.said = []
            self._shown = self._began
        elif ended:
            self._finish(ended[1], ended[2])
            # What follows are its outputs, as KFP prints them.
            self._task, self._ended = "", ended[1] if ended[2] == "SUCCESS" else ""
        elif line and not _STAMP.match(line):
            if not self._has_failed:
                self.said.append(line)
            self._alive(line)
            self._say(line)

    def _take_input(self, line: str) -> None:
        """Take a line of the JSON that KFP prints of a task's input; the step begins to speak behind it."""
        self._input = [*(self._input or []), line]
        if line == "}":
            try:
                json.loads("".join(self._input))
            except ValueError:
                return
            self._input = None

    def _finish(self, task: str, status: str) -> None:
        self._has_failed |= status == "FAILURE"
        if task in self.names:
            state = "done" if status == "SUCCESS" else "failed"
            self._print(f"{self.names[task]:<{_WIDTH}} {state:<7} {time.monotonic() - self._began:6.1f} s")

    def _say(self, line: str) -> None:
        """Show what a step that has ended says of its outcome, once."""
        found = _SAYS.match(line) if self._ended in self.names else None
        if found is None:
            return
        self._ended = ""
        sentence = " ".join(found[1].split())
        self._print(f"  {sentence if len(sentence) <= _SENTENCE else sentence[: _SENTENCE - 1].rstrip() + '…'}")

    def _alive(self, line: str) -> None:
        """Show that a long step lives: in place on a terminal, a line now and then elsewhere."""
        name = self.names.get(self._task)
        now = time.monotonic()
        # Python prints a warning with the line of code that it is about.
        is_quote, self._warned = self._warned, bool(_WARNING.match(line))
        if name is None or is_quote or self._warned or _NOT_OURS.match(line) or not _PROGRESS.match(line):
            return
        if self.terminal.isatty():
            self.terminal.write(f"\r\x1b[K{name:<{_WIDTH}} {line[:70]}")
            self.terminal.flush()
        elif now - self._shown > _ALIVE_SECONDS:
            self._shown = now
            self._print(f"{name:<{_WIDTH}} {line[:90]}")

    def _print(self, line: str) -> None:
        clear = "\r\x1b[K" if self.terminal.isatty() else ""
        self.terminal.write(f"{clear}{line}\n")
        self.terminal.flush()
