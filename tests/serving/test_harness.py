"""What a person asked in the messages of agents: shapes as the public clients send them, words of our own."""

from pathlib import Path
from typing import Any

import pytest

from modelsat.errors import InputError
from modelsat.text import harness_shapes
from modelsat.text.conversation import MOST_SCANNED, awaits_tool, routed_text
from modelsat.text.harness import Harness
from serving.gateway.protocols.messages import conversation as of_messages
from serving.gateway.protocols.responses import conversation as of_responses

QUESTION = (
    "Which sorting algorithm is stable and needs no more than a constant amount of memory beside its list, and why?"
)
LONG = "Remember the conventions of this repository and run its tests before you say that something works. " * 3
"""Longer than what is taken to stand on its own."""


def user(*parts: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": part} for part in parts]}


def block(tag: str, content: str = LONG) -> str:
    return f"<{tag}>\n{content}\n</{tag.split()[0]}>"


CLAUDE_CODE = [
    user(block("system-reminder", "# claudeMd\n" + LONG) + "\n\n", QUESTION),
    {"role": "system", "content": "Available agent types for the Agent tool: " + LONG},
]
CODEX = of_responses(
    {
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": LONG}]},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {
                        "type": "input_text",
                        "text": f"# AGENTS.md instructions for /app\n\n<INSTRUCTIONS>\n{LONG}\n</INSTRUCTIONS>",
                    },
                    {"type": "input_text", "text": block("environment_context", "<cwd>/app</cwd>" + LONG)},
                ],
            },
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
        ]
    }
)
SHAPES: dict[str, list[dict[str, Any]]] = {
    "claude code": CLAUDE_CODE,
    "claude code, reminder behind": [user(QUESTION, block("system-reminder"))],
    "claude code, command": [
        user(f"{block('command-message')}\n{block('command-name')}\n<command-args>{QUESTION}</command-args>")
    ],
    "claude code, compacted": [
        user("This session is being continued from a previous conversation. " + LONG),
        user(QUESTION),
    ],
    "claude code, interrupted": [user(block("ide_opened_file")), user("[Request interrupted by user]", QUESTION)],
    "codex": CODEX,
    "codex in an editor": [
        user(f"# Context from my IDE setup:\n\n## Active file: sort.py\n{LONG}\n## My request for Codex:\n{QUESTION}")
    ],
    "cursor": [
        user(f"{block('user_info')}\n{block('rules')}"),
        user(block("additional_data", block("current_file")), f"<user_query>\n{QUESTION}\n</user_query>"),
    ],
    "openhands": [
        user(QUESTION, block("RUNTIME_INFORMATION")),
        user(block("EXTRA_INFO")),
        {"role": "assistant", "content": LONG},
        user("EXECUTION RESULT of [run]:\n" + LONG),
    ],
    "langgraph": [
        user("Here is a summary of the conversation to date:\n\n" + LONG),
        user(QUESTION),
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": {"name": "search"}}]},
        {"role": "tool", "tool_call_id": "1", "content": LONG},
    ],
    "cline": [
        user(f"<task>\n{QUESTION}\n</task>", block("environment_details")),
        {"role": "assistant", "content": LONG},
        user("[read_file for 'sort.py'] Result:", LONG, block("environment_details")),
    ],
    "copilot": [user(f"{block('editorContext')}\n<userRequest>\n{QUESTION}\n</userRequest>")],
    "amazon q": [user(f"--- CONTEXT ENTRY BEGIN ---\n{LONG}\n--- CONTEXT ENTRY END ---\n{QUESTION}")],
}  # fmt: skip


@pytest.mark.parametrize("shape", list(SHAPES))
def test_what_a_person_asked_is_routed_on_and_nothing_of_the_harness(shape: str) -> None:
    assert routed_text(SHAPES[shape]) == QUESTION


def test_reminder_alone_is_not_the_routed_text() -> None:
    reminder = block("system-reminder", "x" * 120)

    assert routed_text([user(QUESTION), user(reminder)]) == QUESTION
    assert routed_text([user(reminder)]) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Why does my log hold <system-reminder> and never its end?",
        "Explain </system-reminder> before <system-reminder> to me.",
        "Is a<b and b>c in <rulesets>x</rulesets>?",
        "What of <task>this</task> and of that?",
    ],
)
def test_what_only_looks_like_a_block_is_a_persons(text: str) -> None:
    assert routed_text([user(text)], 0) == text


