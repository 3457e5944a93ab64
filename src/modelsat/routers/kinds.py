"""The table of router kinds: the name under which a bundle stores a router, and the class that rebuilds it."""

from importlib import import_module
from pathlib import Path
from typing import Any

from modelsat.errors import InputError
from modelsat.routers.router import Router

KINDS = {
    "constant": "modelsat.routers.constant:Constant",
    "fusion": "modelsat.routers.fusion.router:Fusion",
    "knn": "modelsat.routers.knn:Knn",
    "lexical": "modelsat.routers.lexical:Lexical",
    "model-sat": "modelsat.routers.model_sat.router:ModelSat",
    "model-sat-paper": "modelsat.routers.paper.router:ModelSatPaper",
    "reranked": "modelsat.routers.reranked:Reranked",
    "selection": "modelsat.routers.selection:Selection",
}
"""Named by import path: a kind is imported only when a bundle contains it, because most import torch."""
_WITHOUT_TORCH = {"constant": "", "lexical": "light"}


def needed_extra(kind: str) -> str:
    """Return the optional dependencies of modelsat that a router of this kind needs; "" where it needs none."""
    return _WITHOUT_TORCH.get(kind, "torch")


def load_router(folder: Path, kind: str, candidates: tuple[str, ...], settings: dict[str, Any]) -> Router:
    """Rebuild a router of a named kind from its files."""
    if kind not in KINDS:
        raise InputError(f"bundle {str(folder)!r} holds a router of kind {kind!r}; this modelsat knows {sorted(KINDS)}")
    module, name = KINDS[kind].split(":")
    try:
        router: Router = getattr(import_module(module), name).load(folder, candidates, settings)
    except ModuleNotFoundError as error:
        raise InputError(
            f"the {kind} router of bundle {str(folder)!r} needs the package {error.name!r}, which is not installed "
            f"here; install modelsat[{needed_extra(kind) or 'torch'}]"
        ) from error
    except (TypeError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the {kind} router of bundle {str(folder)!r} was made by another version of modelsat ({error}); retrain it"
        ) from error
    return router
