"""Protocols v1 and v2: what a client is told, and that both tell the same.

A prompt of 40 characters is 10 tokens, and 90 are expected in return: `cheap` (1 USD per million tokens) then costs
1e-4 USD and `strong` (10 USD) 1e-3 USD.
"""

import json
import shlex
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from endpoint_process import INFER, JSON, LIVE, PREDICT, READY, Answer, Endpoint

from modelsat.bundle.bundle import Bundle
from modelsat.policy.preferences import Preferences
from serving.predictor import _require_room
from serving.refusal import Refused

FORTY = "What is the sum of all digits of 12,345?"
EIGHTY = FORTY + FORTY
DIFFERENT = ("Add 17 and 25.", "Spell the word rhythm backwards.", "Write a haiku about autumn.", FORTY)
OUTPUTS = {
    "model": ("BYTES", 1),
    "candidates": ("BYTES", 2),
    "success_probability": ("FP32", 2),
    "expected_cost_usd": ("FP32", 2),
    "seen_in_training": ("BOOL", 2),
    "truncated": ("BOOL", 1),
    "foreign": ("FP32", 1),
}
OF_CANDIDATES = ("success_probability", "expected_cost_usd", "seen_in_training")


def v1_as_columns(answer: Answer) -> dict[str, Any]:
    predictions = answer.json["predictions"]
    ranked = [row for prediction in predictions for row in prediction["candidates"]]
    return {
        "model": [prediction["model"] for prediction in predictions],
        "candidates": [row["candidate"] for row in ranked],
        **{name: [row[name] for row in ranked] for name in OF_CANDIDATES},
        **{name: [prediction[name] for prediction in predictions] for name in ("truncated", "foreign")},
    }


def v2_as_columns(answer: Answer) -> dict[str, Any]:
    return {name: answer.output(name) for name in OUTPUTS}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (LIVE, {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        (READY, {"name": "router", "ready": True}),
        ("/v1/models/router", {"name": "router", "ready": True}),
        ("/v2/models", {"models": ["router"]}),
        ("/v1/models", {"models": ["router"]}),
    ],
)
def test_health_and_lists_are_answered(endpoint: Endpoint, path: str, said: dict[str, object]) -> None:
    answer = endpoint.get(path)

    assert (answer.status, answer.json) == (200, said)


def test_metadata_names_every_tensor(endpoint: Endpoint) -> None:
    metadata = endpoint.get("/v2/models/router").json

    assert metadata["name"] == "router"
    assert metadata["inputs"] == [{"name": "prompt", "datatype": "BYTES", "shape": [-1]}]
    assert metadata["outputs"] == [
        {"name": name, "datatype": datatype, "shape": [-1] * rank} for name, (datatype, rank) in OUTPUTS.items()
    ]


def test_metrics_count_requests(endpoint: Endpoint) -> None:
    def counted() -> float:
        lines = endpoint.get("/metrics").body.decode().splitlines()
        (line,) = [line for line in lines if line.startswith("request_predict_seconds_count")]
        return float(line.split()[-1])

    endpoint.infer([FORTY])
    before = counted()
    endpoint.infer([FORTY])

    assert counted() == before + 1


def test_prompt_is_answered_with_the_whole_ranking(endpoint: Endpoint, three: tuple[Path, Bundle]) -> None:
    answer = endpoint.infer([FORTY])

    assert answer.status == 200
    assert answer.output("model") == ["strong"]
    assert answer.output("candidates") == ["strong", "cheap", "weak"]
    assert answer.output("success_probability") == pytest.approx([0.8, 0.7, 0.3])
    assert answer.output("expected_cost_usd")[:2] == pytest.approx([1e-3, 1e-4])
    assert answer.output("expected_cost_usd")[2] is None
    assert answer.output("seen_in_training") == [True, True, False]
    assert (answer.output("truncated"), answer.output("foreign")) == ([False], [0.0])
    assert answer.json["parameters"] == {"router_version": three[1].digest[:12], "truncated": False}
    assert answer.json["model_name"] == "router"


