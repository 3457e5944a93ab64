"""A long step says now and then how far it is and how long it will take, and never floods a log."""

import io

import pytest

from modelsat.io import progress as step_progress
from modelsat.io.progress import StepProgress, TerminalProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list whose only entry is the time."""
    now = [0.0]
    monkeypatch.setattr(step_progress.time, "monotonic", lambda: now[0])
    return now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_step_is_told_every_few_seconds_and_at_its_end(clock: list[float]) -> None:
    told: list[str] = []
    progress = StepProgress("encoding prompts", told.append)

    for clock[0], done in ((1.0, 1_000), (6.0, 2_000), (7.0, 3_000), (8.0, 4_000)):
        progress(done, 4_000)

    # A thousand took five seconds.
    assert told == ["encoding prompts 2,000/4,000 · 10 s left", "encoding prompts 4,000/4,000"]


def test_work_of_an_interrupted_run_does_not_make_this_one_seem_faster(clock: list[float]) -> None:
    told: list[str] = []
    progress = StepProgress("asking questions", told.append)

    for clock[0], done in ((0.0, 900), (10.0, 910)):
        progress(done, 1_000, "2 not readable")

    assert told == ["asking questions 910/1,000 · 2 not readable · 90 s left"]


def test_line_is_printed_where_nothing_else_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    StepProgress("scoring prompts")(3, 3)

    assert capsys.readouterr().out == "scoring prompts 3/3\n"


def test_log_has_the_last_line_and_few_others() -> None:
    log = io.StringIO()
    progress = TerminalProgress("asking questions", log)

    for done in range(1, 51):
        progress(done, 50)

    assert log.getvalue().splitlines()[-1] == "asking questions 50/50"
    assert len(log.getvalue().splitlines()) < 5


def test_terminal_shows_one_line_that_is_rewritten_and_ended(clock: list[float]) -> None:
    terminal = Terminal()
    progress = TerminalProgress("asking questions", terminal)

    progress(1, 2)
    progress(2, 2)

    assert terminal.getvalue() == "\rasking questions 1/2\x1b[K\rasking questions 2/2\x1b[K\n"


def test_results_on_stdout_are_never_mixed_with_progress_on_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalProgress("asking questions")(2, 2)

    assert capsys.readouterr() == ("", "asking questions 2/2\n")
