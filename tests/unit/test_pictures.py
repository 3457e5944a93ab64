"""Pictures that come with prompts: which are read from a table, which are refused, what a router reads of them.

The pictures are drawn here and read by the packaged OCR models; nothing is fetched.
"""

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rapidocr", reason="text in pictures is read where modelsat[images] is installed")
from PIL import Image, ImageDraw, ImageFont

from modelsat.aptitude import instructions
from modelsat.bundle.bundle import Bundle
from modelsat.challenger import unread_pictures
from modelsat.challenger.predictions import prediction_rows
from modelsat.data import contracts, routed_texts
from modelsat.data.collection import Collection, collect
from modelsat.routers.constant import Constant
from modelsat.text import picture_text, pictures
from modelsat.text.picture_text import TextReader
from modelsat.text.pictures import PictureError

RAIL, SHIP = "platform 17", "harbour 42"
QUESTION = "What does the sign tell a traveller?"


def drawn(words: str, kind: str = "PNG") -> bytes:
    image = Image.new("RGB", (300, 60), "white")
    if words:
        ImageDraw.Draw(image).text((12, 12), words, fill="black", font=ImageFont.load_default(30))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def as_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes that says it has side times side pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        whole = name + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def read() -> TextReader:
    """One reader for the module: loading its models takes a second."""
    return TextReader()


@pytest.fixture
def gather(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: TextReader) -> Callable[..., Collection]:
    """Return a function that collects a table of one prompt for each cell given for its pictures."""
    monkeypatch.setattr("modelsat.data.readers.tidy_pictures.TextReader", lambda _: read)
    (tmp_path / "signs").mkdir()
    (tmp_path / "signs" / "rail.png").write_bytes(drawn(RAIL))
    (tmp_path / "signs" / "ship.jpg").write_bytes(drawn(SHIP, "JPEG"))

    def collected(*cells: object, prompt: str = QUESTION, **more: str) -> Collection:
        rows = [
            {"prompt_id": str(i), "benchmark": "signs", "prompt": prompt.format(i), "image": cell} | more
            for i, cell in enumerate(cells)
        ]
        (tmp_path / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)))
        scores = "\n".join(f"{i},1,0" for i in range(len(cells)))
        (tmp_path / "scores.csv").write_text(f"prompt_id,ada,bob\n{scores}\n")
        return collect([str(tmp_path)])

    return collected


def test_picture_is_a_path_beside_the_table_or_in_the_cell_itself(gather: Callable[..., Collection]) -> None:
    found = gather("signs/rail.png", as_uri(drawn(SHIP)), "").prompts

    assert found["image_text"].to_pylist() == [RAIL, SHIP, None]
    assert [one is None for one in found["image"].to_pylist()] == [False, False, True]


def test_several_pictures_of_a_prompt_are_read_in_their_order(gather: Callable[..., Collection]) -> None:
    several = ["signs/ship.jpg", "signs/rail.png"]
    listed, as_json = gather(several, json.dumps(several)).prompts.to_pylist()

    assert listed["image_text"] == f"{SHIP} {RAIL}"
    assert (as_json["image"], as_json["image_text"]) == (listed["image"], listed["image_text"])


def test_router_reads_the_text_in_pictures_before_the_question(gather: Callable[..., Collection]) -> None:
    prompts = gather("signs/rail.png", "").prompts

    assert routed_texts.of(prompts) == [f"Text in the picture: {RAIL}\n\n{QUESTION}", QUESTION]
    assert routed_texts.of(prompts, with_pictures=False) == [QUESTION, QUESTION]


def test_same_words_about_another_picture_are_another_question(gather: Callable[..., Collection]) -> None:
    stems = gather("signs/rail.png", "signs/ship.jpg", "signs/rail.png", "").prompts["stem_digest"].to_pylist()

    assert stems[0] == stems[2]
    assert len(set(stems)) == 3