@pytest.mark.parametrize("n", [1, 3, 1024])
def test_outputs_have_the_names_types_and_shapes_of_the_metadata(endpoint: Endpoint, n: int) -> None:
    answer = endpoint.infer([FORTY] * n)

    shapes = {1: [n], 2: [n, 3]}
    assert [(output["name"], output["datatype"], output["shape"]) for output in answer.json["outputs"]] == [
        (name, datatype, shapes[rank]) for name, (datatype, rank) in OUTPUTS.items()
    ]
    assert [len(output["data"]) for output in answer.json["outputs"]] == [n, *[3 * n] * 4, n, n]


def test_each_prompt_has_its_own_row(endpoint: Endpoint) -> None:
    answer = endpoint.infer([FORTY, EIGHTY])

    assert answer.output("model") == ["strong", "strong"]
    assert answer.output("expected_cost_usd")[:2] == pytest.approx([1e-3, 1e-4])
    assert answer.output("expected_cost_usd")[3:5] == pytest.approx([1.1e-3, 1.1e-4])


def test_prompts_together_get_the_answers_that_each_gets_alone(reader: tuple[Endpoint, Bundle]) -> None:
    endpoint, _ = reader

    together = v1_as_columns(endpoint.predict(DIFFERENT))
    alone = [v1_as_columns(endpoint.predict([text])) for text in DIFFERENT]

    assert together["model"] == [answer["model"][0] for answer in alone]
    assert together["candidates"] == [name for answer in alone for name in answer["candidates"]]
    assert together["success_probability"] == pytest.approx(
        [value for answer in alone for value in answer["success_probability"]], abs=1e-5
    )
    assert len(set(together["success_probability"][::3])) > 1


def test_answers_are_those_of_the_bundle(reader: tuple[Endpoint, Bundle]) -> None:
    endpoint, bundle = reader

    answer = endpoint.infer(DIFFERENT)

    names, values = answer.output("candidates"), answer.output("success_probability")
    for i, expected in enumerate(bundle.success_probability(list(DIFFERENT))):
        ranked = dict(zip(names[3 * i : 3 * i + 3], values[3 * i : 3 * i + 3], strict=True))
        assert [ranked[name] for name in "abc"] == pytest.approx(expected.tolist(), abs=1e-5)
        assert list(ranked.values()) == sorted(ranked.values(), reverse=True)


def test_prompt_that_is_only_read_in_part_is_reported(reader: tuple[Endpoint, Bundle]) -> None:
    endpoint, _ = reader
    long = "word " * 100

    assert endpoint.infer(["word", long]).json["parameters"]["truncated"] is True
    assert endpoint.infer(["word"]).json["parameters"]["truncated"] is False
    assert [row["truncated"] for row in endpoint.predict(["word", long]).json["predictions"]] == [False, True]


@pytest.mark.parametrize(
    ("weight", "ranking"),
    [
        (0, ["strong", "cheap", "weak"]),
        (0.11, ["strong", "cheap", "weak"]),
        (0.12, ["cheap", "strong", "weak"]),
        (1, ["cheap", "strong", "weak"]),
    ],
)
def test_cheaper_candidate_leads_once_the_weight_exceeds_a_ninth(
    endpoint: Endpoint, weight: float, ranking: list[str]
) -> None:
    """`cheap` costs a tenth of `strong`: 0.7 - 0.1 w exceeds 0.8 - w from w = 1/9."""
    answer = endpoint.infer([FORTY], {"cost_weight": weight})

    assert answer.output("candidates") == ranking
    assert answer.output("model") == ranking[:1]


def test_weight_changes_the_order_and_no_probability(endpoint: Endpoint) -> None:
    answer = endpoint.infer([FORTY], {"cost_weight": 1.0})

    assert answer.output("success_probability") == pytest.approx([0.7, 0.8, 0.3])
    assert answer.output("expected_cost_usd")[:2] == pytest.approx([1e-4, 1e-3])


