"""Which conversation a request belongs to, where its client says so: headers and fields that agents and chats send.

    x-session-id                 many; x-litellm-session-id and x-openwebui-chat-id of the products of that name
    session_id, session-id       Codex, which also sends thread-id
    x-claude-code-session-id     Claude Code, which has the same id at the end of metadata.user_id
    body.litellm_session_id      a field of the request, as clients of LiteLLM set it

A conversation without an id is found by its messages. `prompt_cache_key` is no id by default: applications send one key
for all of their conversations.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

DEFAULT = (
    "x-session-id",
    "x-conversation-id",
    "session_id",
    "session-id",
    "conversation_id",
    "thread-id",
    "x-claude-code-session-id",
    "x-qwen-code-session-id",
    "x-opencode-session",
    "x-session-affinity",
    "x-litellm-session-id",
    "x-openwebui-chat-id",
    "body.litellm_session_id",
    "body.metadata.session_id",
    "body.metadata.conversation_id",
    "body.metadata.user_id",
)
"""Names in the order in which they are looked for."""
_BODY = "body."
_USER = "body.metadata.user_id"
_MOST_CHARACTERS = 256
_SESSION = re.compile(r"_session_([0-9A-Za-z-]{8,})$")


def of_request(headers: Mapping[str, str], fields: Mapping[str, Any], names: Sequence[str] = DEFAULT) -> str:
    """Return the id of a request's conversation, empty where its client sends none.

    Args:
        headers: Of the request.
        fields: Of its body.
        names: Headers, and fields of the body behind `body.`; the first that is there counts.
    """
    for name in names:
        told = _field(fields, name) if name.startswith(_BODY) else headers.get(name)
        found = _session_of_user(told) if name == _USER else told
        if isinstance(found, str) and 0 < len(found.strip()) <= _MOST_CHARACTERS:
            return found.strip()
    return ""


def read(names: str) -> tuple[str, ...]:
    """Return the names of a setting, which commas separate; the usual ones for an empty setting."""
    return (
        tuple(
            one.strip() if one.strip().startswith(_BODY) else one.strip().lower()
            for one in names.split(",")
            if one.strip()
        )
        or DEFAULT
    )


def _field(fields: Mapping[str, Any], name: str) -> Any:
    found: Any = fields
    for part in name.removeprefix(_BODY).split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _session_of_user(told: Any) -> Any:
    """Return the session within Claude Code's id of a user; another user's id is no conversation's."""
    if not isinstance(told, str) or len(told) > 4 * _MOST_CHARACTERS:
        return None
    at_end = _SESSION.search(told)
    if at_end:
        return at_end[1]
    try:
        written = json.loads(told) if told.startswith("{") else None
    except ValueError:
        return None
    return written.get("session_id") if isinstance(written, dict) else None
