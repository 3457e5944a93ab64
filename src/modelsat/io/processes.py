"""Names of processes that outlive them: whether a piece of work that bears one still has its worker."""

import os
import socket


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
