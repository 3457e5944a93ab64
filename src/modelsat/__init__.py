"""modelsat learns from benchmark results which LLM can handle which prompt, and keeps learning as new LLMs appear."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

_MOVED = {"preferences": "modelsat.policy.preferences", "routing": "modelsat.bundle.ranking"}
"""Modules that models registered by 0.1.0 import under their old names, since their code is stored with them."""

if not TYPE_CHECKING:  # a type checker would take every misspelt name for one that this finds

    def __getattr__(name: str) -> object:
        if name in _MOVED:
            return import_module(_MOVED[name])
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
