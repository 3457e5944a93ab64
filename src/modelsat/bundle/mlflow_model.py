"""The router as an MLflow pyfunc: this file is stored with the model and run by `mlflow models serve`; no pickle.

Its package is stored beside it, as one archive. It imports the public face alone, so a stored copy works with later
versions.
"""

import sys
from pathlib import Path
from typing import Any

import mlflow

_STORED = Path(__file__).parent / "code" / "modelsat.zip"
# On the path for this import alone: what the process starts later is no business of a stored model.
sys.path.insert(0, str(_STORED))
try:
    import modelsat
finally:
    sys.path.remove(str(_STORED))


class RouterModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answers a data frame of prompts with the chosen candidates."""

    def load_context(self, context: Any) -> None:
        """Load and verify the bundle that was stored as an artifact."""
        self.router = modelsat.load(context.artifacts["bundle"])

    # MLflow reads type hints of these arguments as a schema; the signature is stored with the model instead.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, ARG002
        """Route prompts.

        Args:
            context: Of MLflow, unused.
            model_input: Data frame with the column `prompt`.
            params: `cost_weight` in [0, 1], 0 for none; `policy` auto, best, cheap, utility or cheapest.

        Returns:
            Data frame with the columns `model` and `success_probability`.

        Raises:
            InputError: A prompt is not a string.
        """
        asked = params or {}
        # A number has to stand in the signature, so 0 asks for nothing here; the dial's end is the policy `best`.
        weight, policy = float(asked.get("cost_weight", 0.0)) or None, str(asked.get("policy", "auto"))
        preferences = modelsat.Preferences(policy=policy, cost_weight=weight)
        routed = self.router.route(list(model_input["prompt"]), preferences)
        return routed.to_pandas()[["model", "success_probability"]].astype({"success_probability": float})


mlflow.models.set_model(RouterModel())
