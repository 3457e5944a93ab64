"""Stored results that a stopped run goes on from, and that a new rival is added to without measuring the others."""

import inspect
import json
from pathlib import Path
from types import ModuleType

from quality import code

from modelsat.rivals.rival import Fit
from modelsat.text.rendering import digest


def resumed(path: Path, settings: dict) -> dict:
    """Return what is stored where it was measured with these settings, otherwise the settings alone."""
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if all(stored.get(name) == value for name, value in json.loads(json.dumps(settings)).items()):
            return stored
    return dict(settings)


def fingerprint(fit: Fit, *modules: ModuleType) -> str:
    """Return a digest of a rival's source and of the modules that measure it: results of other code are not kept."""
    return digest("\x00".join([inspect.getsource(fit), *code(fit), *map(inspect.getsource, modules)]))[:16]
