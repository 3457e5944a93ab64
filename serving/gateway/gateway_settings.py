"""Settings of a gateway: how it decides and whom it lets in."""

from dataclasses import dataclass, field

from modelsat.text.harness_shapes import KNOWN, HarnessShapes
from serving.gateway import conversation_ids, picture_texts
from serving.gateway.feedback_settings import FeedbackSettings
from serving.gateway.stickiness import SWITCH_GAIN
from serving.gateway.trace_settings import TraceSettings
from serving.proxies import Network

DEADLINE_SECONDS = 1.0


@dataclass(frozen=True)
class GatewaySettings:
    """How the gateway decides and whom it lets in.

    Attributes:
        clients: SHA-256 of the tokens that are let in; empty lets everybody in.
        proxies: Whose `X-Forwarded-For` says where a request comes from.
        deadline_seconds: How long the endpoint may take for a decision, above 0.
        switch_gain: Utility by which another candidate has to be better for a conversation to leave its own, in [0, 1].
        per_minute: Requests that one client may send; 0 sets no limit.
        max_premium_share: Above this share of a client's recent requests the most expensive model is withheld; 1
            holds nobody back.
        explore: Share of new conversations whose candidate is left to chance, in [0, 1].
        feedback: What is kept of answers and outcomes; None keeps nothing.
        traces: What spans hold; None makes none.
        sessions: Address of the store that several gateways share; empty for none.
        conversation_ids: Headers and fields in which clients name their conversation.
        shapes: What agents' harnesses write into the user's messages.
        picture_seconds: How long a decision waits for the text in a request's pictures; 0 reads none.
        source: What the file of upstreams is called, in sentences that say where to add something.
    """

    clients: frozenset[str] = frozenset()
    proxies: tuple[Network, ...] = ()
    deadline_seconds: float = DEADLINE_SECONDS
    switch_gain: float = SWITCH_GAIN
    per_minute: float = 0.0
    max_premium_share: float = 1.0
    explore: float = 0.0
    feedback: FeedbackSettings | None = None
    traces: TraceSettings | None = None
    sessions: str = field(default="", repr=False)
    conversation_ids: tuple[str, ...] = conversation_ids.DEFAULT
    shapes: HarnessShapes = KNOWN
    picture_seconds: float = picture_texts.SECONDS
    source: str = "the file of upstreams"


DEFAULTS = GatewaySettings()
