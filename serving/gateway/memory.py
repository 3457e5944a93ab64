"""Who answered a conversation last: digests of conversations, never their text, the oldest forgotten first."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

MOST_CONVERSATIONS = 50_000


class Memory:
    """Finds the candidate of a conversation by the messages before its last answer, which clients send again.

    Args:
        most: How many conversations are kept.
    """

    def __init__(self, most: int = MOST_CONVERSATIONS) -> None:
        self._most = most
        self._candidates: OrderedDict[bytes, str] = OrderedDict()

    def candidate(self, client: str, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """Return who gave the last answer in `messages`, None where there is none or it is not known."""
        answers = [i for i, message in enumerate(messages) if message.get("role") == "assistant"]
        return self._candidates.get(_key(client, messages[: answers[-1]])) if answers else None

    def keep(self, client: str, messages: Sequence[Mapping[str, Any]], candidate: str) -> None:
        """Remember who answers `messages`."""
        key = _key(client, messages)
        self._candidates[key] = candidate
        self._candidates.move_to_end(key)
        self._forget()

    def candidate_of_response(self, client: str, response: str) -> str | None:
        """Return who gave a response that the upstream keeps under an id; None where it is not known."""
        return self._candidates.get(_key(client, [{"response": response}]))

    def keep_response(self, client: str, response: str, candidate: str) -> None:
        """Remember who gave a response."""
        self._candidates[_key(client, [{"response": response}])] = candidate
        self._forget()

    def _forget(self) -> None:
        if len(self._candidates) > self._most:
            self._candidates.popitem(last=False)


def _key(client: str, messages: Sequence[Mapping[str, Any]]) -> bytes:
    return hashlib.sha256(json.dumps([client, list(messages)], sort_keys=True).encode()).digest()
