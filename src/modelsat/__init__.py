"""modelsat learns from benchmark results which LLM can handle which prompt, and keeps learning as new LLMs appear.

    import modelsat

    router = modelsat.load("models:/modelsat-router@champion")
    router.route(["What is 17 * 23?"], modelsat.Preferences(cost_weight=0.1)).to_pandas()

These names are the public interface (docs/python.md); all else may change between versions. Each is imported when it is
first asked for, so `import modelsat` loads neither numpy nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from modelsat.bundle.explanation import ExplainedChoice
    from modelsat.bundle.loaded import LoadedRouter, load
    from modelsat.bundle.routed import RoutedPrompts
    from modelsat.errors import (
        ConflictError,
        InputError,
        ModelsatError,
        ResourceError,
        ServiceError,
        UnsetVariable,
        ValidationFailed,
        VerdictNo,
    )
    from modelsat.evaluation.comparison import Comparison, evaluate
    from modelsat.policy.preferences import Preferences

__all__ = [
    "Comparison",
    "ConflictError",
    "ExplainedChoice",
    "InputError",
    "LoadedRouter",
    "ModelsatError",
    "Preferences",
    "ResourceError",
    "RoutedPrompts",
    "ServiceError",
    "UnsetVariable",
    "ValidationFailed",
    "VerdictNo",
    "__version__",
    "evaluate",
    "load",
]

_HOMES = {
    "Comparison": "modelsat.evaluation.comparison",
    "ExplainedChoice": "modelsat.bundle.explanation",
    "LoadedRouter": "modelsat.bundle.loaded",
    "Preferences": "modelsat.policy.preferences",
    "RoutedPrompts": "modelsat.bundle.routed",
    "evaluate": "modelsat.evaluation.comparison",
    "load": "modelsat.bundle.loaded",
}
"""Modules of the names above; the others are errors."""

_MOVED = {"preferences": "modelsat.policy.preferences", "routing": "modelsat.bundle.ranking"}
"""Modules that models registered by 0.1.0 import under their old names, since their code is stored with them."""


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # a type checker would take every misspelt name for one that this finds

    def __getattr__(name: str) -> object:
        if name in _MOVED:
            return import_module(_MOVED[name])
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES.get(name, "modelsat.errors")), name)
