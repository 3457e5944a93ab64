"""The protocols by name."""

from serving.gateway.protocols.chat import CHAT
from serving.gateway.protocols.messages import MESSAGES
from serving.gateway.protocols.protocol import Protocol
from serving.gateway.protocols.responses import RESPONSES

BY_NAME: dict[str, Protocol] = {one.name: one for one in (CHAT, RESPONSES, MESSAGES)}