@pytest.mark.parametrize("names", ["weak,cheap", " weak , cheap ", "cheap,weak,cheap", "weak,cheap,"])
def test_excluded_candidate_comes_last_without_a_probability(endpoint: Endpoint, names: str) -> None:
    answer = endpoint.infer([FORTY], {"candidates": names})

    assert answer.output("model") == ["cheap"]
    assert answer.output("candidates") == ["cheap", "weak", "strong"]
    assert answer.output("success_probability")[:2] == pytest.approx([0.7, 0.3])
    assert answer.output("success_probability")[2] is None
    assert answer.output("expected_cost_usd")[2] == pytest.approx(1e-3)


def test_excluded_candidate_does_not_decide_what_is_dear(endpoint: Endpoint) -> None:
    """Without `strong`, `cheap` is the dearest and `weak` counts as dear as it: 0.7 - w and 0.3 - w."""
    answer = endpoint.infer([FORTY], {"candidates": "cheap,weak", "cost_weight": 1.0})

    assert answer.output("candidates") == ["cheap", "weak", "strong"]


def test_single_allowed_candidate_is_chosen_whatever_it_costs(endpoint: Endpoint) -> None:
    answer = endpoint.infer([FORTY], {"candidates": "strong", "cost_weight": 1.0})

    assert answer.output("model") == ["strong"]
    assert answer.output("success_probability")[1:] == [None, None]


def test_request_id_comes_back(endpoint: Endpoint) -> None:
    assert endpoint.infer([FORTY], id="question-7").json["id"] == "question-7"


def test_column_of_prompts_is_read_like_a_row(endpoint: Endpoint) -> None:
    tensor = {"name": "prompt", "shape": [2, 1], "datatype": "BYTES", "data": [FORTY, EIGHTY]}

    answer = endpoint.post(INFER, {"inputs": [tensor]})

    assert v2_as_columns(answer) == v2_as_columns(endpoint.infer([FORTY, EIGHTY]))


def test_other_inputs_are_left_alone(endpoint: Endpoint) -> None:
    tensors = [
        {"name": "prompt", "shape": [1], "datatype": "BYTES", "data": [FORTY]},
        {"name": "temperature", "shape": [1], "datatype": "FP32", "data": [0.5]},
    ]

    assert endpoint.post(INFER, {"inputs": tensors}).output("model") == ["strong"]


def test_binary_tensor_is_read_like_json(endpoint: Endpoint) -> None:
    text = "Wie heißt die Hauptstadt von Österreich?".encode()
    tensor = struct.pack("<I", len(text)) + text
    prompt = {
        "name": "prompt",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(tensor)},
    }
    header = json.dumps({"inputs": [prompt]}).encode()

    answer = endpoint.ask(
        "POST",
        INFER,
        header + tensor,
        {"content-type": "application/octet-stream", "inference-header-content-length": str(len(header))},
    )

    assert v2_as_columns(answer) == v2_as_columns(endpoint.infer([text.decode()]))


def test_v1_answers_one_prediction_per_instance(endpoint: Endpoint, three: tuple[Path, Bundle]) -> None:
    answer = endpoint.predict([FORTY, {"prompt": EIGHTY}])

    assert answer.status == 200
    first, second = answer.json["predictions"]
    assert first["model"] == second["model"] == "strong"
    assert first["candidates"][0] == {
        "candidate": "strong",
        "success_probability": pytest.approx(0.8),
        "expected_cost_usd": pytest.approx(1e-3),
        "seen_in_training": True,
    }
    assert first["candidates"][2]["expected_cost_usd"] is None
    assert second["candidates"][0]["expected_cost_usd"] == pytest.approx(1.1e-3)
    assert first["router_version"] == three[1].digest[:12]
    assert first["truncated"] is False


def test_choices_of_v1_are_part_of_the_prompt(endpoint: Endpoint) -> None:
    """30 characters, then two lines `A. x` and `B. y` with their line breaks: 40 in all."""
    answer = endpoint.predict([{"prompt": FORTY[:30], "choices": ["x", "y"]}])

    assert answer.json["predictions"][0]["candidates"][0]["expected_cost_usd"] == pytest.approx(1e-3)
    assert v1_as_columns(answer) == v2_as_columns(endpoint.infer([f"{FORTY[:30]}\nA. x\nB. y"]))


