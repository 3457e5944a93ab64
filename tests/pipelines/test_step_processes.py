"""What a pipeline on one machine started does not outlive it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from modelsat.cluster import launch_torchrun
from modelsat.io import processes

SLEEP = "import time; time.sleep(60)"
# As torchrun and its ranks: each in a session of its own, where no signal to a group or a terminal reaches it.
STEP = f"""
import subprocess, sys, time
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True)
Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(60)
"""
# A service that ran before, and a step that the pipeline waits for as KFP does.
PIPELINE = f"""
import signal, subprocess, sys
from pathlib import Path
from pipelines.step_processes import none_outlives_us
folder = Path(sys.argv[1])
# Tests that run in the background of a shell ignore it, and what they start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
service = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True, stderr=subprocess.DEVNULL)
(folder / "service").write_text(str(service.pid))
with none_outlives_us():
    command = ["sh", "-c", '"$0" -c "$1" "$2"; exit 0', sys.executable, {STEP!r}, str(folder / "rank")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as step:
        for line in step.stdout:
            print(line)
"""


def pid_in(path: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.02)
    pytest.fail(f"{path.name} did not start")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_pipeline_takes_its_steps_and_all_that_they_started_along(tmp_path: Path, ending: int) -> None:
    pipeline = subprocess.Popen([sys.executable, "-c", PIPELINE, str(tmp_path)], stderr=subprocess.PIPE, text=True)
    rank, service = psutil.Process(pid_in(tmp_path / "rank")), psutil.Process(pid_in(tmp_path / "service"))
    step = rank.parent()
    try:
        pipeline.send_signal(ending)
        _, said = pipeline.communicate(timeout=60)

        assert pipeline.returncode == (-ending if ending == signal.SIGINT else 128 + ending)
        assert "ending the steps; run the same command to go on" in said
        assert step is not None
        assert not [one for one in (rank, step) if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        assert service.is_running()
    finally:
        for left in (service, rank):
            if left.is_running():
                left.kill()


def test_training_step_that_is_cancelled_ends_what_trains_and_is_free_for_the_next(tmp_path: Path) -> None:
    """Ranks that print a step and go on: the signal comes as the step is reported."""
    rank = """
import os, time
open("history.jsonl", "w").write('{"step": 1}\\n')
print("step 1 loss 3.0", flush=True)
time.sleep(60)
"""
    command = ["env", "-C", str(tmp_path), sys.executable, "-c", rank]
    seen: list[int] = []

    def cancel(row: object) -> None:
        seen.extend(one.pid for one in psutil.Process().children() if rank in one.cmdline())
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    with pytest.raises(SystemExit) as ended, launch_torchrun.alone(tmp_path), processes.ended_in_order():
        launch_torchrun._follow(command, tmp_path, cancel)

    assert ended.value.code == 128 + signal.SIGTERM
    assert len(seen) == 1
    assert not psutil.pid_exists(seen[0])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with launch_torchrun.alone(tmp_path):
        pass


def test_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with processes.ended_in_order():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
