"""What pictures change in a decision, for a router whose training prompts came with pictures.

The text in them is routed on, and the default is that of requests with pictures. Where they could not be read, the
default is the best single candidate that can see.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from modelsat.policy import promise
from modelsat.policy.picture_promise import IMAGE, Defaults
from modelsat.policy.preferences import SINGLE
from modelsat.text.rendering import with_picture_text
from serving.gateway.catalogue import CandidateFacts, ServedCatalogue
from serving.gateway.chat_request import ChatRequest
from serving.gateway.needs import RequestNeeds
from serving.gateway.picture_texts import PictureTexts

READ, UNREAD = "read", "unread"


@dataclass(frozen=True)
class PictureRouting:
    """How one request is decided on.

    Attributes:
        chat: The request; it asks for a candidate that reads images where it has some.
        text: That the router is asked.
        defaults: Of the router, for this request.
        standing: `READ`, `UNREAD`, or empty where pictures change nothing.
    """

    chat: ChatRequest
    text: str
    defaults: Defaults
    standing: str = ""

    def ordered(self, ranked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows of a ranking with the best single candidate first where pictures that count were not read."""
        promised = self.defaults.of(self.chat.preferences)
        if self.standing != UNREAD or promised is None:
            return ranked
        if promise.resolved(self.chat.preferences, promised).policy != SINGLE:
            return ranked
        return sorted(ranked, key=lambda row: row["candidate"] != promised.best_single)


async def of_request(
    chat: ChatRequest,
    text: str,
    needed: RequestNeeds,
    catalogue: ServedCatalogue,
    reachable: Collection[str],
    texts: PictureTexts,
) -> PictureRouting:
    """Return how a request is decided on.

    Args:
        chat: The request.
        text: What people asked in it.
        needed: Of it.
        catalogue: Of the router.
        reachable: Candidates that may answer.
        texts: Reads pictures.
    """
    defaults = catalogue.defaults
    sees = any(IMAGE in (catalogue.facts.get(name, CandidateFacts()).modalities or ()) for name in reachable)
    if defaults.pictures is None or IMAGE not in needed.modalities or not sees:
        return PictureRouting(chat, text, defaults)
    modalities = tuple(dict.fromkeys((*chat.preferences.modalities, IMAGE)))
    chat = replace(chat, preferences=replace(chat.preferences, modalities=modalities))
    read = await texts.of_request(chat)
    if read is None:
        return PictureRouting(chat, text, defaults.unread, UNREAD)
    return PictureRouting(chat, with_picture_text(text, read), defaults, READ)
