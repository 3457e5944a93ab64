"""Pictures in requests are read beside the event loop, in time or not at all, and who sees answers.

A real endpoint whose router says 0.9 for `blind`, 0.8 for `seeing` and 0.7 for `clear`; of requests with pictures it
promises that `clear` is the best single candidate. Pictures are drawn here and read by the packaged OCR models.
"""

import asyncio
import base64
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

pytest.importorskip("rapidocr", reason="text in pictures is read where modelsat[images] is installed")
from endpoint_process import Endpoint
from local_servers import Upstream as Answering
from local_servers import served
from PIL import Image, ImageDraw, ImageFont

from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.policy.promise import Promise
from modelsat.routers.constant import Constant
from modelsat.text import pictures
from serving.gateway import picture_texts, sent_pictures, upstreams
from serving.gateway.app import create_app
from serving.gateway.chat_request import ChatRequest
from serving.gateway.feedback_settings import FeedbackSettings
from serving.gateway.gateway_settings import GatewaySettings
from serving.gateway.picture_texts import PictureTexts
from serving.gateway.protocols.known import BY_NAME

CHANCES = {"blind": 0.9, "seeing": 0.8, "clear": 0.7}
WORDS = "platform 17"
QUESTION = "What does the sign tell a traveller?"


def drawn(words: str) -> str:
    image = Image.new("RGB", (300, 60), "white")
    ImageDraw.Draw(image).text((12, 12), words, fill="black", font=ImageFont.load_default(30))
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


PICTURE = drawn(WORDS)
URI = f"data:image/png;base64,{PICTURE}"
REMOTE = "https://example.com/sign.png"


def chat(*addresses: str, text: str = QUESTION) -> list[dict[str, Any]]:
    parts = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
    return [{"role": "user", "content": [{"type": "text", "text": text}, *parts]}]


@pytest.mark.parametrize(
    ("protocol", "fields"),
    [
        ("chat", {"messages": chat(URI)}),
        ("chat", {"messages": [{"role": "user", "content": [{"image_url": URI}]}]}),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": URI}]}]}),
        (
            "messages",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
                        ],
                    }
                ]
            },
        ),
    ],
)
def test_pictures_of_every_protocol_are_found(protocol: str, fields: dict[str, Any]) -> None:
    found = sent_pictures.of_messages(BY_NAME[protocol].conversation(fields))

    assert found == [pictures.of(base64.b64decode(PICTURE))]


@pytest.mark.parametrize(
    "messages",
    [
        chat(REMOTE),
        chat(URI, REMOTE),
        chat("data:image/png;base64,aGVsbG8="),
        [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}],
        [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}],
        [{"role": "tool", "content": chat(URI)[0]["content"]}],
        [{"role": "user", "content": QUESTION}],
    ],
)
def test_picture_that_lies_elsewhere_or_comes_from_a_tool_is_not_read(messages: list[dict[str, Any]]) -> None:
    assert sent_pictures.of_messages(messages) is None


def test_pictures_of_the_newest_message_that_has_some_are_read_and_no_more_than_in_training() -> None:
    said = [*chat(drawn_uri("old")), {"role": "assistant", "content": "Yes."}, *chat(*[URI] * 6), *chat(text="Why?")]
    found = sent_pictures.of_messages(said)

    assert found is not None
    assert [one.digest for one in found] == [pictures.of(base64.b64decode(PICTURE)).digest] * 4


def drawn_uri(words: str) -> str:
    return f"data:image/png;base64,{drawn(words)}"


def asked(*addresses: str) -> ChatRequest:
    return ChatRequest("auto", chat(*addresses), {})


