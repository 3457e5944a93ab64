"""The router as an MLflow pyfunc: this file is stored with the model and run by `mlflow models serve`; no pickle."""

from pathlib import Path
from typing import Any

import mlflow

from modelsat import bundle, preferences, routing
from modelsat.errors import InputError


class RouterModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answers a data frame of prompts with the chosen candidates."""

    def load_context(self, context: Any) -> None:
        """Load and verify the bundle that was stored as an artifact."""
        self.bundle = bundle.read(Path(context.artifacts["bundle"]))

    # MLflow reads type hints of these arguments as a schema; the signature is stored with the model instead.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, ARG002
        """Route prompts.

        Args:
            context: Of MLflow, unused.
            model_input: Data frame with the column `prompt`.
            params: `cost_weight` in [0, 1].

        Returns:
            Data frame with the columns `model` and `success_probability`.

        Raises:
            InputError: A prompt is no text.
        """
        import pandas as pd

        texts = list(model_input["prompt"])
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"the prompt of row {row} is {type(text).__name__}, not text; give one text per row")
        weight = float((params or {}).get("cost_weight", 0.0))
        ranking = routing.route(self.bundle, texts, preferences.read({"cost_weight": weight}))
        return pd.DataFrame(
            {"model": ranking.model, "success_probability": ranking.success_probability[:, 0].astype(float)}
        )


mlflow.models.set_model(RouterModel())
