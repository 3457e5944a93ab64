"""The text in pictures, read by a packaged OCR model on this machine (the extra `images`).

Pillow opens a picture within bounds of bytes and pixels; RapidOCR finds and reads its lines. Its models travel in its
wheel (PP-OCRv6 small, Apache-2.0), so nothing is downloaded.
"""

import importlib.util
import io
import warnings
from functools import cached_property
from typing import Any

from modelsat.text.pictures import FORMATS, Picture, PictureError

MOST_PIXELS = 40_000_000
"""A file of a few kilobytes can unpack to gigabytes; a picture of more pixels is refused before it is unpacked."""
_TOO_MANY = f"has more than {MOST_PIXELS:,} pixels, which is the most that are read"
MOST_CHARACTERS = 2_000
"""Of the text of all pictures of a prompt."""
_SIDE = 960
"""Pixels of the longer side at which lines are looked for; they are read at the picture's own size, up to `_DRAWN`."""
_DRAWN = 2_000
REMEDY = "install modelsat[images] to read text in pictures"


def is_installed() -> bool:
    """Say whether text in pictures can be read here."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime", "PIL"))


class TextReader:
    """Reads text in pictures, one at a time.

    Args:
        threads: CPU threads of the model.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads

    def __call__(self, picture: Picture) -> str:
        """Return the lines of text in a picture, from top to bottom, joined by spaces; empty where there are none.

        Raises:
            PictureError: It has too many pixels, or is damaged.
        """
        found = self._model(_opened(picture))
        return bounded([str(line) for line in found.txts or ()])

    def load(self) -> None:
        """Load the models now, which takes a second, and not with the first picture."""
        _ = self._model

    @cached_property
    def _model(self) -> Any:
        from rapidocr import RapidOCR

        return RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,  # text that stands on its head
                "Global.max_side_len": _DRAWN,
                "Det.limit_type": "max",
                "Det.limit_side_len": _SIDE,
                "EngineConfig.onnxruntime.intra_op_num_threads": self._threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )


def bounded(texts: list[str]) -> str:
    """Return texts in one line of at most `MOST_CHARACTERS`."""
    return " ".join(" ".join(texts).split())[:MOST_CHARACTERS].strip()


def _opened(picture: Picture) -> Any:
    """Return the pixels of a picture, blue before red as OpenCV has them, (height, width, 3)."""
    import numpy as np
    from PIL import Image

    try:
        # Pillow warns of pictures that are larger than it likes; ours is the bound that counts.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(picture.content), formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise PictureError(_TOO_MANY)
                image.draft("RGB", (_DRAWN, _DRAWN))
                image.thumbnail((_DRAWN, _DRAWN))
                whole = image.convert("RGBA")
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(_TOO_MANY) from None
    except (OSError, ValueError, SyntaxError, EOFError):
        raise PictureError("is damaged and cannot be opened") from None
    # What is transparent is white, as where pictures are shown.
    white = Image.new("RGBA", whole.size, "white")
    drawn = Image.alpha_composite(white, whole).convert("RGB")
    return np.ascontiguousarray(np.asarray(drawn)[:, :, ::-1])
