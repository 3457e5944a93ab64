"""A long step says now and then how far it is, and never floods a log."""

import pytest

from modelsat.io import progress as step_progress
from modelsat.io.progress import StepProgress


def test_step_is_told_every_few_seconds_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    times = iter([0.0, 1.0, 6.0, 6.0, 7.0, 8.0, 8.0])
    monkeypatch.setattr(step_progress.time, "monotonic", lambda: next(times))
    progress = StepProgress("encoding prompts", told.append)

    for done in (1_000, 2_000, 3_000, 4_000):
        progress(done, 4_000)

    assert told == ["encoding prompts 2,000/4,000", "encoding prompts 4,000/4,000"]


def test_line_is_printed_where_nothing_else_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    StepProgress("scoring prompts")(3, 3)

    assert capsys.readouterr().out == "scoring prompts 3/3\n"