def test_texts_are_read_in_time_or_late_and_again_after_a_crash_and_no_picture_hangs_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One process for all of it, since it loads its models once."""
    other, third = drawn_uri("harbour 42"), drawn_uri("track 9")
    cut = f"data:image/png;base64,{PICTURE[:200]}"

    async def run() -> list[object]:
        texts = PictureTexts(60)
        try:
            told: list[object] = [await texts.of_request(asked(URI, other))]
            texts._seconds = 0.001
            told.append(await texts.of_request(asked(third)))
            texts._seconds = 60
            told += [await texts.of_request(asked(third)), await texts.of_request(asked(cut))]
            process = texts._process
            assert process is not None
            process.kill()
            await process.wait()
            told.append(await texts.of_request(asked(drawn_uri("gate 3"))))
            monkeypatch.setattr(picture_texts, "_MOST_WAITING", 0)
            told += [await texts.of_request(asked(drawn_uri("new"))), await texts.of_request(asked(URI))]
            monkeypatch.setattr(picture_texts, "_MOST_WAITING", 8)
            monkeypatch.setattr(picture_texts, "_MOST_SECONDS", 0.0)
            told.append(await texts.of_request(asked(drawn_uri("hangs"))))
            assert texts._process is None
        finally:
            await texts.close()
        return told

    assert asyncio.run(run()) == ["platform 17 harbour 42", None, "track 9", None, "gate 3", None, WORDS, None]


@pytest.fixture(scope="module")
def knowing(start_endpoint: Callable[..., Endpoint], tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    rows: list[dict[str, object]] = [
        {"candidate": "blind", "modalities": []},
        {"candidate": "seeing", "modalities": ["image"]},
        {"candidate": "clear", "modalities": ["image"]},
    ]
    promise = Promise("clear", 0.0, 0.003, 0.95, 0.01, 0.0, 0.5, 100)
    folder = tmp_path_factory.mktemp("knowing") / "bundle"
    Bundle(
        router=Constant(list(CHANCES), np.asarray(list(CHANCES.values()))),
        candidates=contracts.from_rows(rows, contracts.CANDIDATES),
        aptitude_test=contracts.from_rows([], contracts.APTITUDE_TEST),
        cards=contracts.from_rows([], contracts.CARDS),
        lineage={"mean_score": CHANCES, "picture_promise": promise.as_json()},
    ).write(folder)
    return start_endpoint("--bundle", str(folder))


@contextmanager
def gateway(knowing: Endpoint, answering: str, log: Path, seconds: float) -> Iterator[httpx.Client]:
    known = {name: upstreams.Upstream(f"{answering}/v1", name, timeout_seconds=5) for name in CHANCES}
    kept = FeedbackSettings(str(log), b"k" * 32, keeps_text=True)
    settings = GatewaySettings(deadline_seconds=10, picture_seconds=seconds, feedback=kept)
    with ExitStack() as stack:
        base = stack.enter_context(served(create_app(known, knowing.url, settings)))
        yield stack.enter_context(httpx.Client(base_url=base, timeout=60))


def told(client: httpx.Client, messages: list[dict[str, Any]], **body: Any) -> tuple[int, str | None, str | None]:
    answer = client.post("/v1/chat/completions", json={"model": "auto", "messages": messages} | body)
    return answer.status_code, *(answer.headers.get(f"x-modelsat-{name}") for name in ("selected-model", "pictures"))


def test_text_in_pictures_is_routed_on_and_the_best_single_answers_where_it_cannot_be_read(
    knowing: Endpoint, upstream: tuple[Answering, str], tmp_path: Path
) -> None:
    with gateway(knowing, upstream[1], tmp_path / "log", 60) as client:
        assert told(client, chat(URI)) == (200, "seeing", "read")
        assert told(client, chat(REMOTE)) == (200, "clear", "unread")
        assert told(client, chat(REMOTE), model="auto:best") == (200, "seeing", "unread")
        assert told(client, chat()) == (200, "blind", None)
        decision = client.post("/v1/route", json={"messages": chat(URI)}).json()
        assert (decision["pictures"], decision["promise"]["best_single"]) == ("read", "clear")
        assert [row["candidate"] for row in decision["candidates"]] == ["seeing", "clear"]
        # A stranger's picture changes nothing for who is best without pictures.
        assert told(client, chat()) == (200, "blind", None)
    lines = [json.loads(line) for path in (tmp_path / "log").rglob("*.jsonl") for line in path.read_text().splitlines()]
    prompts = [line["prompt"] for line in lines if "prompt" in line]
    assert prompts[:3] == [f"Text in the picture: {WORDS}\n\n{QUESTION}", QUESTION, QUESTION]


def test_gateway_that_reads_no_pictures_says_so_once_and_leaves_them_to_the_best_single(
    knowing: Endpoint, upstream: tuple[Answering, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with gateway(knowing, upstream[1], tmp_path / "log", 0) as client:
        assert told(client, chat(URI)) == (200, "clear", "unread")
        assert told(client, chat(URI)) == (200, "clear", "unread")
    said = [one.message for one in caplog.records if "text in pictures" in one.message]
    assert said == ["the router reads text in pictures and this gateway does not: --picture-seconds is 0"]
