"""Who may get a request: candidates with an upstream that speaks its protocol and that the client allows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from serving.gateway.chat_request import ChatRequest
from serving.gateway.upstreams import Upstream
from serving.refusal import Refused


@dataclass(frozen=True)
class Reach:
    """The candidates of one gateway.

    Attributes:
        upstreams: By candidate.
        source: What the file of upstreams is called.
    """

    upstreams: Mapping[str, Upstream]
    source: str = "the file of upstreams"

    def named(self, chat: ChatRequest) -> str:
        """Return the candidate that a request names.

        Raises:
            Refused: It is unknown (404) or does not speak the protocol (400).
        """
        if chat.model not in self.upstreams:
            raise Refused(404, f"model {chat.model[:80]!r} is unknown here; send 'auto' or a name of GET /v1/models")
        return self._speaking([chat.model], chat)[0]

    def allowed(self, chat: ChatRequest) -> list[str]:
        """Return the candidates that a request for `auto` may go to, in the order of the file.

        Raises:
            Refused: There is none (400).
        """
        names = allowed(self.upstreams, chat.preferences.candidates)
        if not names:
            raise Refused(400, "no candidate matches 'candidates'; GET /v1/models lists all")
        speaking = self._speaking(names, chat)
        if set(speaking) <= set(chat.preferences.failed):
            raise Refused(400, "all allowed candidates have failed; allow others")
        return speaking

    def keeper(self, chat: ChatRequest, keeper: str | None) -> str:
        """Return who keeps what a request goes on with: nobody else could answer.

        Args:
            chat: The request.
            keeper: Who gave the answer that it names; None where that is not known.

        Raises:
            Refused: That is not known (400).
        """
        if keeper is None or keeper not in self.upstreams:
            raise Refused(
                400,
                "this gateway does not know who keeps the response or conversation that the request names; send the "
                "whole conversation in 'input', or name the model that keeps it",
            )
        return self._speaking([keeper], chat)[0]

    def _speaking(self, names: list[str], chat: ChatRequest) -> list[str]:
        protocol = chat.protocol.name
        speaking = [name for name in names if not chat.is_called or protocol in self.upstreams[name].protocols]
        if not speaking:
            who = f"{names[0]!r} does not speak" if len(names) == 1 else "no allowed candidate speaks"
            raise Refused(
                400,
                f"{who} the protocol {protocol!r}; name a candidate whose upstream does, and list it under 'protocols' "
                f"of its entry in {self.source}",
            )
        return speaking


def allowed(names: Iterable[str], patterns: tuple[str, ...] | None) -> list[str]:
    """Return the names that match one of the patterns; None allows all."""
    return [name for name in names if patterns is None or any(fnmatchcase(name, pattern) for pattern in patterns)]