def test_blocks_within_each_other_are_one() -> None:
    nested = "<rules>a<rules>b</rules>c</rules>Ask<file_content path='a.py'>d<rules></file_content> me"

    assert routed_text([user(nested)], 0) == "Ask me"


@pytest.mark.parametrize(
    "text", ["<rules>" * 200_000, "<rules " * 200_000, "</rules><rules>" * 100_000, "<" * 2_000_000]
)
def test_hostile_text_ends(text: str) -> None:
    # Whatever is quadratic in these would not end within this test's time-out.
    assert len(routed_text([user("before"), user(text)])) <= 20_000


def test_history_is_read_no_further_than_the_bound() -> None:
    harness = user(block("system-reminder", "x" * (MOST_SCANNED // 2)))

    assert routed_text([user("far away"), harness, harness, user("near")]) == "near"


@pytest.mark.parametrize(
    ("last", "waits"),
    [
        ([{"role": "tool", "content": "rain"}], True),
        ([{"role": "tool", "content": "rain"}, {"role": "system", "content": LONG}], True),
        ([user(block("system-reminder"))], True),
        ([user("EXECUTION RESULT of [run]:\n1")], True),
        ([user(block("system-reminder"), "And now?")], False),
        ([{"role": "tool", "content": "rain"}, user("Stop. And now?")], False),
        ([{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": block("attachment")}]}], False),
        ([{"role": "user", "content": ""}], False),
        ([], False),
    ],
)
def test_loop_of_tools_is_known_by_its_end(last: list[dict[str, Any]], waits: bool) -> None:
    assert awaits_tool([user(QUESTION), {"role": "assistant", "content": ""}, *last]) is waits


def test_results_of_tools_in_messages_and_responses_are_messages_of_tools() -> None:
    anthropics = of_messages(
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": QUESTION, "cache_control": {}}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "run", "input": {"n": 1}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "ok"}]},
            ]
        }
    )  # fmt: skip
    items = [
        {"role": "user", "content": QUESTION},
        {"type": "reasoning", "summary": [], "encrypted_content": "abc"},
        {"type": "function_call", "call_id": "1", "name": "run", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "ok"},
    ]
    openais = of_responses({"input": items})

    assert [one["role"] for one in anthropics] == [one["role"] for one in openais] == ["user", "assistant", "tool"]
    assert [len(one[1]["tool_calls"]) for one in (anthropics, openais)] == [1, 1]
    # A mark that moves from request to request does not make another conversation of it.
    assert anthropics[0]["content"] == [{"type": "text", "text": QUESTION}]


def test_further_shapes_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "harness.yaml"
    path.write_text(
        "drop_tags: [my_context]\nask_after: ['## Q:']\ndrop_between: [['{{', '}}']]\ndrop_messages: [LOG]\n"
    )
    harness = Harness(harness_shapes.read(path))

    def asked(*messages: dict[str, Any]) -> str:
        return routed_text(messages, harness=harness)

    assert asked(user(f"<my_context>{LONG}</my_context>{{{{{LONG}}}}}Why?")) == "Why?"
    assert asked(user(f"{LONG}\n## Q: Why?")) == "Why?"
    assert asked(user("Why?"), user("LOG: " + LONG)) == "Why?"
    assert asked(user(block("system-reminder"), "Why?")) == "Why?"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "hold other fields than drop_tags"),
        ("tags: [a]", "hold other fields than drop_tags"),
        ("drop_tags: a", "drop_tags of .* is no list of texts"),
        ("drop_tags: ['']", "drop_tags of .* is no list of texts"),
        ("drop_tags: [[a]]", "drop_tags of .* is no list of texts"),
        ("drop_between: [a, b]", "drop_between of .* is no list of pairs"),
        ("drop_tags: [a: b: c]", "are not readable"),
    ],
)
def test_unusable_shapes_are_a_sentence(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "harness.yaml"
    path.write_text(text)

    with pytest.raises(InputError, match=fault):
        harness_shapes.read(path)
