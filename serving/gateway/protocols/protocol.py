"""What differs from protocol to protocol. Bytes pass through as they are; nothing is translated into another one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modelsat.io.chat_address import ChatAddress
from serving.gateway.upstream_faults import UpstreamFault
from serving.gateway.usage import Usage


def bearer(address: ChatAddress, key: str) -> dict[str, str]:
    """Return the login that most providers take."""
    return address.login(key)


@dataclass(frozen=True)
class Protocol:
    """One protocol.

    Attributes:
        name: As the file of upstreams says it.
        path: Of a call, below an upstream's base address.
        conversation: From a request's fields to its messages as chat completions have them: `role`, `content` as a
            text or as parts, `tool_calls`; what is outside of the conversation, such as a system prompt, is not among
            them. It refuses a request without a conversation.
        of_body: What is wrong with the body of a 200 that is whole; None for an answer.
        of_event: The same of an event of a stream before any content; False where it says nothing yet.
        usage: From an answer or event, and what was read before, to what is used; None where nothing says so.
        login: From an upstream's address and key to the headers with the key.
        headers: Of the client, that go to the upstream.
    """

    name: str
    path: str
    conversation: Callable[[Mapping[str, Any]], list[dict[str, Any]]]
    of_body: Callable[[bytes], UpstreamFault | None]
    of_event: Callable[[bytes], UpstreamFault | bool]
    usage: Callable[[Any, Usage | None], Usage | None]
    login: Callable[[ChatAddress, str], dict[str, str]] = bearer
    headers: tuple[str, ...] = ()