@pytest.mark.parametrize("candidates", [None, ["cheap", "weak"], ["strong"]])
@pytest.mark.parametrize("weight", [None, 0.12, 1])
def test_both_protocols_agree(endpoint: Endpoint, candidates: list[str] | None, weight: float | None) -> None:
    v1: dict[str, Any] = {"candidates": candidates, "cost_weight": weight}
    v2 = {} if candidates is None else {"candidates": ",".join(candidates)}
    v2 |= {} if weight is None else {"cost_weight": weight}

    asked_v1 = endpoint.predict([FORTY, EIGHTY], v1)
    asked_v2 = endpoint.infer([FORTY, EIGHTY], v2)

    assert v1_as_columns(asked_v1) == v2_as_columns(asked_v2)
    assert {row["router_version"] for row in asked_v1.json["predictions"]} == {asked_v2.version}


def test_both_protocols_agree_on_a_router_that_reads_the_prompt(reader: tuple[Endpoint, Bundle]) -> None:
    endpoint, _ = reader

    asked_v1, asked_v2 = (
        endpoint.predict(DIFFERENT, {"cost_weight": 0.2}),
        endpoint.infer(DIFFERENT, {"cost_weight": 0.2}),
    )

    assert v1_as_columns(asked_v1) == v2_as_columns(asked_v2)


