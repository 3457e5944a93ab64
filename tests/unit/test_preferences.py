"""What a request may ask for beside its prompts, and which askings are refused with which sentence."""

from typing import Any

import pytest

from modelsat.errors import InputError
from modelsat.policy import preferences
from modelsat.policy.preferences import CHEAPEST, Preferences


def test_nothing_asked_is_the_default() -> None:
    assert preferences.read({}) == Preferences()
    assert preferences.read(dict.fromkeys(preferences.FIELDS)) == Preferences()


def test_everything_that_can_be_asked_is_read() -> None:
    asked = {
        "candidates": ["a", "b"],
        "policy": "cheapest",
        "cost_weight": 0.5,
        "max_cost_usd": 2,
        "min_success_probability": 1,
        "min_context_length": 8000,
        "modalities": ["image"],
        "tools": True,
        "region": "eu",
        "top_k": 3,
        "available": ["a", "c"],
        "failed": ["b"],
    }

    assert preferences.read(asked) == Preferences(
        ("a", "b"), CHEAPEST, 0.5, 2.0, 1.0, 8000, ("image",), True, "eu", 3, available=("a", "c"), failed=("b",)
    )
    assert {*asked, "budget_usd"} == set(preferences.FIELDS)


def test_budget_is_read_with_all_that_does_not_decide_between_candidates() -> None:
    asked = {"budget_usd": 0.5, "max_cost_usd": 0.1, "top_k": 3, "policy": "utility", "cost_weight": 0}

    assert preferences.read(asked) == Preferences(budget_usd=0.5, max_cost_usd=0.1, top_k=3)


@pytest.mark.parametrize(
    ("field", "value"), [("policy", CHEAPEST), ("cost_weight", 0.1), ("min_success_probability", 0.5)]
)
def test_budget_and_another_rule_of_choice_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"budget_usd decides what a success may cost; leave out {field}"):
        preferences.read({"budget_usd": 1, field: value})


def test_list_may_be_written_with_commas() -> None:
    assert preferences.read({"candidates": " a,b , ", "modalities": "image"}) == Preferences(
        candidates=("a", "b"), modalities=("image",)
    )


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("cost_weight", -0.01, r"cost_weight -0.01 is outside \[0, 1\]; 0 ignores costs"),
        ("cost_weight", float("nan"), r"cost_weight nan is outside \[0, 1\]"),
        ("cost_weight", 10**400, r"cost_weight of 401 characters is outside \[0, 1\]"),
        ("cost_weight", "0.5", "cost_weight '0.5' is not a number"),
        ("cost_weight", True, "cost_weight True is not a number"),
        ("min_success_probability", 1.1, r"min_success_probability 1.1 is outside \[0, 1\]"),
        ("max_cost_usd", -1, "max_cost_usd -1 is not a number from 0 on"),
        ("max_cost_usd", float("inf"), "max_cost_usd inf is not a number from 0 on"),
        ("budget_usd", -1, "budget_usd -1 is not a number from 0 on"),
        ("max_cost_usd", 10**400, "max_cost_usd is too large"),
        ("top_k", 0, "top_k 0 is not a whole number from 1 on"),
        ("top_k", 1.0, "top_k 1.0 is not a whole number"),
        ("top_k", 2**31, "is not a whole number"),
        ("min_context_length", True, "min_context_length True is not a whole number"),
        ("candidates", 7, "candidates 7 is not a list of names"),
        ("modalities", [1], r"modalities \[1\] is not a list of names"),
        ("policy", "dear", "policy 'dear' is unknown; send one of auto, best, cheap, utility, cheapest"),
        ("region", " ", "region ' ' is not a text"),
        ("tools", "yes", "tools 'yes' is neither true nor false"),
        (
            "cost_wieght",
            0.5,
            "unknown parameter 'cost_wieght'; this router knows candidates, modalities, available, failed, cost_weight",
        ),
    ],
)
def test_asking_that_cannot_be_met_is_refused_with_its_fault(field: str, value: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        preferences.read({field: value})
