"""What somebody at a terminal sees of a pipeline that runs: its steps and their progress, nothing of KFP's own."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from kfp import dsl, local

from pipelines.local import _failure
from pipelines.step_lines import StepLines


class Terminal(io.StringIO):
    """Keeps what is written, and says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def speak(names: list, about: dict, out: dsl.Output[dsl.Metrics]) -> str:
    import logging
    import warnings

    print("encoding prompts 10/20 · 3 s left", flush=True)  # noqa: T201
    warnings.warn("this is old", stacklevel=1)
    print("[2026-11-30 05:00:00] [WARNING] a library speaks", flush=True)  # noqa: T201
    logging.info("another library speaks")
    print("encoding prompts 20/20", flush=True)  # noqa: T201
    out.log_metric("accuracy", 0.5)
    return "2 scores of 1 candidate, it's little"


@dsl.pipeline
def spoken():
    speak(names=["x", "y"], about={"key": [1, {"deep": "}"}]}).set_display_name("Speak")


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
def test_terminal_shows_the_progress_of_a_step_and_no_piece_of_kfps_json(tmp_path: Path) -> None:
    terminal = Terminal()
    lines = StepLines({"speak": "Speak"}, terminal, tmp_path / "log")
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"))

    with contextlib.redirect_stdout(lines):
        spoken()
    lines.close()

    shown = [text.rstrip() for text in re.split(r"\r\x1b\[K|\n", terminal.getvalue()) if text.strip()]
    assert shown[-1] == "  2 scores of 1 candidate, it's little"
    assert shown[:-2] == [
        f"{'Speak':<34} encoding prompts 10/20 · 3 s left",
        f"{'Speak':<34} encoding prompts 20/20",
    ]
    assert re.fullmatch(r"Speak +done +\d+\.\d s", shown[-2])
    log = (tmp_path / "log").read_text()
    assert '"deep": "}"' in log
    assert "it's little" in log


def test_lines_in_which_libraries_speak_are_no_progress(tmp_path: Path) -> None:
    terminal = Terminal()
    lines = StepLines({"one": "One"}, terminal, tmp_path / "log")

    lines.write("Executing task 'one'\n")
    lines.write(
        "    Successfully registered model 'modelsat-router'.\n    Created version '1' of model 'modelsat-router'.\n"
    )
    lines.write(
        "    2026/11/30 20:27:41 INFO mlflow.utils.virtualenv: Installing\n    View run x at: http://127.0.0.1:5/1\n"
    )
    lines.write(
        "    Downloading artifacts:   1%|          | 2/419 [00:00<00:00, 9.3it/s]\n    stage 1 step 2/1,105 loss 4.1\n"
    )
    lines.close()

    shown = [text.rstrip() for text in re.split(r"\r\x1b\[K|\n", terminal.getvalue()) if text.strip()]
    assert shown == [f"{'One':<34} stage 1 step 2/1,105 loss 4.1"]


def test_outcome_of_a_step_is_cut_to_a_line_and_addresses_are_no_outcome(tmp_path: Path) -> None:
    terminal = Terminal()
    lines = StepLines({"one": "One", "two": "Two"}, terminal, tmp_path / "log")

    lines.write("Executing task 'one'\nTask 'one' finished with status SUCCESS\n")
    lines.write("    Output: True\n    sentence: 'The challenger is promoted: " + "very " * 40 + "much.'\n")
    lines.write("Executing task 'two'\nTask 'two' finished with status SUCCESS\n    Output: 's3://bucket/7'\n")
    lines.close()

    shown = [text.rstrip() for text in re.split(r"\r\x1b\[K|\n", terminal.getvalue()) if text.strip()]
    assert len(shown) == 3
    assert shown[1].startswith("  The challenger is promoted: very very")
    assert (len(shown[1]), shown[1][-1]) == (112, "…")
    assert shown[2].startswith("Two")


def test_input_that_never_ends_does_not_hide_the_next_step(tmp_path: Path) -> None:
    terminal = Terminal()
    lines = StepLines({"one": "One", "two": "Two"}, terminal, tmp_path / "log")

    lines.write("Executing task 'one'\n[KFP Executor INFO]: Got executor_input:\n{\n  \"inputs\": {\n")
    lines.write("Task 'one' finished with status FAILURE\nExecuting task 'two'\nworking 1/2\n")
    lines.close()

    assert "One" in terminal.getvalue()
    assert "failed" in terminal.getvalue()
    assert "working 1/2" in terminal.getvalue()
    assert "inputs" not in terminal.getvalue()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            ["loss 0.8", "ImportError: no module named x", "", "08:54 - ERROR - Task 'a' finished", "-----"],
            "ImportError: no",
        ),
        (["loss 0.8", "08:54 - ERROR - Task 'a' finished with status FAILURE", "-----"], "loss 0.8"),
        (["-----"], "it printed nothing"),
    ],
)
def test_failure_of_a_step_is_told_by_its_last_exception_or_line(tmp_path: Path, said: list[str], reason: str) -> None:
    assert str(_failure(said, tmp_path)).startswith(f"a step of the pipeline failed ({reason}")
