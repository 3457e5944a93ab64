"""Compressed request bodies, read within a bound: a few bytes can stand for gigabytes."""

import zlib

from serving.refusal import Refused

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def decompressed(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """Return a body as it was before `Content-Encoding`.

    Args:
        body: As received.
        encoding: `gzip`, `deflate`, or `identity`; in any case.
        most_bytes: Of the result.

    Raises:
        Refused: The encoding is unknown (415), the body is damaged (400) or the result too long (413).
    """
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in _WINDOWS:
        raise Refused(415, f"content-encoding {encoding[:40]!r} is unknown; send gzip, deflate or none")
    try:
        stream = zlib.decompressobj(_WINDOWS[coding])
        read = stream.decompress(body, most_bytes + 1)
    except zlib.error:
        raise Refused(400, f"the body is not valid {coding}; correct it, or leave content-encoding out") from None
    if len(read) > most_bytes:
        raise Refused(413, f"the decompressed body has more than {most_bytes / 2**20:g} MiB; send less at once")
    if not stream.eof:
        raise Refused(400, f"the {coding} body is cut off; send it again")
    return read
