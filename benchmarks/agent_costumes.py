"""Agents' clothes for real prompts: shapes of public clients' messages, in words of our own.

Each shape is a conversation after the gateway has read its protocol. The blocks are those that Claude Code 2.1.197 and
Codex 0.171.0 were seen to send, and for the others those that public sources show.
"""

from collections.abc import Callable
from typing import Any

from costumes import FOLLOW_UPS, SYSTEM, Asked

Messages = list[dict[str, Any]]

NOTES = (
    "Contents of /app/CLAUDE.md (project instructions):\n\n# Conventions\nUse four spaces, test each change, "
    "and never touch the folder vendor. The database of the tests is started with make services; run make test before "
    "you say that something works. Commit messages have at most 72 characters."
)
EDITOR = "Active file: src/billing/invoice.py\nOpen tabs: invoice.py, tax.py, README.md\nBranch: main, 3 files changed"
FILE = (
    "def total(lines):\n    net = sum(line.price * line.count for line in lines)\n    return round(net * 1.19, 2)\n\n\n"
    "class Invoice:\n    def __init__(self, customer, lines):\n        self.customer, self.lines = customer, lines\n"
)
OUTPUT = "Exit code 0\n" + "tests/test_invoice.py ........ [ 60%]\ntests/test_tax.py ..... [100%]\n13 passed in 0.84s\n"
ANSWER = "I have looked at the files and ran the tests. All 13 pass; the answer to your question is B."


def _user(*texts: str) -> Messages:
    return [{"role": "user", "content": [{"type": "text", "text": text} for text in texts]}]


def _answered(text: str = ANSWER) -> Messages:
    return [{"role": "assistant", "content": [{"type": "text", "text": text}]}]


def _tool(text: str = OUTPUT) -> Messages:
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "1", "name": "run", "input": {"cmd": "make test"}}],
    }
    return [call, {"role": "tool", "content": text}]


def _reminder(text: str = NOTES) -> str:
    return f"<system-reminder>\n{text}\n</system-reminder>\n"


def _claude_code(asked: Asked) -> Messages:
    return [*_user(_reminder(), asked.text), {"role": "system", "content": SYSTEM}]


def _claude_code_later(asked: Asked) -> Messages:
    first = _user(_reminder(), asked.before[0]) + _tool(FILE) + _tool() + _answered()
    return first + _user(asked.text, _reminder("The file invoice.py was changed by the user. " + FILE))


def _claude_code_loop(asked: Asked) -> Messages:
    return (
        _claude_code_later(asked)
        + _tool(FILE + _reminder())
        + _user(_reminder("Your list of tasks is empty. " + NOTES))
    )


def _codex(asked: Asked) -> Messages:
    agents = f"# AGENTS.md instructions for /app\n\n<INSTRUCTIONS>\n{NOTES}\n</INSTRUCTIONS>"
    place = f"<environment_context>\n  <cwd>/app</cwd>\n  <shell>bash</shell>\n{EDITOR}\n</environment_context>"
    return [{"role": "developer", "content": SYSTEM}, *_user(agents, place), *_user(asked.text)]


def _codex_editor(asked: Asked) -> Messages:
    earlier = _codex(asked)[:-1] + _user(asked.before[0]) + _tool() + _answered()
    return earlier + _user(f"# Context from my IDE setup:\n\n{EDITOR}\n\n## My request for Codex:\n{asked.text}")


def _cursor(asked: Asked) -> Messages:
    info = f"<user_info>\nOS: linux\nShell: bash\n</user_info>\n<rules>\n{NOTES}\n</rules>"
    data = f"<additional_data>\n<current_file>\n{EDITOR}\n</current_file>\n{FILE}</additional_data>"
    return [
        {"role": "system", "content": SYSTEM},
        *_user(info),
        *_user(data, f"<user_query>\n{asked.text}\n</user_query>"),
    ]


def _openhands(asked: Asked) -> Messages:
    place = f"<RUNTIME_INFORMATION>\nThe directory is /workspace.\n{EDITOR}\n</RUNTIME_INFORMATION>"
    hint = f"<EXTRA_INFO>\nIncluded since the message holds the word git.\n{NOTES}\n</EXTRA_INFO>"
    return [
        *_user(asked.text),
        *_user(place),
        *_user(hint),
        *_answered(),
        *_user(f"EXECUTION RESULT of [run]:\n{OUTPUT}"),
    ]


def _langgraph(asked: Asked) -> Messages:
    summary = f"Here is a summary of the conversation to date:\n\nThe user works on invoices. {NOTES}"
    return [{"role": "system", "content": SYSTEM}, *_user(summary), *_user(asked.text), *_tool(), *_tool(FILE)]


def _cline(asked: Asked) -> Messages:
    place = f"<environment_details>\n# VSCode Visible Files\n{EDITOR}\n\n# Current Mode\nACT\n</environment_details>"
    return [
        *_user(f"<task>\n{asked.text}\n</task>", place),
        *_answered(),
        *_user("[read_file for 'src/billing/invoice.py'] Result:", FILE, place),
    ]


def _follow_up(asked: Asked) -> Messages:
    return _claude_code(asked) + _tool(FILE) + _answered() + _user(_reminder(), FOLLOW_UPS[asked.draw % 4])


COSTUMES: dict[str, Callable[[Asked], Messages]] = {
    "Claude Code, first question": _claude_code,
    "Claude Code, later question": _claude_code_later,
    "Claude Code, loop of tools": _claude_code_loop,
    "Codex, first question": _codex,
    "Codex in an editor, later question": _codex_editor,
    "Cursor": _cursor,
    "OpenHands, loop of tools": _openhands,
    "LangGraph, loop of tools": _langgraph,
    "Cline, loop of tools": _cline,
    "Claude Code, follow-up": _follow_up,
}
