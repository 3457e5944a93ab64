"""What a request needs of a candidate, in the shapes that clients send."""

import json
from typing import Any

import pytest

from serving.gateway import chat_request, needs

PICTURE = {"url": "data:image/png;base64,AAAA"}


def needed(content: Any, **fields: Any) -> needs.RequestNeeds:
    body = {"model": "auto", "messages": [{"role": "user", "content": content}], **fields}
    return needs.of_request(chat_request.parse(json.dumps(body).encode()))


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "image_url", "image_url": PICTURE}],
        [{"type": "text", "text": "What is it?"}, {"image_url": PICTURE}],
        {"type": "image_url", "image_url": PICTURE},
    ],
    ids=["typed part", "part without a type", "one part without a list"],
)
def test_image_is_seen_in_every_shape_of_a_message(content: Any) -> None:
    assert needed(content).modalities == {"image"}


def test_spoken_answer_needs_a_model_of_sound() -> None:
    assert needed("Say it", modalities=["text", "audio"], audio={"voice": "alloy"}).modalities == {"audio"}
    assert needed("Say it", modalities=["text"]).modalities == set()
