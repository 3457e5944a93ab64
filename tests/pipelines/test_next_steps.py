"""What a finished run says to do next, in the folder that it was given."""

from pathlib import Path

import pytest

from pipelines import whole_loop


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_next_steps_in_the_default_folder_name_no_folder(here: Path) -> None:
    told = whole_loop.next_steps(here / ".run")

    assert told.endswith('modelsat route "your question", make stop')
    assert "--folder" not in told


def test_next_steps_name_the_folder_of_the_run_for_a_shell(here: Path) -> None:
    told = whole_loop.next_steps(here / "my runs")

    assert "modelsat route --folder 'my runs' \"your question\"" in told
    assert told.endswith("modelsat stop --folder 'my runs'")
