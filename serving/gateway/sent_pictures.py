"""The pictures that a request carries, in any protocol: those of the newest message of a person that has some."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelsat.text import pictures
from modelsat.text.pictures import Picture, PictureError

_KINDS = ("image_url", "input_image", "image")


def of_messages(messages: Sequence[Mapping[str, Any]]) -> list[Picture] | None:
    """Return the first pictures of a message, as many as are read of a prompt.

    Args:
        messages: As of `Protocol.conversation`.

    Returns:
        None where one of them cannot be read: it lies elsewhere, where nothing is fetched from, or is no picture; and
        where no person sent one, as in a loop of tools that return screenshots.
    """
    for message in reversed(messages):
        parts = list(_parts(message)) if message.get("role") == "user" else []
        if parts:
            try:
                return [_picture(part) for part in parts[: pictures.MOST_IN_A_PROMPT]]
            except PictureError:
                return None
    return None


def _parts(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Mapping) and (part.get("type") in _KINDS or (not part.get("type") and "image_url" in part)):
            yield part


def _picture(part: Mapping[str, Any]) -> Picture:
    source = part.get("source")
    if isinstance(source, Mapping):
        if source.get("type") != "base64" or not isinstance(source.get("data"), str):
            raise PictureError("lies elsewhere")
        return pictures.of_base64(source["data"])
    address = part.get("image_url")
    if isinstance(address, Mapping):
        address = address.get("url")
    if not isinstance(address, str) or not pictures.is_data_uri(address):
        raise PictureError("lies elsewhere")
    return pictures.of_data_uri(address)
