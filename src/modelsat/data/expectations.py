"""Runs expectations on a data frame through Great Expectations, with guards against what that package lets pass.

Great Expectations calls an empty table, an empty suite and NaN inside a range a success. So every suite counts its
rows, every key and score must not be null, and an outcome with another number of results than expected is a failure.
"""

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelsat.errors import ModelsatError

CRITICAL, WARNING = "critical", "warning"


@dataclass(frozen=True)
class Check:
    """One expectation and how it came out.

    Attributes:
        title: What is expected, as a statement.
        severity: Critical halts the run, warning is shown.
        passed: Whether it holds.
        unexpected: How many rows break it.
        rows: Up to 20 of them, as shown on the page.
        remedy: What to do.
    """

    title: str
    severity: str
    passed: bool
    unexpected: int
    rows: tuple[Mapping[str, Any], ...]
    remedy: str


@dataclass(frozen=True)
class Rule:
    """One expectation with the words around it; `suspect` is the kind of row that breaks it, if these are counted."""

    title: str
    kind: str
    arguments: Mapping[str, Any]
    remedy: str
    severity: str = CRITICAL
    suspect: str = ""


def run(frame: Any, rules: Sequence[Rule], counts: Mapping[str, int] | None = None) -> list[Check]:
    """Run the rules on one data frame through Great Expectations.

    Args:
        frame: The rows.
        rules: What is expected of them.
        counts: By kind of suspect how many rows there are, where the frame holds the first of them alone.
    """
    gx = _great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    batch = (
        context.data_sources.add_pandas("frame").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    )
    expectations = [
        getattr(gx.expectations, rule.kind)(**rule.arguments, severity=rule.severity, meta={"rule": i})
        for i, rule in enumerate(rules)
    ]
    suite = context.suites.add(gx.ExpectationSuite(name="contract", expectations=expectations))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="contract", data=batch, suite=suite))
    with warnings.catch_warnings():
        # Great Expectations compares with pandas calls that warn about their own future.
        warnings.simplefilter("ignore")
        results = definition.run(batch_parameters={"dataframe": frame}, result_format="COMPLETE").results
    if len(results) != len(rules) or not rules:
        raise ModelsatError(
            f"Great Expectations evaluated {len(results)} of {len(rules)} expectations; report this as a bug"
        )
    by_rule = {result.expectation_config.meta["rule"]: result for result in results}
    return [_check(rule, by_rule[i], frame, (counts or {}).get(rule.suspect, 0)) for i, rule in enumerate(rules)]


def _check(rule: Rule, result: Any, frame: Any, counted: int = 0) -> Check:
    told = result.exception_info or {}
    # Great Expectations puts what went wrong under the name of each metric, or at the top.
    faults = [fault for fault in (told, *told.values()) if isinstance(fault, dict) and fault.get("raised_exception")]
    if faults:
        raise ModelsatError(f"the expectation {rule.title!r} could not be evaluated: {faults[0]['exception_message']}")
    index = result.result.get("unexpected_index_list") or []
    shown = frame.iloc[index[:20]].replace({np.nan: None}).to_dict("records")
    unexpected = max(len(index), counted) if index else int(not result.success)
    if counted and result.success:
        raise ModelsatError(f"{counted} rows break {rule.title!r}, and Great Expectations lets them pass; report this")
    return Check(rule.title, rule.severity, bool(result.success), unexpected, tuple(shown), rule.remedy)


def _great_expectations() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return gx
