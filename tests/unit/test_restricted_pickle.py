"""A pickle of arrays is read as it was written; whatever else a pickle could do, it does not do it here."""

import collections
import contextlib
import functools
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.data.readers import restricted_pickle
from modelsat.errors import InputError

Read = Callable[[bytes], Any]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
# What numpy 1 wrote; it has the same names in other modules.
NUMPY_1 = (b"numpy._core", b"numpy.core")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes bytes into a file and reads them as a pickle."""

    def write_and_load(content: bytes) -> Any:
        path = tmp_path / "a.pkl"
        path.write_bytes(content)
        return restricted_pickle.load(path)

    return write_and_load


class Call:
    """Pickles as a call of a function, followed by setting a state where there is one."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        np.asarray([["naïve", "b"]]),
        np.asarray(["a", None, 1.5], dtype=object),
        np.asarray([True, False]),
        np.arange(3, dtype=">i4"),
        np.zeros((0, 3)),
        np.asarray(0.5),
    ],
    ids=lambda array: f"{array.dtype}",
)
def test_arrays_come_back_as_they_were(read: Read, array: np.ndarray, protocol: int) -> None:
    found = read(pickle.dumps({"scores": [array]}, protocol))["scores"][0]

    assert found.shape == array.shape
    assert found.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert found.tolist() == array.tolist()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        {"easy": {3: ("a", ["b"], None, True, -1, 2**70, 0.5, b"bytes", "naïve")}},
        {1, 2},
        frozenset({"a"}),
        collections.OrderedDict(a=1),
        np.float64(0.25),
        np.str_("name"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_containers_and_scalars_come_back_as_they_were(read: Read, value: object, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", [0, 2, 3])
def test_files_of_numpy_1_are_read(read: Read, protocol: int) -> None:
    content = pickle.dumps([np.asarray([0.5, 1.0]), np.float32(0.25)], protocol).replace(*NUMPY_1)

    array, scalar = read(content)

    assert NUMPY_1[1] in content
    assert (array.tolist(), scalar) == ([0.5, 1.0], 0.25)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_hostile_pickle_runs_nothing_and_is_told_what_it_asked_for(read: Read, tmp_path: Path, protocol: int) -> None:
    trace, inner = tmp_path / "trace", tmp_path / "inner.npy"
    np.save(inner, np.asarray([Call(os.mkdir, str(trace))]), allow_pickle=True)
    hostile = {
        "posix.system": Call(os.system, f"mkdir {trace}"),
        "posix.mkdir": Call(os.mkdir, str(trace)),
        "eval": Call(eval, f"__import__('os').mkdir({str(trace)!r})"),
        "exec": Call(exec, f"import os; os.mkdir({str(trace)!r})"),
        "getattr": Call(getattr, {}, "get"),
        "functools.partial": Call(functools.partial, np.load, str(inner)),
        "numpy.load": Call(np.load, str(inner), None, True),
        "numpy.fromfile": Call(np.fromfile, str(inner)),
        "collections.defaultdict": collections.defaultdict(list),
        "pathlib": Path("x"),
    }
    for asked, value in hostile.items():
        with pytest.raises(InputError, match="which numbers and text do not need, so nothing of it was run") as told:
            read(pickle.dumps({"scores": [np.zeros(2), value]}, protocol))

        assert asked in str(told.value)
    assert not trace.exists()


def test_same_pickle_would_run_if_it_were_let(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Call(os.mkdir, str(tmp_path / "trace"))))  # noqa: S301 - what the tests above prevent

    assert (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cnumpy\nload\n.",
        b"cbuiltins\neval\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.data\x93.",
        b"cnumpy.lib\nndarray\n.",
        b"(ios\nsystem\n.",
        b"cnumpy\nndarray\n(I9\ntR.",
        b"Pid\n.",
        b"\x80\x02\x82\x01.",
    ],
    ids=["load", "eval", "dotted", "other module", "inst", "call of a class", "persistent", "extension"],
)
def test_other_ways_to_name_things_are_refused(read: Read, content: bytes) -> None:
    with pytest.raises(InputError):
        read(content)


def test_functions_that_are_handed_out_cannot_be_changed(read: Read) -> None:
    for state in (b"}U\x01aK\x01s", b"N}U\x01aK\x01s\x86"):
        with pytest.raises(InputError, match="damaged or no pickle of arrays"):
            read(b"\x80\x02cnumpy\ndtype\n" + state + b"b.")


@pytest.mark.parametrize(
    "state",
    [
        (1, (10**6,), np.dtype("f8"), False, b"12345678"),
        (1, (-1,), np.dtype("f8"), False, b"12345678"),
        (1, (1,), np.dtype("O"), False, b"12345678"),
        (1, (1,), np.dtype("f8"), False, [0.5]),
        (1, (1,), np.dtype([("a", "f8")]), False, b"12345678"),
        (1, (1,), Call(np.dtype, "f8", state=(3, "<", None, ("a",), {"a": (np.dtype("O"), 99)}, 8, 8, 0)), 0, b""),
    ],
    ids=["longer", "negative", "objects of bytes", "numbers of a list", "fields", "fields by state"],
)
def test_array_that_would_reach_outside_of_its_content_is_refused(read: Read, state: Any) -> None:
    reconstruct = np.zeros(1).__reduce__()[0]

    with pytest.raises(InputError, match="damaged or no pickle of arrays"):
        read(pickle.dumps(Call(reconstruct, np.ndarray, (0,), b"b", state=state), 2))


def test_scalar_of_an_object_is_refused(read: Read) -> None:
    scalar = np.float64(1).__reduce__()[0]

    with pytest.raises(InputError):
        read(pickle.dumps(Call(scalar, np.dtype("O"), b"12345678"), 2))


def test_memo_entry_that_would_take_all_memory_is_refused(read: Read) -> None:
    with pytest.raises(InputError, match="memo entry 2147483647 at byte 4"):
        read(b"\x80\x02K\x01r" + struct.pack("<I", 2**31 - 1) + b".")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickle_cut_off_anywhere_is_called_damaged(read: Read, protocol: int) -> None:
    content = pickle.dumps({"scores": [np.arange(3.0), "text"], 3: np.asarray(["a"])}, protocol)

    for length in range(len(content)):
        with pytest.raises(InputError, match=r"a\.pkl' (is damaged or no pickle of arrays|asks for)"):
            read(content[:length])


@given(st.data())
def test_damaged_bytes_end_in_a_value_or_a_sentence(read: Read, data: st.DataObject) -> None:
    protocol = data.draw(st.sampled_from(list(PROTOCOLS)))
    content = bytearray(pickle.dumps({"scores": [np.arange(3.0), "text"], 3: np.asarray(["a", None])}, protocol))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    with contextlib.suppress(InputError):
        read(bytes(content))


def test_file_above_the_limit_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "large.pkl"
    path.write_bytes(pickle.dumps([0] * 100))

    with pytest.raises(InputError, match="of which at most 50 are read; split it into smaller files"):
        restricted_pickle.load(path, most_bytes=50)
