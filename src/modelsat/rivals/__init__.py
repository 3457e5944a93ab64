"""The rivals: published routers and the simple ones that are hard to beat, re-implemented from their formulas."""

from importlib import import_module

from modelsat.errors import InputError
from modelsat.rivals.rival import Fit

NAMES = {
    "knn": "knn:fit",
    "ridge": "ridge:fit",
    "mlp": "mlp:fit",
    "task-classifier": "task_classifier:fit",
    "stack": "stack:fit",
    "avengers": "avengers:fit",
    "avengers-pro": "avengers:fit_pro",
    "embedllm": "embedllm:fit",
    "saverouter": "saverouter:fit",
    "uniroute": "uniroute:fit",
    "uniroute-map": "learned_map:fit",
    "omnirouter": "omnirouter:fit",
    "inference-dynamics": "inference_dynamics:fit",
}


def named(name: str) -> Fit:
    """Return the function that fits a rival.

    Raises:
        InputError: There is no rival of that name.
    """
    if name not in NAMES:
        raise InputError(f"there is no rival {name!r}; name one of {', '.join(NAMES)}, or the folder of a bundle")
    module, function = NAMES[name].split(":")
    fit: Fit = getattr(import_module(f"modelsat.rivals.{module}"), function)
    return fit
