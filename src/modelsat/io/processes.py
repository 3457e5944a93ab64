"""Processes: names that outlive them, by which work is known to have lost its worker, and how they are ended."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

_ENDING = (signal.SIGTERM, signal.SIGHUP)


def worker() -> str:
    """Return the name of this process: machine, pid and when it began."""
    import psutil

    return f"{socket.gethostname()}/{os.getpid()}/{psutil.Process().create_time():.0f}"


def is_gone(name: str) -> bool:
    """Say whether a worker of this machine has ended; of other machines nothing is certain."""
    return _is_alive(name) is False


def is_alive(name: str) -> bool:
    """Say whether a worker of this machine runs; of other machines nothing is certain."""
    return _is_alive(name) is True


def _is_alive(name: str) -> bool | None:
    import psutil

    host, pid, began = (*name.split("/"), "", "")[:3]
    if host != socket.gethostname() or not (pid.isascii() and pid.isdigit()):
        return None
    try:
        return f"{psutil.Process(int(pid)).create_time():.0f}" == began
    except (psutil.NoSuchProcess, OverflowError):
        return False


@contextlib.contextmanager
def ended_in_order(first: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Raise `SystemExit` in the body on SIGTERM and SIGHUP, so that it cleans up as after any other failure.

    Both would end the process at once otherwise, and its children would go on. A signal that is ignored, as nohup does,
    stays ignored; outside the main thread nothing changes.

    Args:
        first: Called before that, with whatever cannot wait.
    """

    def end(number: int, _: object) -> None:
        first()
        raise SystemExit(128 + number)

    main = threading.current_thread() is threading.main_thread()
    ours = [one for one in _ENDING if main and signal.getsignal(one) is not signal.SIG_IGN]
    before = {one: signal.signal(one, end) for one in ours}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
