"""Going on with another number of ranks: a checkpoint is cut anew through DeepSpeed's universal format."""

import contextlib
import io
import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

from training.ranks import Ranks

_TAG = "universal"


def load(engine: Any, folder: Path, tag: str, ranks: Ranks) -> None:
    """Load a ZeRO checkpoint that another number of ranks has saved.

    Args:
        engine: DeepSpeed engine that was made for a universal checkpoint.
        folder: Of all checkpoints of this training.
        tag: Of a complete checkpoint.
        ranks: This process and the others.
    """
    if ranks.rank == 0:
        shutil.rmtree(folder / _TAG, ignore_errors=True)
        _convert(folder / tag, folder / _TAG)
    ranks.barrier()
    engine.load_checkpoint(str(folder), tag=_TAG)
    # ZeRO 3 is handed one counter of steps for all groups, and each of them would count it up.
    for state in engine.optimizer.optimizer.state.values():
        state["step"] = state["step"].clone()
    ranks.barrier()
    if ranks.rank == 0:
        shutil.rmtree(folder / _TAG)


def _convert(source: Path, target: Path) -> None:
    from deepspeed.checkpoint import ds_to_universal

    # One worker is this process: others would be forked from one that talks to its ranks.
    options = Namespace(
        input_folder=str(source),
        output_folder=str(target),
        num_extract_workers=1,
        num_merge_workers=1,
        keep_temp_folder=False,
        strict=True,
        inject_missing_state=True,
    )
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        ds_to_universal.main(options)
