"""Pickles of arrays and plain containers, read without running anything that they name.

A pickle is a program: it names functions and has them called. Here each of the few names that arrays need stands for a
function of ours, and every other name ends the reading before anything is called. Not even numpy's own functions are
handed out, since a crafted state of a dtype can point outside of its array. The one place that reads pickles; the
product writes none.
"""

import math
import mmap
import pickle
import pickletools
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from modelsat.errors import InputError

MOST_BYTES = 4 * 2**30

_ELEMENTS = re.compile(r"b1|[iu][1248]|f[248]|[US]\d{1,7}|O8?")
_BYTE_ORDERS = "<>=|"
_SHOWN = 100


def load(path: Path, most_bytes: int = MOST_BYTES) -> object:
    """Read a pickle of numpy arrays, dicts, lists, tuples, sets, text, numbers.

    Args:
        path: The file.
        most_bytes: A larger file is refused before it is opened.

    Raises:
        InputError: The file is too large, damaged, or asks for anything else.
    """
    size = path.stat().st_size
    if size > most_bytes:
        raise InputError(
            f"{str(path)!r} has {size:,} bytes, of which at most {most_bytes:,} are read; split it into smaller files"
        )
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check_memo(content)
            content.seek(0)
            return _Unpickler(content).load()
    except _ForbiddenError as error:
        raise InputError(
            f"{str(path)!r} asks for {str(error)[:_SHOWN]!r}, which numbers and text do not need, so nothing of it was "
            "run; take the file from its publisher again, or convert it to a tidy table where you trust it"
        ) from error
    # A damaged program of a pickle fails in as many ways as a program can.
    except (
        *(pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError, ValueError),
        *(OverflowError, MemoryError, RecursionError, SystemError),
    ) as error:
        raise InputError(
            f"{str(path)!r} is damaged or no pickle of arrays ({str(error)[:_SHOWN]}); copy it again from its source"
        ) from error


class _ForbiddenError(Exception):
    """The pickle named something that it may not."""


def _check_memo(content: mmap.mmap) -> None:
    """Refuse a pickle that is cut off, or whose memo has gaps: one line of it could ask for all memory there is."""
    with warnings.catch_warnings():
        # Damaged text may hold escapes that no text has; what it is worth is the unpickler's business.
        warnings.simplefilter("ignore", DeprecationWarning)
        operations = pickletools.genops(content)  # type: ignore[arg-type]
        for count, (operation, argument, position) in enumerate(operations):
            if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument not in range(count + 1):
                raise ValueError(f"memo entry {argument} at byte {position}")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name not in _MODULES or module not in _MODULES[name]:
            raise _ForbiddenError(f"{module}.{name}")
        return _Name(name)


class _Name(str):
    """A name that a pickle may use: it can be called, and has no attributes that a pickle could set."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        if self not in _FUNCTIONS:
            raise _ForbiddenError(f"{self}(...)")
        return _FUNCTIONS[self](*arguments)


class _Elements:
    """The element type of an array; to its code a pickle may add the byte order and nothing else."""

    __slots__ = ("dtype",)

    def __init__(self, code: str, *_: object) -> None:
        if not _ELEMENTS.fullmatch(code):
            raise ValueError(f"elements of type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in _BYTE_ORDERS:
            raise ValueError(f"byte order {state[1]!r}")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array whose state is checked before numpy sees it."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, elements, is_fortran, content = state
        dtype = elements.dtype
        if not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError(f"shape {shape!r}")
        size = len(content) if dtype.hasobject else len(content) / max(dtype.itemsize, 1)
        if type(content) is not (list if dtype.hasobject else bytes) or size != math.prod(shape):
            raise ValueError("an array whose content does not fit its shape")
        super().__setstate__((1, tuple(shape), dtype, bool(is_fortran), content))  # type: ignore[arg-type]


def _reconstruct(*_: object) -> np.ndarray:
    return np.ndarray.__new__(_Array, 0)


def _from_buffer(buffer: bytes, elements: _Elements, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(buffer, elements.dtype).reshape(shape, order="F" if order == "F" else "C")


def _scalar(elements: _Elements, content: bytes) -> Any:
    return np.frombuffer(content, elements.dtype, 1)[0]


def _encode(text: str, _: object) -> bytes:
    # Protocols before 3 have no bytes: they write them as Latin-1 text, and none at all as a call of `bytes`.
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "_reconstruct": _reconstruct,
    "_frombuffer": _from_buffer,
    "scalar": _scalar,
    "dtype": _Elements,
    "encode": _encode,
    "bytes": _no_bytes,
    "OrderedDict": dict,
    "set": set,
    "frozenset": frozenset,
}
_BUILTINS = ("builtins", "__builtin__")
_MODULES = {
    "_reconstruct": ("numpy.core.multiarray", "numpy._core.multiarray"),
    "scalar": ("numpy.core.multiarray", "numpy._core.multiarray"),
    "_frombuffer": ("numpy.core.numeric", "numpy._core.numeric"),
    "ndarray": ("numpy",),
    "dtype": ("numpy",),
    "encode": ("_codecs",),
    "bytes": _BUILTINS,
    "OrderedDict": ("collections",),
    "set": _BUILTINS,
    "frozenset": _BUILTINS,
}
"""Names that are allowed, with their modules under numpy 1 and 2, Python 2 and 3."""
