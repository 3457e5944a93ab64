"""Reader of an MLflow server's traces: calls of models, and their assessments as outcomes.

mlflow:http://127.0.0.1:5000#experiment     traces of one experiment
mlflow:#experiment                          at the server that MLFLOW_TRACKING_URI names
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

from modelsat.errors import InputError
from modelsat.io import mlflow_server
from modelsat.offpolicy.readers.gathered import Gathered
from modelsat.offpolicy.readers.otlp import PROPENSITY, RATING
from modelsat.offpolicy.readers.spoken import text_of_input

SCHEME = "mlflow:"
_AT_ONCE = 200
_CALLS = ("LLM", "CHAT_MODEL")


def claims(source: str) -> bool:
    """Say whether a source is an MLflow server."""
    return source.startswith(SCHEME)


def read(source: str, assessment: str = "", progress: Callable[[str], None] = lambda _: None) -> Gathered:
    """Read the traces of an experiment.

    Args:
        source: As the module describes it.
        assessment: Which assessment is the outcome, by its name; empty where there is one.
        progress: Called with a line now and then.

    Raises:
        InputError: The source is incomplete, there is no such experiment, or several assessments to choose from.
        ServiceError: The server does not answer.
    """
    address, _, experiment = source.removeprefix(SCHEME).partition("#")
    address = address or os.environ.get("MLFLOW_TRACKING_URI", "")
    if not address or not experiment:
        raise InputError(f"{source!r} is incomplete; write mlflow:http://host:5000#experiment")
    mlflow_server.check(address)
    found, names = Gathered(), set[str]()
    rows = []
    with mlflow_server.naming_faults(address):
        for number, trace in enumerate(_traces(address, experiment), start=1):
            told, assessed = _told(trace)
            names |= assessed.keys()
            rows.append((str(trace.info.trace_id), told, assessed))
            if not number % _AT_ONCE:
                progress(f"reading traces {number:,}")
    _require_one(names, assessment, experiment)
    name = assessment or next(iter(names), "")
    for trace_id, told, assessed in rows:
        if "fault" in told:
            found.reject(source, trace_id, str(told["fault"]))
        else:
            found.add(source, trace_id, told | ({"outcome": assessed[name]} if name in assessed else {}))
    return found


def _traces(address: str, experiment: str) -> Iterator[Any]:
    client = mlflow_server.library().MlflowClient(address, address)
    known = client.get_experiment_by_name(experiment)
    if known is None:
        raise InputError(f"MLflow at {address} has no experiment {experiment!r}; correct its name")
    token: str | None = None
    while True:
        page = client.search_traces(
            locations=[known.experiment_id], max_results=_AT_ONCE, order_by=["timestamp_ms ASC"], page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _require_one(names: set[str], assessment: str, experiment: str) -> None:
    listed = ", ".join(sorted(names))
    if not names:
        raise InputError(f"no trace of {experiment!r} has an assessment; log feedback on traces (mlflow.log_feedback)")
    if assessment and assessment not in names:
        raise InputError(f"no trace of {experiment!r} has an assessment {assessment!r}; there are {listed}")
    if not assessment and len(names) > 1:
        raise InputError(
            f"the traces of {experiment!r} have several assessments ({listed}); name one with --assessment"
        )


def _told(trace: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a trace tells of its call, and its assessments by name; the last of a name counts."""
    info = trace.info
    given = sorted(info.assessments or (), key=lambda one: one.last_update_time_ms or 0)
    assessed = {
        one.name: one.feedback.value
        for one in given
        if getattr(one, "feedback", None) is not None and one.feedback.error is None and one.valid is not False
    }
    spans = list(trace.data.spans)
    calls = [span for span in spans if span.span_type in _CALLS or span.model_name]
    models = {model for model in map(_model, calls or spans[:1]) if model}
    if len(models) != 1:
        several = f"the trace called several models ({', '.join(sorted(models))})"
        return {"fault": f"{several}; a trace of one call can be judged" if models else "it names no model"}, assessed
    first = (calls or spans)[0]
    extra = {**(info.request_metadata or {}), **(info.tags or {}), **first.attributes}
    usage, cost = info.token_usage or {}, info.cost or first.llm_cost or {}
    told = {
        "at": info.timestamp_ms / 1000,
        "prompt": text_of_input(first.inputs) or text_of_input(trace.data.request),
        "model": next(iter(models)),
        "cost_usd": cost.get("total_cost"),
        "latency_seconds": None if info.execution_duration is None else info.execution_duration / 1000,
        "propensity": extra.get(PROPENSITY),
        "tokens_in": usage.get("input_tokens"),
        "tokens_out": usage.get("output_tokens"),
    }
    if RATING in extra:
        assessed.setdefault(RATING, extra[RATING])
    return told, assessed


def _model(span: Any) -> str | None:
    inputs = span.inputs if isinstance(span.inputs, dict) else {}
    named = span.model_name or span.get_attribute("gen_ai.request.model") or inputs.get("model")
    return str(named) if named else None