@pytest.mark.parametrize("verb", ["load", "unload"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_stranger_cannot_unload_the_router(endpoint: Endpoint, verb: str, slash: str) -> None:
    answer = endpoint.post(f"/v2/repository/models/router/{verb}{slash}", {})

    assert answer.status == 404
    assert endpoint.get(READY).status == 200
    assert endpoint.infer([FORTY]).output("model") == ["strong"]


@pytest.mark.parametrize(
    ("asked", "ranking"),
    [
        ({"top_k": 1}, ["strong"]),
        ({"policy": "cheapest"}, ["cheap", "strong", "weak"]),
        ({"policy": "cheapest", "min_success_probability": 0.75}, ["strong", "cheap", "weak"]),
        ({"max_cost_usd": 5e-4, "top_k": 1}, ["cheap"]),
        ({"budget_usd": 5e-4, "top_k": 1}, ["cheap"]),
        ({"cost_weight": 1.0, "min_success_probability": 0.75, "top_k": 1}, ["strong"]),
    ],
)
def test_both_protocols_know_every_preference(endpoint: Endpoint, asked: dict[str, Any], ranking: list[str]) -> None:
    answer = endpoint.infer([FORTY], asked)

    assert (answer.status, answer.output("candidates")) == (200, ranking)
    assert v1_as_columns(endpoint.predict([FORTY], asked)) == v2_as_columns(answer)
    assert {tuple(output["shape"]) for output in answer.json["outputs"]} == {(1,), (1, len(ranking))}


def test_only_the_outputs_that_are_named_come_back(endpoint: Endpoint) -> None:
    answer = endpoint.infer([FORTY], outputs=[{"name": "foreign"}, {"name": "model"}])

    assert {output["name"] for output in answer.json["outputs"]} == {"model", "foreign"}


def test_answer_that_would_be_too_long_says_how_to_shorten_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.predictor.MOST_ROWS", 5)

    with pytest.raises(Refused, match=r"would hold 2 times 3 candidates; set top_k to 2 or less"):
        _require_room(2, 3, Preferences())
    _require_room(2, 3, Preferences(top_k=2))


def test_explanation_comes_where_it_is_asked_for(endpoint: Endpoint) -> None:
    """The constant router reads no prompt: its reason is all there is to say."""
    said = "strong: 10.0 points more likely to succeed than cheap, the next best."

    v2 = endpoint.infer([FORTY], {"explain": True, "top_k": 1})
    v1 = endpoint.predict([FORTY], {"explain": True})
    by_verb = endpoint.post("/v1/models/router:explain", {"instances": [FORTY]})

    told = [json.loads(v2.output("explanation")[0])]
    told += [answer.json["predictions"][0]["explanation"] for answer in (v1, by_verb)]
    for one in told:
        assert (one["reason"], one["candidates"]) == (said, ["strong", "cheap"])
        assert (one["questions"], one["tasks"], one["conclusion"], one["foreign"]) == ([], {}, "", 0.0)
        assert [member["name"] for member in one["members"]] == ["constant"]
    assert "explanation" not in endpoint.predict([FORTY]).json["predictions"][0]
    many = [
        endpoint.infer(["x"] * 17, {"explain": True}),
        endpoint.predict(["x"] * 17, {"explain": True}),
        endpoint.post("/v1/models/router:explain", {"instances": ["x"] * 17}),
    ]
    assert [answer.status for answer in many] == [400] * 3
    assert all(answer.json["error"].endswith("send at most 16 with an explanation") for answer in many)


@pytest.mark.parametrize("verb", ["explain", "predict"])
def test_answer_of_v1_carries_none_of_the_request_s_headers(endpoint: Endpoint, verb: str) -> None:
    sent = {
        "authorization": "Bearer secret",
        "cookie": "session=secret",
        "x-own": "secret",
        "content-type": "text/plain",
    }

    answer = endpoint.ask("POST", f"/v1/models/router:{verb}", json.dumps({"instances": [FORTY]}).encode(), sent)

    told = {name.lower(): value for name, value in answer.headers.items()}
    assert answer.status == 200
    assert told["content-type"] == "application/json"
    assert told.keys() <= {"content-type", "content-length", "date", "x-modelsat-request-id"}


def test_explained_cloud_event_is_answered_as_one(endpoint: Endpoint) -> None:
    event = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "test",
        "ce-type": "asked",
        "authorization": "Bearer s",
    }
    body = json.dumps({"instances": [FORTY]}).encode()

    answer = endpoint.ask("POST", "/v1/models/router:explain", body, event | {"content-type": "application/json"})

    told = {name.lower(): value for name, value in answer.headers.items()}
    assert (answer.status, told["ce-specversion"]) == (200, "1.0")
    assert "authorization" not in told


def test_metadata_tells_the_version_and_the_best_single(
    start_endpoint: Callable[..., Endpoint], make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    means = {"a": 0.4, "b": 0.6}
    bundle = make_bundle({"a": 0.5, "b": 0.5}, lineage={"mean_score": means}).write(tmp_path / "bundle")

    metadata = start_endpoint("--bundle", str(tmp_path / "bundle")).get("/v2/models/router").json

    assert (metadata["platform"], metadata["versions"]) == ("modelsat", [bundle.digest[:12]])
    assert metadata["parameters"] == {
        "router_version": bundle.digest[:12],
        "best_single": "b",
        "candidates": ["a", "b"],
        "tells_foreign": False,
    }
    unknown = dict.fromkeys(
        ["context_length", "modalities", "tools", "regions", "price_in", "price_out", "price_cached_in"]
    )
    assert metadata["candidates"] == [{"candidate": name, "mean_score": means[name], **unknown} for name in ("a", "b")]


def test_request_of_the_docs_is_answered_word_for_word(endpoint: Endpoint) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "endpoint.md").read_text(encoding="utf-8")
    words = shlex.split(docs.split("\ncurl ", 1)[1].split("```", 1)[0])
    given = {flag: words[i + 1] for i, flag in enumerate(words) if flag in ("-H", "-d")}
    # What curl calls a body whose type nobody says.
    declared = given.get("-H", "content-type: application/x-www-form-urlencoded")

    answer = endpoint.ask("POST", INFER, given["-d"].encode(), dict([declared.split(": ")]))

    assert answer.status == 200, answer.body
    assert len(answer.output("candidates")) == 3


def test_server_metadata_lists_no_extension_that_is_closed(endpoint: Endpoint) -> None:
    assert endpoint.get("/v2").json["extensions"] == ["binary_tensor_data"]


def test_every_answer_has_the_id_of_its_request(endpoint: Endpoint) -> None:
    body = json.dumps({"instances": [FORTY]}).encode()
    given = endpoint.ask("POST", PREDICT, body, JSON | {"x-request-id": "id-1"})
    made = endpoint.ask("POST", PREDICT, b"{", JSON | {"x-request-id": "not an id"})

    assert given.headers["x-modelsat-request-id"] == "id-1"
    assert len(made.headers["x-modelsat-request-id"]) == 32
