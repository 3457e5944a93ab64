"""Component: stop the run where a step before found against it."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def halt(holds: bool, sentence: str, exit_code: int) -> None:
    """Let the run go on, or end it as failed with one sentence as the last line of the log.

    Args:
        holds: Whether the run may go on.
        sentence: What is wrong, where, and what to do.
        exit_code: Exit code of the step where the run ends: 2 input, 3 validation, 5 a server.
    """
    import sys

    if not holds:
        print(f"halted with {exit_code}: {sentence}", flush=True)
        sys.exit(exit_code)
