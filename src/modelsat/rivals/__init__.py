"""The rivals: published routers and the simple ones that are hard to beat, re-implemented from their formulas."""

from importlib import import_module
from typing import cast

from modelsat.errors import InputError
from modelsat.rivals.rival import PromptFit, on_all_layers, on_last_layer

NAMES = {
    "knn": "knn:fit",
    "ridge": "ridge:fit",
    "mlp": "mlp:fit",
    "task-classifier": "task_classifier:fit",
    "stack": "stack:fit",
    "lexical": "lexical:fit",
    "two-stack": "two_stack:fit",
    "avengers": "avengers:fit",
    "avengers-pro": "avengers:fit_pro",
    "embedllm": "embedllm:fit",
    "saverouter": "saverouter:fit",
    "uniroute": "uniroute:fit",
    "uniroute-map": "learned_map:fit",
    "omnirouter": "omnirouter:fit",
    "inference-dynamics": "inference_dynamics:fit",
}
OURS = "fusion"
"""The part of our router that needs no training, judged in the same harness."""
MIXED = "mixture"
"""The same with the simple members beside it, as a challenger without a trained network has them."""
READ_TEXTS = ("lexical", "two-stack", MIXED)
"""Rivals that read the prompts' texts; they need `Labelled.texts`."""
FITTED = NAMES | {OURS: "fusion:fit", MIXED: "mixture:fit"}
"""All that can be named, rivals first."""
WITHOUT_VECTORS = ("lexical",)
"""Rivals that need no encoder, and so no torch: their vectors may have width 0."""


def named(name: str) -> PromptFit:
    """Return the function that fits a rival.

    Raises:
        InputError: There is no rival of that name.
    """
    if name not in FITTED:
        known = ", ".join(FITTED)
        raise InputError(f"there is no rival {name!r}; name one of {known}, or the folder of a bundle")
    module, function = f"modelsat.rivals.{FITTED[name]}".split(":")
    fit = getattr(import_module(module), function)
    if name in READ_TEXTS:
        return cast(PromptFit, fit)
    return on_all_layers(fit) if name == OURS else on_last_layer(fit)
