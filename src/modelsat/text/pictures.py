"""Pictures that come with prompts: checked before they are opened, and never fetched from anywhere."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

MOST_BYTES = 10 * 2**20
"""Of one picture; larger ones are refused before they are opened."""
MOST_IN_A_PROMPT = 4
"""Further pictures of a prompt are not read; they count for what a candidate has to be able to do."""
_DATA_URI = re.compile(r"data:image/[\w.+-]{1,40}(?:;[\w-]+=[\w-]+)*;base64,")
_BEGINNINGS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF87a": "GIF", b"GIF89a": "GIF"}
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


class PictureError(ValueError):
    """A picture cannot be used; the message says why, to follow "the picture"."""


@dataclass(frozen=True)
class Picture:
    """A picture that was not opened yet.

    Attributes:
        content: Of its file.
        digest: First 32 hexadecimal characters of the SHA-256 of the content.
    """

    content: bytes
    digest: str


def of(content: bytes) -> Picture:
    """Return the picture in a file's content.

    Raises:
        PictureError: It is too large, or in none of `FORMATS`.
    """
    if len(content) > MOST_BYTES:
        raise PictureError(f"has {len(content):,} bytes; at most {MOST_BYTES:,} are read")
    is_known = any(content.startswith(beginning) for beginning in _BEGINNINGS)
    if not is_known and not (content[:4] == b"RIFF" and content[8:12] == b"WEBP"):
        raise PictureError(f"is in none of the formats {', '.join(FORMATS)}")
    return Picture(content, hashlib.sha256(content).hexdigest()[:32])


def is_data_uri(address: str) -> bool:
    """Say whether an address holds its content: those that do not would have to be fetched."""
    return address[:5].lower() == "data:"


def of_data_uri(uri: str) -> Picture:
    """Return the picture in a data URI such as `data:image/png;base64,...`.

    Raises:
        PictureError: It is no data URI of a picture, or as of `of`.
    """
    head = _DATA_URI.match(uri)
    if head is None:
        raise PictureError("is no data URI such as data:image/png;base64,...")
    return of_base64(uri[head.end() :])


def of_base64(text: str) -> Picture:
    """Return the picture in a text in base64.

    Raises:
        PictureError: It is not base64, or as of `of`.
    """
    # The length is looked at first: what is too large is not decoded.
    if len(text) // 4 * 3 > MOST_BYTES + 3:
        raise PictureError(f"has more than {MOST_BYTES:,} bytes, which is the most that are read")
    try:
        return of(base64.b64decode(text, validate=True))
    except binascii.Error:
        raise PictureError("is not whole: its data are not base64") from None
