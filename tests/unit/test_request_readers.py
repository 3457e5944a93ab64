"""Logs of requests as teams have them become rows with outcomes, and what cannot be read is named."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.json.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from modelsat.errors import InputError
from modelsat.offpolicy import readers, requests
from modelsat.offpolicy.readers import cells
from modelsat.offpolicy.readers.spoken import text_of_input

SPOKEN = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "How many moons has Mars?"}]},
]


class LineExporter(SpanExporter):
    """Adds a line of OTLP JSON per export, as the file exporter of the SDK does.

    That one cannot be installed beside the exporter that the gateway uses.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(encode_spans(spans).to_dict()) + "\n")
        return SpanExportResult.SUCCESS


@pytest.fixture
def tracer(tmp_path: Path) -> Iterator[Tracer]:
    """A tracer of the OpenTelemetry SDK, whose spans are written to `spans.jsonl` in the SDK's own OTLP JSON."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(LineExporter(tmp_path / "spans.jsonl")))
    yield provider.get_tracer("test")
    provider.shutdown()


def call(tracer: Tracer, model: str, score: float | None = None, **more: object) -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model,
        "gen_ai.input.messages": json.dumps(SPOKEN),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
    }
    with tracer.start_as_current_span(f"chat {model}", attributes=attributes | more) as span:
        if score is not None:
            told = {"gen_ai.evaluation.name": "correct", "gen_ai.evaluation.score.value": score}
            span.add_event("gen_ai.evaluation.result", told)


def test_spans_of_the_sdk_are_read_with_prompt_model_tokens_and_evaluation(tracer: Tracer, tmp_path: Path) -> None:
    call(tracer, "small", 1.0, **{"modelsat.propensity": 0.25})
    call(tracer, "large")
    with tracer.start_as_current_span("retrieve", attributes={"db.system": "sqlite"}):
        pass
    log = requests.of_rows(readers.read([str(tmp_path)]).rows)

    assert log.model.tolist() == ["small", "large"]
    assert log.prompt.tolist() == ["How many moons has Mars?"] * 2
    assert log.outcome[0] == 1.0
    assert log.is_rated.tolist() == [True, False]
    assert log.propensity[0] == 0.25
    assert log.tokens_in.tolist() == [12, 12]
    assert (log.at > 1.7e9).all()
    assert (log.latency_seconds >= 0).all()


def test_an_evaluation_of_the_whole_trace_counts_where_it_made_one_call(tracer: Tracer, tmp_path: Path) -> None:
    for calls in (1, 2):
        with tracer.start_as_current_span("agent") as span:
            for _ in range(calls):
                call(tracer, "small")
            told = {"gen_ai.evaluation.name": "correct", "gen_ai.evaluation.score.label": "pass"}
            span.add_event("gen_ai.evaluation.result", told)
    log = requests.of_rows(readers.read([str(tmp_path)]).rows)
    assert log.is_rated.tolist() == [True, False, False]


def test_the_gateways_own_spans_carry_candidate_dollars_and_the_probability_of_the_choice(
    tracer: Tracer, tmp_path: Path
) -> None:
    """A request with its decision and one call; one whose first upstream failed was not answered by the choice."""
    for models in (("ada",), ("ada", "bob")):
        with tracer.start_as_current_span("chat auto") as span:
            told = {"modelsat.model": "ada", "modelsat.outcome": "routed", "modelsat.propensity": 0.9}
            with tracer.start_as_current_span("route", attributes=told):
                pass
            for model in models:
                call(tracer, f"org/{model}-7b", **{"modelsat.candidate": model, "modelsat.cost_usd": 0.002})
            span.add_event("gen_ai.evaluation.result", {"gen_ai.evaluation.score.value": 1.0})
    log = requests.of_rows(readers.read([str(tmp_path)]).rows)

    assert log.model.tolist() == ["ada", "ada", "bob"]
    assert log.cost_usd.tolist() == [0.002] * 3
    assert log.propensity.tolist() == pytest.approx([0.9, float("nan"), float("nan")], nan_ok=True)
    assert log.is_rated.tolist() == [True, False, False]


def test_of_several_evaluations_one_has_to_be_named(tracer: Tracer, tmp_path: Path) -> None:
    attributes = {"gen_ai.request.model": "small", "gen_ai.prompt": "Which is a moon?"}
    with tracer.start_as_current_span("chat", attributes=attributes) as span:
        for name, score in (("correct", 1.0), ("polite", 0.0)):
            told = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": score}
            span.add_event("gen_ai.evaluation.result", told)
    with pytest.raises(InputError, match=r"several evaluations \(correct, polite\)"):
        readers.read([str(tmp_path)])
    (row,) = readers.read([str(tmp_path)], assessment="polite").rows
    assert (row["prompt"], row["outcome"]) == ("Which is a moon?", 0.0)


def test_an_evaluation_may_come_as_a_log_record_of_another_file(tracer: Tracer, tmp_path: Path) -> None:
    call(tracer, "small")
    line = json.loads((tmp_path / "spans.jsonl").read_text())
    span = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"]
    told = [{"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.5}}]
    record = {"eventName": "gen_ai.evaluation.result", "spanId": span, "attributes": told}
    logged = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    (tmp_path / "logs.jsonl").write_text(json.dumps(logged) + "\nno JSON\n")
    found = readers.read([str(tmp_path)])
    assert [row["outcome"] for row in found.rows] == [0.5]
    assert found.rejects == [
        (str(tmp_path / "logs.jsonl"), 2, "the line is not OTLP JSON; write one export request per line")
    ]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], str]:
    """Return a function that writes a file and returns its path."""

    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_a_csv_is_read_in_the_words_that_people_use(written: Callable[[str, str], str]) -> None:
    path = written(
        "log.csv",
        "Timestamp,question,model,correct,cost,latency ms,input_tokens\n"
        "2026-10-01T12:00:00+02:00,Which is a moon?,small,yes,0.001,250,7\n"
        "1790848800000,Which is a planet?,large,false,,1000,9\n",
    )
    log = requests.of_rows(readers.read([path]).rows)
    assert log.at.tolist() == [1790848800.0, 1790848800.0]
    assert log.outcome.tolist() == [1.0, 0.0]
    assert log.latency_seconds.tolist() == [0.25, 1.0]
    assert log.tokens_in.tolist() == [7, 9]
    assert log.cost_usd[0] == 0.001
    assert log.propensity.tolist() == pytest.approx([float("nan")] * 2, nan_ok=True)


def test_json_lines_may_hold_conversations_and_stars(written: Callable[[str, str], str]) -> None:
    spoken = [{"role": "user", "content": "Which is a moon?"}, {"role": "assistant", "content": "Phobos"}]
    rows = [{"messages": spoken, "model": "small", "rating": stars} for stars in (5, 1, 3, None)]
    found = readers.read([written("log.jsonl", "\n".join(map(json.dumps, rows)))])
    log = requests.of_rows(found.rows)
    assert log.prompt.tolist() == ["Which is a moon?"] * 4
    assert log.outcome[:3].tolist() == [1.0, 0.0, 0.5]
    assert log.is_rated.tolist() == [True, True, True, False]
    assert found.notes == ["ratings are taken to be from 1 (worst) to 5 (best); --ratings says otherwise"]


def test_rows_that_cannot_be_read_are_named_and_stop_nothing(written: Callable[[str, str], str]) -> None:
    path = written(
        "log.csv",
        "prompt,model,outcome,propensity\nWhich?,small,1,0.5\n,small,1,0.5\nWhich?,small,perhaps,0.5\nWhich?,a,1,0\n",
    )
    found = readers.read([path])
    assert len(found.rows) == 1
    assert [(row, reason.split(";")[0]) for _, row, reason in found.rejects] == [
        (3, "it has no prompt"),
        (4, "outcome: 'perhaps' is no outcome"),
        (5, "propensity: '0' is no probability of what was chosen"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("log.csv", "prompt,outcome\nWhich?,1\n", "it has no column model or candidate or model_name"),
        ("log.csv", "prompt,model,outcome\n", "holds no request that can be read"),
        ("log.csv", "prompt,model,rating\nWhich?,small,512\n", "on no usual scale"),
        ("log.txt", "prompt,model\n", "holds no requests that modelsat can read"),
    ],
)
def test_a_source_without_requests_is_refused_with_the_reason(
    written: Callable[[str, str], str], name: str, text: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        readers.read([written(name, text)])


def test_a_declared_scale_goes_before_the_usual_ones(written: Callable[[str, str], str]) -> None:
    path = written("log.csv", "prompt,model,rating\nWhich?,small,4\nWhich?,small,7\nWhich?,small,8\n")
    found = readers.read([path], scale=(1.0, 7.0))
    assert [row["outcome"] for row in found.rows] == [0.5, 1.0]
    assert "outside 1 to 7" in found.rejects[0][2]


@pytest.mark.parametrize(
    ("ratings", "scale"),
    [([0, 1, 0.5], (0, 1)), ([-1, 1], (-1, 1)), ([1, 5], (1, 5)), ([0, 7], (0, 10)), ([0, 85], (0, 100))],
)
def test_the_narrowest_usual_scale_is_found(ratings: list[float], scale: tuple[float, float]) -> None:
    assert cells.scale_of(ratings) == scale


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("Which?", "Which?"),
        ('{"messages": [{"role": "user", "content": "Which?"}]}', "Which?"),
        ([{"role": "user", "content": [{"type": "text", "text": "Which?"}]}], "Which?"),
        ({"question": "Which?"}, "Which?"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "Which?"}]}]}, "Which?"),
        ([["nothing"]], ""),
        ({"a": 1, "b": 2}, ""),
    ],
)
def test_the_input_of_a_call_is_read_in_its_usual_forms(given: object, read: str) -> None:
    assert text_of_input(given) == read
