"""Work that would keep an event loop from answering probes goes to a thread; short work stays, since threads cost time.

A thread shares the interpreter with the loop, which gets its turn every few milliseconds.
"""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

LONG_BODY = 64 * 1024
"""Bytes of a body from which on it is read in a thread."""
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


async def called(
    is_long: bool, call: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _Result:
    """Call a function, in a thread where it takes long; its errors are those of the call."""
    return await asyncio.to_thread(call, *arguments, **named) if is_long else call(*arguments, **named)
