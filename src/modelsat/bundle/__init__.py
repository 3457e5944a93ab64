"""The one deployable thing, and who is champion.

`modelsat.bundle.read` and its like are imported when they are first asked for: a look at the champion records needs
neither tables nor tensors.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelsat.bundle.bundle import Bundle, publish, read, verify

__all__ = ["Bundle", "publish", "read", "verify"]

if not TYPE_CHECKING:  # a type checker would take every misspelt name for one that this finds

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("modelsat.bundle.bundle"), name)
