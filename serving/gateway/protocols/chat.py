"""OpenAI's chat completions, which nearly every upstream speaks."""

from collections.abc import Mapping
from typing import Any

from serving.gateway import upstream_faults
from serving.gateway.protocols.protocol import Protocol
from serving.gateway.usage import Usage, of_object
from serving.refusal import Refused


def messages_of(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of a request as they are.

    Raises:
        Refused: There are none (400).
    """
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise Refused(400, "'messages' is no list of messages; send at least one, with 'role' and 'content'")
    return messages


def _usage(answer: Any, before: Usage | None) -> Usage | None:
    return of_object(answer) or before


CHAT = Protocol(
    "chat", "/chat/completions", messages_of, upstream_faults.of_completion, upstream_faults.of_event, _usage
)
