"""The gateway's pure parts: what is routed on, when a conversation stays, what a file of upstreams may say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from modelsat.errors import InputError
from modelsat.policy.preferences import CHEAPEST, Preferences
from modelsat.policy.promise import Promise
from modelsat.text.conversation import ENOUGH_CHARACTERS, MOST_CHARACTERS, routed_text, routed_texts, stands_alone
from serving import tokens
from serving.gateway import catalogue, chat_request, endpoint, turn_costs, upstreams
from serving.gateway.catalogue import CandidateFacts
from serving.gateway.chat_request import ChatRequest
from serving.gateway.escalation import Escalation, dearest
from serving.gateway.memory import Answered, Memory
from serving.gateway.sessions import Previous
from serving.gateway.stickiness import order
from serving.gateway.turn_costs import History
from serving.gateway.usage import Prices
from serving.refusal import Refused

WEIGHTED = Preferences(cost_weight=0.1)

QUESTION = (
    "A train leaves at noon and travels at 80 km/h; how far has it come at a quarter past three in the afternoon?" * 2
)


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


@pytest.mark.parametrize("role", ["system", "developer", "assistant", "tool"])
def test_nothing_but_the_users_words_is_routed_on(role: str) -> None:
    assert routed_text([said(role, "Always answer in French."), said("user", QUESTION)]) == QUESTION


def test_long_message_is_read_without_the_conversation_before() -> None:
    history = [said("user", "Write a poem."), said("assistant", "Roses are red.")]

    assert routed_text([*history, said("user", QUESTION)]) == QUESTION


def test_short_message_is_read_with_what_the_user_said_before_until_that_is_enough() -> None:
    messages = [
        said("user", "Write a poem."),
        said("assistant", "Roses are red."),
        said("user", QUESTION),
        said("assistant", "260 km"),
        said("user", "Why?"),
    ]

    assert routed_text(messages) == f"{QUESTION}\nWhy?"


def test_message_stands_on_its_own_from_a_length_on() -> None:
    first = said("user", "Hello.")

    assert routed_text([first, said("user", "x" * ENOUGH_CHARACTERS)]) == "x" * ENOUGH_CHARACTERS
    assert routed_text([first, said("user", "x" * (ENOUGH_CHARACTERS - 1))]).startswith("Hello.\n")


def test_newest_of_several_messages_may_stand_alone() -> None:
    messages = [said("user", QUESTION), said("assistant", "260 km"), said("user", "Why?")]

    assert routed_texts(messages) == (f"{QUESTION}\nWhy?", "Why?")
    assert routed_texts(messages[:1]) == (QUESTION, "")
    assert [stands_alone(foreign) for foreign in (0.0, 0.49, 0.5, 1.0)] == [True, True, False, False]


def test_text_parts_count_and_images_do_not() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "text", "text": "What is"},
        {"type": "text", "text": "this?"},
    ]

    assert routed_text([said("user", parts)]) == "What is\nthis?"


@pytest.mark.parametrize(
    "content", [None, 3, {"a": 1}, [], ["text"], [{"type": "text"}], [{"type": "text", "text": 3}], " \n"]
)
def test_message_without_text_is_empty_and_no_fault(content: Any) -> None:
    assert routed_text([said("user", content)]) == ""


def test_beginning_and_end_of_a_very_long_message_are_kept() -> None:
    text = routed_text([said("user", "a" * MOST_CHARACTERS + "b" * MOST_CHARACTERS)])

    assert len(text) == MOST_CHARACTERS
    assert text[0] + text[-1] == "ab"


@pytest.mark.parametrize(
    "text",
    [
        "Hey so yeah, grandma read it off a box: what is a group? Thanks!",
        "Translate:\n\nHello, how are you?\n\ninto French.",
    ],
)
def test_words_of_a_greeting_take_nothing_from_a_question(text: str) -> None:
    assert routed_text([said("user", text)]) == text


@pytest.mark.parametrize("text", ["\n" * 500_000, " " * 500_000, "Hi! " * 100_000, "a" * 500_000, ". " * 200_000])
def test_hostile_text_is_bounded(text: str) -> None:
    assert len(routed_text([said("user", text)])) <= MOST_CHARACTERS


def ranked(**probabilities: float) -> list[dict[str, Any]]:
    return [
        {"candidate": name, "success_probability": value, "expected_cost_usd": 0.001 if name == "cheap" else 0.01}
        for name, value in probabilities.items()
    ]


def test_new_conversation_goes_to_the_best() -> None:
    assert order(ranked(strong=0.8, cheap=0.7), None) == ["strong", "cheap"]


def test_candidate_that_is_no_longer_allowed_keeps_no_conversation() -> None:
    assert order(ranked(strong=0.8, cheap=0.7), "gone") == ["strong", "cheap"]


def test_conversation_stays_until_the_gain_passes_the_threshold() -> None:
    assert order(ranked(strong=0.8, cheap=0.7), "cheap", switch_gain=0.11) == ["cheap", "strong"]
    assert order(ranked(strong=0.8, cheap=0.7), "cheap", switch_gain=0.09) == ["strong", "cheap"]


def test_gain_is_net_of_costs() -> None:
    # At cost weight 0.1 `strong` is worth 0.8 - 0.1 = 0.70 and `cheap` 0.7 - 0.01 = 0.69: a gain of 0.01.
    assert order(ranked(strong=0.8, cheap=0.7), "cheap", WEIGHTED, switch_gain=0.02) == ["cheap", "strong"]
    assert order(ranked(strong=0.8, cheap=0.7), "cheap", WEIGHTED, switch_gain=0.005) == ["strong", "cheap"]


def test_missing_cost_counts_as_the_dearest() -> None:
    rows = ranked(strong=0.8, cheap=0.7)
    rows[0]["expected_cost_usd"] = None

    # `cheap` is then the only price and the dearest: both lose the whole weight, and the gain stays 0.1.
    assert order(rows, "cheap", WEIGHTED, switch_gain=0.09) == ["strong", "cheap"]


def test_tool_call_under_way_keeps_the_conversation_whatever_the_gain() -> None:
    assert order(ranked(strong=0.9, weak=0.1), "weak", switch_gain=0.0, awaits_tool=True) == ["weak", "strong"]


def test_conversation_stays_with_nobody_dearer_where_the_cheapest_is_wanted() -> None:
    wish = Preferences(policy=CHEAPEST)

    assert order(ranked(cheap=0.7, strong=0.8), "strong", wish, switch_gain=1.0) == ["cheap", "strong"]
    assert order(ranked(cheap=0.7, strong=0.8), "strong", wish, awaits_tool=True) == ["strong", "cheap"]


LISTED = {
    "strong": CandidateFacts(prices=Prices(3.0, 15.0, 0.3)),
    "cheap": CandidateFacts(prices=Prices(1.0, 4.0)),
}


def turn(facts: Mapping[str, CandidateFacts], seconds: float = 60.0) -> list[dict[str, Any]]:
    """Return rows of a turn with 20,000 tokens of history, which `strong` has read all."""
    rows = ranked(strong=0.8, cheap=0.78)
    rows[0]["expected_cost_usd"], rows[1]["expected_cost_usd"] = 0.0051, 0.0014
    return turn_costs.with_history(rows, History(20_000.0, 20_000.0), Previous("strong", seconds), facts)


def test_history_is_read_from_the_cache_of_who_answered_last_while_it_lasts() -> None:
    assert [row["turn_cost_usd"] for row in turn(LISTED)] == pytest.approx([0.0111, 0.0214])
    assert [row["turn_cost_usd"] for row in turn(LISTED, seconds=301.0)] == pytest.approx([0.0651, 0.0214])


def test_history_at_an_unknown_price_leaves_the_costs_of_the_question() -> None:
    assert "turn_cost_usd" not in turn({**LISTED, "cheap": CandidateFacts()})[0]


def test_history_is_what_was_sent_and_not_routed_on() -> None:
    messages = [
        said("system", "s" * 400),
        said("user", "a" * 800),
        said("assistant", "b" * 1200),
        said("user", "c" * 200),
    ]

    # 2,600 characters, of which the router read 200; 1,200 stand before the last answer.
    assert turn_costs.of_request(ChatRequest("auto", messages, {}), "c" * 200) == History(600.0, 300.0)
    # Tools are sent with every turn: '[{"n": "xxxx"}]' are 15 characters.
    tools = {"tools": [{"n": "xxxx"}]}
    assert turn_costs.of_request(ChatRequest("auto", messages, tools), "c" * 200) == History(603.75, 303.75)
    assert turn_costs.of_request(ChatRequest("auto", messages[:2], {}), "a" * 800) == History(100.0, 0.0)


def test_cached_history_keeps_a_conversation_that_list_prices_would_move() -> None:
    dial = Preferences(cost_weight=0.2)

    # 0.80 - 0.2 * 0.0111 / 0.0214 = 0.70 against 0.78 - 0.2 = 0.58; of a question alone 0.60 against 0.76.
    rows = sorted(turn(LISTED), key=lambda row: row["candidate"])
    assert order(rows, "strong", dial) == ["strong", "cheap"]
    assert order(ranked(cheap=0.78, strong=0.8), "strong", dial) == ["cheap", "strong"]


def test_share_of_the_dearest_is_counted_by_client() -> None:
    """51 of 100 decisions of `a` were for the dearest; `b` has too few to say anything."""
    guard = Escalation(most_share=0.5)
    for i in range(100):
        guard.count("a", i < 51)
    guard.count("b", True)

    assert (guard.share("a"), guard.share("b"), guard.largest_share()) == (0.51, 0.0, 0.51)
    assert (guard.holds_back("a"), guard.holds_back("b"), guard.holds_back("nobody")) == (True, False, False)
    assert not Escalation().holds_back("a")
    for _ in range(51):
        guard.count("a", False)
    assert guard.share("a") == 51 / 151


def test_dearest_is_whose_price_is_known_and_larger_than_anothers() -> None:
    def costs(**prices: float | None) -> list[dict[str, Any]]:
        return [{"candidate": name, "expected_cost_usd": price} for name, price in prices.items()]

    assert dearest(costs(a=1.0, b=2.0, c=None)) == "b"
    assert dearest(costs(a=1.0, b=1.0)) is None
    assert dearest(costs(a=1.0, b=None)) is None


def test_preferences_become_parameters_that_are_scalars() -> None:
    wish = Preferences(("qwen*",), CHEAPEST, 0.5, modalities=("image", "audio"), tools=True, top_k=3)

    asked = endpoint.parameters(wish)
    assert asked == {"policy": CHEAPEST, "cost_weight": 0.5, "modalities": "image,audio", "tools": True}
    assert endpoint.parameters(Preferences()) == {}


def test_default_that_weighs_costs_names_the_candidates_in_reach_and_its_best_end_does_not() -> None:
    promised = Promise("strong", 0.2, 0.003, 0.95, 0.0, 0.0, 0.5, 100)

    assert endpoint.parameters(Preferences(), ["b", "a"], promised) == {"available": "a,b"}
    assert endpoint.parameters(Preferences(policy="best"), ["b", "a"], promised) == {"policy": "best"}
    assert endpoint.parameters(Preferences(), ["b", "a"]) == {}


@pytest.mark.parametrize(("model", "policy"), [("auto", "auto"), ("auto:best", "best"), ("auto:cheap", "cheap")])
def test_ends_of_the_dial_are_models(model: str, policy: str) -> None:
    body = {"model": model, "messages": [said("user", "Hi")], "modelsat": {"max_cost_usd": 0.1}}

    read = chat_request.parse(json.dumps(body).encode())

    assert (read.model, read.preferences) == ("auto", Preferences(policy=policy, max_cost_usd=0.1))


def test_end_of_the_dial_and_another_policy_are_refused() -> None:
    body = {"model": "auto:best", "messages": [said("user", "Hi")], "modelsat": {"policy": "cheapest"}}

    with pytest.raises(Refused, match="'auto:best' and 'policy' ask for different things"):
        chat_request.parse(json.dumps(body).encode())


def test_metadata_tell_the_gateway_what_the_default_promises() -> None:
    promised = Promise("strong", 0.2, 0.003, 0.95, 0.0, 0.0, 0.5, 100)
    told = {"router_version": "v", "candidates": ["strong"], "promise": promised.as_json()}

    assert catalogue.read({"parameters": told}).defaults.usual == promised
    assert catalogue.read({"parameters": told | {"promise": None}}).defaults.usual is None


def test_memory_forgets_the_oldest_first() -> None:
    memory = Memory(most=2)
    for text in ("a", "b", "a", "c"):
        memory.put(text, Answered("strong", 7))

    assert [memory.get(text) for text in "abc"] == [Answered("strong", 7), None, Answered("strong", 7)]


def test_full_memory_keeps_nearly_all_of_its_last_entries_and_none_beyond_its_room() -> None:
    memory = Memory(most=1600)
    for i in range(10_000):
        memory.put(f"{i}", Answered(f"model-{i % 3}", i))

    # 160 rows of 16 places for 1,600 entries: rows are full where chance puts more than 16 of the last ones into them.
    last = [memory.get(f"{i}") for i in range(8400, 10_000)]
    assert sum(entry is not None for entry in last) >= 1580
    assert all(entry in (None, Answered(f"model-{i % 3}", i)) for i, entry in enumerate(last, 8400))
    assert sum(memory.get(f"{i}") is not None for i in range(10_000)) <= 160 * 16


def written(folder: Path, text: str) -> Path:
    path = folder / "upstreams.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_upstream_is_called_by_its_own_name_with_the_key_of_its_variable(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "upstreams:\n"
        "  - {candidate: a, base_url: 'https://host/v1/', model: org/A, key_variable: A_API_KEY, timeout_seconds: 3}\n"
        "  - {candidate: b, base_url: 'http://local:1'}\n"
        "  - {candidate: c, base_url: 'https://host/v1/chat/completions'}\n"
        "  - {candidate: d, base_url: 'https://x.openai.azure.com/openai/deployments/g?api-version=2024-10-21'}\n",
    )

    found = upstreams.read(path, {"A_API_KEY": "sesame\n"})

    assert found == {
        "a": upstreams.Upstream("https://host/v1", "org/A", "sesame", 3.0),
        "b": upstreams.Upstream("http://local:1", "b"),
        "c": upstreams.Upstream("https://host/v1", "c"),
        "d": upstreams.Upstream("https://x.openai.azure.com/openai/deployments/g?api-version=2024-10-21", "d"),
    }
    assert found["d"].address.completions == (
        "https://x.openai.azure.com/openai/deployments/g/chat/completions?api-version=2024-10-21"
    )
    assert "sesame" not in repr(found)


def test_efforts_of_one_model_are_candidates_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(
        "candidates:\n"
        "  - {candidate: 'x:low', endpoint: 'http://h/v1', served_as: x, request_body: {reasoning_effort: low}}\n"
        "  - candidate: x:high\n"
        "    endpoint: http://h/v1\n"
        "    served_as: x\n"
        "    request_body: {reasoning_effort: high, temperature: null}\n"
        "    request_headers: {Anthropic-Beta: effort}\n"
        "    protocols: {chat: , responses: {reasoning: {effort: high}}}\n"
    )
    body = {"model": "auto", "messages": [said("user", "Hi")], "temperature": 0.5, "reasoning_effort": "medium"}
    chat = chat_request.parse(json.dumps(body).encode())

    found = upstreams.read(path, {})
    sent = [json.loads(chat.body_for(one.model, own=one.protocols["chat"])) for one in found.values()]

    low, high = ({"model": "x", "messages": body["messages"], "reasoning_effort": effort} for effort in ("low", "high"))
    assert sent == [low | {"temperature": 0.5}, high]
    assert found["x:high"].protocols["responses"] == {"reasoning": {"effort": "high"}}
    assert (found["x:low"].headers, found["x:high"].headers) == ({}, {"anthropic-beta": "effort"})
    assert list(found["x:low"].protocols) == ["chat"]


def test_rows_of_a_catalogue_with_an_endpoint_are_upstreams(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.csv"
    path.write_text(
        "candidate,endpoint,served_as,api_key_env,timeout_seconds\n"
        "ada,http://127.0.0.1:9/v1,lab/ada,A_API_KEY,30\n"
        "bob,,,,\n"
        "cy,http://127.0.0.1:8/v1,,,\n"
    )

    found = upstreams.read(path, {"A_API_KEY": "sesame"})

    assert {name: (one.base_url, one.model, one.key, one.timeout_seconds) for name, one in found.items()} == {
        "ada": ("http://127.0.0.1:9/v1", "lab/ada", "sesame", 30.0),
        "cy": ("http://127.0.0.1:8/v1", "cy", "", 120.0),
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "hold no list 'upstreams'"),
        ("upstreams: []", "hold no list 'upstreams'"),
        ("upstreams: [a: b: c]", "are not readable"),
        ("upstreams: [sk-abc]", "entry 1 .* is no mapping"),
        ("upstreams: [{candidate: a, base_url: 'http://h', key: sk-abc}]", "unknown field 'key'"),
        ("upstreams: [{candidate: a, base_url: 'http://h', key_variable: sk-abc}]", "never the key"),
        ("upstreams: [{candidate: a, base_url: 'http://u:sk-abc@h'}]", "base_url holds credentials"),
        ("upstreams: [{candidate: a, base_url: 'http://h?key=sk-abc'}]", "base_url has a query"),
        ("upstreams: [{candidate: a, base_url: h}]", "base_url has no http://"),
        ("upstreams: [{candidate: a, base_url: 'http://'}]", "base_url names no host"),
        ("upstreams: [{candidate: a, base_url: 'http://h:99999999'}]", "base_url has a port"),
        ("upstreams: [{candidate: a}]", "base_url is missing"),
        ("upstreams: [{candidate: a, base_url: 'http://h', model: 4}]", "model must be a string"),
        ("upstreams: [{candidate: a, base_url: 'http://h', timeout_seconds: 0}]", "timeout_seconds"),
        ("upstreams: [{candidate: a, base_url: 'http://h', key_variable: A_API_KEY}]", "variable A_API_KEY is not set"),
        ("upstreams: [{candidate: a, base_url: 'http://h', protocols: [soap]}]", "'soap' is no protocol"),
        (
            "upstreams: [{candidate: a, base_url: 'http://h', protocols: {chat: [1]}}]",
            "the fields of 'chat' are no object",
        ),
        ("upstreams: [{candidate: a, base_url: 'http://h', request_body: {model: b}}]", "request_body hold 'model'"),
        ("upstreams: [{candidate: a, base_url: 'http://h', request_headers: {x-api-key: sk-abc}}]", "carries a secret"),
        (
            "upstreams: [{candidate: a, base_url: 'http://h', request_headers: {x-title: Bearer abc}}]",
            "looks like a key",
        ),
        (
            "upstreams: [{candidate: a, base_url: 'http://h', request_headers: {x-other: abc}}]",
            "MODELSAT_REQUEST_HEADERS",
        ),
        ("upstreams: [{candidate: 'a b', base_url: 'http://h'}]", "'a b' is not usable"),
        ("upstreams: [{base_url: 'http://h'}]", "a candidate needs a name"),
        ("upstreams: [{candidate: a, base_url: 'http://h'}, {candidate: a, base_url: 'http://h'}]", "entry 2 .* twice"),
    ],
)
def test_unusable_upstreams_are_a_sentence_without_a_key(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault) as error:
        upstreams.read(written(tmp_path, text), {})

    assert "sk-abc" not in str(error.value)


def test_tokens_come_from_the_environment_and_from_a_file_of_digests(tmp_path: Path) -> None:
    file = tmp_path / "clients"
    file.write_text(f"# who may ask\n\n{tokens.digest('two').upper()} the second # comment\n", encoding="utf-8")

    known = tokens.known("one, ,", file)

    assert tokens.client_of("Bearer one", known) == tokens.digest("one")
    assert tokens.client_of("bearer two", known) == tokens.digest("two")
    for wrong in ("", "Bearer", "Bearer ", "Basic one", "Bearer three", f"Bearer {tokens.digest('one')}"):
        with pytest.raises(Refused):
            tokens.client_of(wrong, known)


def test_file_that_holds_a_token_instead_of_its_digest_is_refused_without_repeating_it(tmp_path: Path) -> None:
    file = tmp_path / "clients"
    file.write_text("sesame\n", encoding="utf-8")

    with pytest.raises(InputError, match="does not start with a SHA-256") as error:
        tokens.known("", file)

    assert "sesame" not in str(error.value)


def test_file_of_clients_that_names_nobody_lets_nobody_in_silently(tmp_path: Path) -> None:
    file = tmp_path / "clients"
    file.write_text("# nobody yet\n", encoding="utf-8")

    with pytest.raises(InputError, match="contain no client"):
        tokens.known("", file)


@pytest.mark.parametrize(
    "written",
    [
        "http://h:1",
        "http://h:1/",
        "http://h:1/v2",
        "http://h:1/v2/models/router/infer",
        "http://h:1/v1/models/router:predict",
    ],
)
def test_endpoint_is_known_by_the_address_of_any_of_its_routes(written: str) -> None:
    assert endpoint.root(written) == "http://h:1"
    assert endpoint.root("http://h/serving/v2/") == "http://h/serving"
