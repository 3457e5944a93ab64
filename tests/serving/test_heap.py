"""The C heap of a server: what one large request took is not kept for the next one."""

import gc
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelsat.text.encoder import Encoder
from serving import heap

GLIBC = "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or "") if sys.platform == "linux" else False
# In a process of its own, since the bounds stay for its life. A server without its files ends before it serves.
ASKED = """
import ctypes, json, sys, tempfile, threading
from pathlib import Path
from modelsat.errors import InputError

try:
    if sys.argv[1] == "endpoint":
        from serving import server
        server.run(server.ServerSettings(port=0), None, "no-such-bundle")
    if sys.argv[1] == "gateway":
        from serving import gateway_server
        absent = Path("no-such-file")
        gateway_server.run("127.0.0.1", 0, absent, "http://127.0.0.1:1", None, gateway_server.GatewaySettings())
except InputError:
    pass

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "mappings", *"abcdef")]

libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.fopen.restype, libc.fopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p]
libc.free.argtypes = libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.mallinfo2.restype = Mallinfo

def heaps():
    with tempfile.TemporaryDirectory() as scratch:
        told = Path(scratch) / "told"
        file = libc.fopen(str(told).encode(), b"w")
        libc.malloc_info(0, file)
        libc.fclose(file)
        return told.read_text().count("<heap nr=")

libc.free(libc.malloc(8 * 2**20))
mappings = libc.mallinfo2().mappings
libc.malloc(8 * 2**20)
mappings = libc.mallinfo2().mappings - mappings

together, before = threading.Barrier(6), heaps()

def thread():
    together.wait()
    libc.malloc(1000)
    together.wait()

threads = [threading.Thread(target=thread) for _ in range(6)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(json.dumps([mappings, heaps() - before]))
"""


def mappings_and_heaps(server: str) -> tuple[int, int]:
    """Return how many mappings the second block of 8 MiB takes, and how many heaps six threads add."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", ASKED, server], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    mappings, heaps = json.loads(done.stdout.splitlines()[-1])
    return mappings, heaps


@pytest.mark.skipif(not GLIBC, reason="only glibc's heap is bounded")
def test_large_blocks_end_with_their_mapping_and_threads_share_two_heaps() -> None:
    """Left alone, glibc takes a block from a heap once one of its size was freed, and gives each thread a heap."""
    assert mappings_and_heaps("neither") == (0, 6)

    for server in ("endpoint", "gateway"):
        mappings, heaps = mappings_and_heaps(server)
        assert mappings == 1, server
        assert heaps <= 1, server


HOLES = """
import ctypes, time
from pathlib import Path
from serving import heap

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

heap.bound()
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
blocks = [libc.malloc(100_000) for _ in range(1000)]
for block in blocks:
    ctypes.memset(block, 1, 100_000)
full = resident_mib()
for block in blocks[::2]:
    libc.free(block)
freed = resident_mib()
heap.keep_trimmed(0.05)
until = time.monotonic() + 30
while resident_mib() > full - 40 and time.monotonic() < until:
    time.sleep(0.05)
print(full - freed, full - resident_mib())
"""


@pytest.mark.skipif(not GLIBC, reason="only glibc's heap is trimmed")
def test_holes_between_blocks_that_stay_are_given_back() -> None:
    """Of 1,000 blocks of 100,000 bytes every second one is freed; by itself glibc gives nothing back."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", HOLES], env=environment, capture_output=True, check=True)

    by_itself, in_the_end = map(float, done.stdout.split())
    assert by_itself < 10
    assert in_the_end >= 40


@pytest.fixture
def _settled_for_this_test_alone() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("_settled_for_this_test_alone")
def test_language_model_that_was_there_at_the_start_is_freed_when_it_is_replaced(tiny_backbone: Path) -> None:
    """Python looks for no garbage among what stays, so that nothing of a bundle may refer to itself."""
    encoder = Encoder(tiny_backbone)
    parts = [weakref.ref(part) for part in (encoder, encoder.model, encoder.tokenizer)]
    heap.settle()
    assert gc.get_freeze_count() > 10_000
    gc.disable()

    del encoder

    assert [part() for part in parts] == [None, None, None]
