"""Answers that failed, by their ids: who gave them is not chosen again, and the others are judged by that.

A request names them as `modelsat.failed_of`; ids are those of the answers' headers, `x-modelsat-request-id` or
`x-modelsat-feedback-id`, or of a response of OpenAI's. Who knows the model names it in `failed` instead.
"""

from dataclasses import replace

from serving.gateway.chat_request import ChatRequest
from serving.gateway.sessions import Sessions
from serving.refusal import Refused


async def with_models(chat: ChatRequest, client: str, sessions: Sessions) -> ChatRequest:
    """Return a request that names who gave the answers that failed.

    Args:
        chat: The request.
        client: Who sends it; answers to other clients are unknown to it.
        sessions: Who gave which answer.

    Raises:
        Refused: An answer is not known (400).
    """
    failed = list(chat.preferences.failed)
    for answer_id in chat.failed_of:
        candidate = await sessions.who_answered(client, answer_id)
        if candidate is None:
            raise Refused(
                400,
                f"'failed_of' {answer_id[:80]!r} is the id of no answer that this client was given of late; send its "
                "x-modelsat-request-id or x-modelsat-feedback-id, or name the model in 'failed'",
            )
        failed += [] if candidate in failed else [candidate]
    return replace(chat, preferences=replace(chat.preferences, failed=tuple(failed)))
