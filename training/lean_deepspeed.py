"""DeepSpeed as a rank needs it: for the device at hand, and without MLflow.

DeepSpeed's autotuner imports all of MLflow where that is installed, a sixth of what a rank's start takes. Nothing here
uses the autotuner.
"""

import os
import sys
from typing import Any, cast

import torch

# Read by DeepSpeed as it is imported.
os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
_modules = cast(dict[str, Any], sys.modules)
_hides = "mlflow" not in _modules
if _hides:
    _modules["mlflow"] = None  # imports of it now fail
try:
    import deepspeed
finally:
    if _hides:
        del _modules["mlflow"]

__all__ = ["deepspeed"]
