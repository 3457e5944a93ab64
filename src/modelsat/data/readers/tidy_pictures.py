"""Pictures of tidy prompts: a column `image` with a path beside the table, or with the picture itself as a data URI.

Nothing is fetched: a web address is refused, and so is a path that leads out of the table's folder.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelsat.data.readers.harvest import ReadingLog
from modelsat.data.readers.table_files import TableSheet
from modelsat.data.remarks import Remark
from modelsat.text import picture_text, pictures
from modelsat.text.picture_text import TextReader
from modelsat.text.pictures import Picture, PictureError
from modelsat.text.rendering import digest

COLUMN = "image"


@dataclass(frozen=True)
class PromptPictures:
    """The pictures of one prompt.

    Attributes:
        image: Digest of all of them.
        image_text: Text in them; None where none can be read here.
    """

    image: str
    image_text: str | None


@dataclass
class PictureColumn:
    """Reads the cells of one table's column; the same picture is read once.

    Attributes:
        sheet: The table.
        log: Receives a remark where text cannot be read here.
        reader: Reads text in pictures; None where that is not installed.
    """

    sheet: TableSheet
    log: ReadingLog
    reader: TextReader | None = field(default_factory=lambda: TextReader(0) if picture_text.is_installed() else None)
    _read: dict[str, str] = field(default_factory=dict)

    def pictures_of(self, cell: object) -> PromptPictures | None:
        """Return what a cell holds: one path or data URI, or a list of them; None for an empty one.

        Raises:
            PictureError: A picture is absent, cannot be used, or would have to be fetched.
        """
        places = _places(cell)
        if not places:
            return None
        found = [self._opened(place) for place in places]
        image = found[0].digest if len(found) == 1 else digest("\n".join(one.digest for one in found))
        if self.reader is None:
            self.log.note(
                Remark.PICTURES_NOT_READ,
                f"the pictures of {self.sheet.file.uri!r} are known as such, but text in them is not read; "
                f"{picture_text.REMEDY}",
            )
            return PromptPictures(image, None)
        texts = [self._text(one, self.reader) for one in found[: pictures.MOST_IN_A_PROMPT]]
        return PromptPictures(image, picture_text.bounded(texts))

    def _opened(self, place: str) -> Picture:
        if pictures.is_data_uri(place):
            return pictures.of_data_uri(place)
        if "://" in place:
            raise PictureError("is at an address, and nothing is fetched; put the file beside the table")
        folder = self.sheet.file.path.parent.resolve()
        path = (folder / place).resolve()
        if Path(place).is_absolute() or not path.is_relative_to(folder):
            raise PictureError("is not below the table's folder; write a path relative to the table")
        if not path.is_file():
            raise PictureError("does not exist beside the table; write a path relative to the table")
        with path.open("rb") as file:
            return pictures.of(file.read(pictures.MOST_BYTES + 1))

    def _text(self, picture: Picture, reader: TextReader) -> str:
        if picture.digest not in self._read:
            self._read[picture.digest] = reader(picture)
        return self._read[picture.digest]


def _places(cell: object) -> list[str]:
    if isinstance(cell, Mapping):
        raise PictureError("is nested; write a path or a data URI, or a list of them")
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
        except ValueError:
            raise PictureError("is no list in JSON; write a path or a data URI, or a list of them") from None
    several = cell if isinstance(cell, list | tuple) else [cell]
    if not all(one is None or one != one or isinstance(one, str) for one in several):
        raise PictureError("is no text; write a path or a data URI, or a list of them")
    return [one.strip() for one in several if isinstance(one, str) and one.strip()]
