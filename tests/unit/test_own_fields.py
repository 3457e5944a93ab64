"""A candidate's own fields and headers: which win over a client's, and which may not stand in a file."""

from typing import Any

import pytest

from modelsat.io import spoken_protocols
from modelsat.io.merged_body import merged
from modelsat.io.request_headers import SETTING, fault_in_headers


@pytest.mark.parametrize(
    ("client", "own", "sent"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        (
            {"r": {"effort": "high", "summary": "auto"}},
            {"r": {"effort": "low"}},
            {"r": {"effort": "low", "summary": "auto"}},
        ),
        ({"r": "text"}, {"r": {"effort": "low"}}, {"r": {"effort": "low"}}),
        ({"t": {"type": "enabled", "budget": 9}}, {"t": {"type": "disabled"}}, {"t": {"type": "disabled"}}),
        ({"l": [1, 2]}, {"l": [3]}, {"l": [3]}),
    ],
)
def test_candidates_own_fields_go_before_the_clients(
    client: dict[str, Any], own: dict[str, Any], sent: dict[str, Any]
) -> None:
    kept = dict(client)

    assert merged(client, own) == sent
    assert client == kept


@pytest.mark.parametrize(
    "headers",
    [{}, {"anthropic-beta": "a,b"}, {"OpenAI-Organization": "org"}, {"X-Title": "ours"}, {"x-team": "blue"}],
)
def test_headers_without_a_secret_may_stand_in_a_row(headers: dict[str, str]) -> None:
    assert fault_in_headers(headers, {SETTING: "X-Team, x-other"}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "s3cret"},
        {"x-api-key": "s3cret"},
        {"Cookie": "s3cret"},
        {"anthropic-auth-token": "s3cret"},
        {"x-title": "Bearer s3cret"},
        {"x-title": "sk-s3cret-s3cret"},
        {"x-team": "s3cret"},
        {"host": "s3cret"},
        {"x-title": 5},
        {"x-title": "s3cret\n"},
        {"a b": "s3cret"},
        ["s3cret"],
    ],
)
def test_other_headers_are_refused_without_repeating_their_value(headers: object) -> None:
    fault = fault_in_headers(headers, {SETTING: "authorization,x-api-key"})

    assert fault is not None
    assert "s3cret" not in fault


@pytest.mark.parametrize(
    "told", [["chat", "messages"], "chat|messages", '["chat", "messages"]', {"chat": None, "messages": {}}]
)
def test_protocols_are_written_as_lists_and_mappings(told: object) -> None:
    assert spoken_protocols.read(told) == {"chat": {}, "messages": {}}


@pytest.mark.parametrize("told", [[], {}, "", "{", 5, ["http"], [1], {"chat": 5}, {"chat": {"messages": [1]}}])
def test_what_is_no_list_of_protocols_is_a_sentence(told: object) -> None:
    with pytest.raises(ValueError, match=r"protocol|fields of 'chat'"):
        spoken_protocols.read(told)
