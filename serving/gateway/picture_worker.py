"""Reads text in pictures in a process of its own: `python -m serving.gateway.picture_worker`.

Pictures are strangers' files and decoders are native code: a crash, or a picture that takes forever, costs this process
and not the gateway. Once its models are loaded it writes `READY`. Each request is four bytes of length, the most
significant first, and the picture; each answer likewise a text in UTF-8, or the length `UNREADABLE`. It ends with its
standard input.
"""

import os
import sys
from typing import BinaryIO

from modelsat.text import pictures
from modelsat.text.picture_text import TextReader
from modelsat.text.pictures import PictureError

READY = b"ready"
LENGTH = 4
UNREADABLE = 2**32 - 1
_NICENESS = 5
"""Gateway and endpoint come first."""


def main() -> None:
    """Answer until the input ends."""
    # What native libraries print must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.nice(_NICENESS)
    reader = TextReader()
    reader.load()
    answers.write(READY)
    answers.flush()
    serve(sys.stdin.buffer, answers, reader)


def serve(requests: BinaryIO, answers: BinaryIO, reader: TextReader) -> None:
    """Answer each request with the text in its picture."""
    while len(head := requests.read(LENGTH)) == LENGTH:
        content = requests.read(int.from_bytes(head, "big"))
        try:
            text = reader(pictures.of(content)).encode("utf-8", "replace")
            answers.write(len(text).to_bytes(LENGTH, "big") + text)
        except PictureError:
            answers.write(UNREADABLE.to_bytes(LENGTH, "big"))
        answers.flush()


if __name__ == "__main__":
    main()
