"""The error that ended a training, left in its work folder: torchrun turns every exit code into 1."""

import contextlib
import json
import sys
from pathlib import Path

from modelsat import errors
from modelsat.errors import ModelsatError, ResourceError
from modelsat.io.atomic import write_json


def record_failure(work: Path, error: ModelsatError) -> None:
    """Say an error of ours in a rank, and leave it for the launcher: torchrun turns every exit code into 1."""
    sys.stderr.write(f"{error}\n")
    # On a full disk the launcher reads the sentence from what was said.
    with contextlib.suppress(ResourceError):
        write_json(work / "failed.json", {"sentence": str(error), "exit_code": error.exit_code})


def recorded_failure(work: Path) -> ModelsatError | None:
    """Return the error of ours that a training left behind in its last sentence; None where it left none."""
    failed = work / "failed.json"
    if failed.exists():
        failure = json.loads(failed.read_text(encoding="utf-8"))
        return errors.of_exit_code(failure["exit_code"])(failure["sentence"])
    return None
