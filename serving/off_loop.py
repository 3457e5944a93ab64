"""Work that would keep an event loop from answering probes goes to a thread; short work stays, since threads cost time.

There is one such thread. It shares the interpreter with the loop and with the router's thread, which gets its turn back
only after each of the hundreds of steps of a reading: beside several threads that parse, a reading takes many times as
long. Long bodies wait for each other instead.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

LONG_BODY = 64 * 1024
"""Bytes of a body from which on it is read in the thread."""
LONG_ANSWER = 4_000
"""Values of an answer from which on it is made there: prompts times candidates."""
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="off-loop")


async def called(
    is_long: bool, call: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _Result:
    """Call a function, in the thread where it takes long; its errors are those of the call."""
    if not is_long:
        return call(*arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_thread, partial(call, *arguments, **named))
