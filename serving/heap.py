"""The C heap of a server, which would keep what one large request took for good.

By default glibc gives threads heaps of their own, and after the first freed block of a size it takes such blocks from
them: activations of long batches and bodies read in threads leave holes of hundreds of megabytes between what stays.
"""

import contextlib
import ctypes
import gc
import os
import threading
import time

ARENAS, LARGE_BLOCK, KEPT_AT_TOP = 2, 2**20, 16 * 2**20
"""Heaps that threads share; bytes from which on a block is a mapping of its own, which ends with it; unused bytes at
the top of the heap that are kept for the next request. All activations of a prompt of 128 tokens are smaller blocks."""
TRIM_SECONDS = 60.0
# By the variables that override them, with the numbers of `mallopt(3)`.
_OPTIONS = {
    "MALLOC_ARENA_MAX": (-8, ARENAS),
    "MALLOC_MMAP_THRESHOLD_": (-3, LARGE_BLOCK),
    "MALLOC_TRIM_THRESHOLD_": (-1, KEPT_AT_TOP),
}


def bound() -> None:
    """Bound what the heap keeps from now on; elsewhere than on glibc it stays as it is."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for variable, (option, value) in _OPTIONS.items():
            if variable not in os.environ:
                libc.mallopt(option, value)


def settle() -> None:
    """Take what is there for what stays: give back the rest, and never look for garbage among it again.

    A look at all objects of a server stops all of its threads for half a second. A bundle that is replaced is freed all
    the same, since nothing in it refers to itself.
    """
    gc.collect()
    gc.freeze()
    _trim()


def keep_trimmed(every_seconds: float = TRIM_SECONDS) -> None:
    """Give back now and then what lies free between blocks that stay, for as long as the process lives.

    Prompts of all lengths leave holes. Nobody takes them for the next prompt, and they grow by a few MiB per hundred
    prompts; a look through the heap of an endpoint takes two to three milliseconds, in which Python's threads go on.
    """

    def trim_again() -> None:
        while True:
            time.sleep(every_seconds)
            _trim()

    threading.Thread(target=trim_again, name="heap", daemon=True).start()


def _trim() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
