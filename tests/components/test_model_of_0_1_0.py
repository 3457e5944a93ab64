"""A model that 0.1.0 registered loads with the code stored with it, and answers as then (tests/data/model_0_1_0)."""

import json
import warnings
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[1] / "data" / "model_0_1_0"


@pytest.fixture(scope="module")
def answers() -> Any:
    return json.loads((FOLDER / "answers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model() -> Any:
    with warnings.catch_warnings():
        # MLflow warns of type hints, its own among them, as it is imported and as it loads any model.
        warnings.simplefilter("ignore", UserWarning)
        return mlflow.pyfunc.load_model(str(FOLDER / "model"))


def test_stored_code_is_that_of_0_1_0() -> None:
    code = (FOLDER / "model" / "pyfunc_model.py").read_text(encoding="utf-8")

    assert "from modelsat import bundle, preferences, routing\n" in code


@pytest.mark.parametrize(("name", "params"), [("plain", None), ("cost_weight_0.5", {"cost_weight": 0.5})])
def test_predictions_are_those_of_0_1_0(model: Any, answers: Any, name: str, params: dict[str, float] | None) -> None:
    now = model.predict(pd.DataFrame({"prompt": answers["prompts"]}), params=params)

    assert now["model"].tolist() == [row["model"] for row in answers[name]]
    then = [row["success_probability"] for row in answers[name]]
    assert now["success_probability"].tolist() == pytest.approx(then, abs=1e-6)


def test_what_is_no_text_is_refused_by_its_row(model: Any) -> None:
    stored = model.unwrap_python_model()

    with pytest.raises(Exception, match="the prompt of row 1 is int, not text"):
        stored.predict(None, pd.DataFrame({"prompt": ["What is 17 * 23?", 5]}))