def test_pictures_are_kept_where_results_are_stored_and_change_the_digest(
    gather: Callable[..., Collection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = gather("signs/rail.png", "signs/ship.jpg")
    found.write(tmp_path / "stored")
    stored = Collection.read(tmp_path / "stored")
    monkeypatch.setattr(picture_text, "is_installed", lambda: False)
    unread = gather("signs/rail.png", "signs/ship.jpg")

    assert stored.prompts.equals(found.prompts)
    assert stored.digest() == found.digest() != unread.digest()
    assert unread.prompts["image"].equals(found.prompts["image"])
    assert unread.prompts["image_text"].null_count == 2
    assert unread.notes[0].endswith("install modelsat[images] to read text in pictures [pictures-not-read]")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("https://example.com/a.png", "is at an address, and nothing is fetched; put the file beside the table"),
        ("../secret.png", "is not below the table's folder; write a path relative to the table"),
        ("/etc/hostname", "is not below the table's folder; write a path relative to the table"),
        ("signs/none.png", "does not exist beside the table; write a path relative to the table"),
        ("prompts.jsonl", "is in none of the formats PNG, JPEG, GIF, WEBP"),
        ("data:image/png;base64,%%%", "is not whole: its data are not base64"),
        ("data:text/html,hello", "is no data URI such as data:image/png;base64,..."),
        ({"path": "a.png"}, "is nested; write a path or a data URI, or a list of them"),
        (as_uri(drawn(RAIL)[:200]), "is damaged and cannot be opened"),
        (as_uri(bomb(7_000)), "has more than 40,000,000 pixels, which is the most that are read"),
        (as_uri(bomb(20_000)), "has more than 40,000,000 pixels, which is the most that are read"),
    ],
)
def test_picture_that_cannot_be_used_is_a_reject_with_its_line(
    gather: Callable[..., Collection], cell: object, reason: str
) -> None:
    found = gather("", cell)
    (reject,) = found.rejects.to_pylist()

    assert (reject["source_row"], reject["field"], reject["reason"]) == (2, "image", f"the picture {reason}")
    assert found.prompts.num_rows == 1


def test_link_that_leads_out_of_the_folder_is_refused(gather: Callable[..., Collection], tmp_path: Path) -> None:
    (tmp_path / "signs" / "away.png").symlink_to("/etc/hostname")

    (reject,) = gather("", "signs/away.png").rejects.to_pylist()
    assert reject["reason"].startswith("the picture is not below the table's folder")


def test_picture_that_is_too_large_is_refused_before_it_is_opened() -> None:
    most = pictures.MOST_BYTES
    with pytest.raises(PictureError, match="10,485,761 bytes; at most 10,485,760"):
        pictures.of(b"\xff\xd8\xff" + b"\0" * (most - 2))
    with pytest.raises(PictureError, match="more than 10,485,760 bytes"):
        pictures.of_base64("%" * (4 * most // 3 + 8))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_each_format_is_read(read: TextReader, kind: str) -> None:
    assert read(pictures.of(drawn(RAIL, kind))) == RAIL


def test_picture_without_text_has_an_empty_one(read: TextReader) -> None:
    assert read(pictures.of(drawn(""))) == ""


def test_what_is_transparent_is_white(read: TextReader) -> None:
    image = Image.new("RGBA", (300, 60), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((12, 12), RAIL, fill="black", font=ImageFont.load_default(30))
    file = io.BytesIO()
    image.save(file, "PNG")

    assert read(pictures.of(file.getvalue())) == RAIL


def test_text_of_pictures_is_bounded() -> None:
    assert picture_text.bounded(["a  b", "\nc"]) == "a b c"
    assert len(picture_text.bounded(["word " * 1000])) == picture_text.MOST_CHARACTERS - 1


def test_aptitude_question_with_a_picture_is_never_asked_of_an_endpoint(gather: Callable[..., Collection]) -> None:
    """Without the picture nobody could answer it; results on it count as ever."""
    collection = gather(*(["signs/rail.png", ""] * 30), prompt="Question {}?", answer="a", scorer="exact")
    seen = dict(zip(*(collection.prompts[name].to_pylist() for name in ("prompt_id", "image")), strict=True))
    made = instructions.build(collection)
    asked = made.aptitude_test.to_pylist()

    assert {seen[row["prompt_id"]] is None for row in asked} == {True, False}
    for row in asked:
        assert (row["answer"], row["scorer"]) == (("a", "exact") if seen[row["prompt_id"]] is None else (None, None))
    assert made.pictured == {f"Text in the picture: {RAIL}\n\nQuestion {i}?" for i in range(0, 60, 2)}


def test_predictions_say_what_the_router_makes_of_a_prompt_whose_picture_it_did_not_read(
    gather: Callable[..., Collection],
) -> None:
    """The router says 0.9 and 0.1 of all texts; it said something else of the three prompts with what was read."""
    collection = gather("signs/rail.png", "", as_uri(drawn("")), *[""] * 57, prompt="Question {}?")
    made = instructions.build(collection)
    empty = [contracts.from_rows([], one) for one in (contracts.APTITUDE_TEST, contracts.CARDS)]
    served = Bundle(Constant(("ada", "bob"), np.asarray([0.9, 0.1])), collection.candidates, *empty, digest="d")
    told = prediction_rows("modelsat router", np.full((3, 2), 0.5, np.float32), ["0", "1", "2"], "d")
    both = unread_pictures.predicted(told, served, made).to_pylist()

    assert [row["router"] for row in both[3:]] == ["modelsat router, auto:best, pictures unread"] * 3
    assert [row["success_probability"] for row in both[3:]] == [pytest.approx([0.9, 0.1]), [0.5, 0.5], [0.5, 0.5]]
    assert unread_pictures.predicted(told.slice(1), served, made).num_rows == 2
