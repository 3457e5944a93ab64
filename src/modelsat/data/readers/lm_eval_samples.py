"""Rows of lm-evaluation-harness samples files, one by one, so that a damaged row costs no other.

A samples file is true JSON lines since 0.4.3 and one JSON array before, both named `.jsonl`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelsat.data.readers.lm_eval_requests import is_unanswered, items, read_requests

_GAP = re.compile(r"[\s,]*")
_DEEPEST = 100
_CUT = "it is not whole JSON, as when a disk was full or a copy broke off; copy the file or run the task again"
_AGAIN = "copy the file again from where the harness wrote it"
_ENCODING = "it is not UTF-8; copy the file again without changing its encoding"


class UnusableError(ValueError):
    """A row or file cannot be taken over; `field` and `value` say what in it is at fault."""

    def __init__(self, reason: str, field: str | None = None, value: object = None) -> None:
        super().__init__(reason)
        self.field = field
        self.value = value


@dataclass(frozen=True)
class SampleRow:
    """One row as written, with its line number from 1, or the fault that makes it unreadable."""

    line: int
    content: dict[str, object]
    fault: UnusableError | None = None


def parse(text: str) -> dict[str, object]:
    """Return the JSON object in `text`.

    Raises:
        UnusableError: It is not JSON, not an object, names a key twice, or holds characters that UTF-8 cannot carry.
    """
    decoder = _Decoder()
    try:
        value = decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise UnusableError(_CUT, None, text[:80]) from error
    return _checked(value, decoder, text)


def read_rows(path: Path) -> Iterator[SampleRow]:
    """Yield the rows of a samples file in their order; reading goes on after a bad line."""
    with path.open("rb") as file:
        is_array = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    yield from _array_rows(path) if is_array else _line_rows(path)


def with_filters(found: Sequence[SampleRow], filters: Sequence[str]) -> Iterator[tuple[str | None, SampleRow]]:
    """Yield rows with their filters, None where that cannot be told.

    Before 0.4.7 rows do not name their filter: a document's first row is of the first filter, and so on, unless a
    damaged row may have been one of them.
    """
    intact = [row for row in found if not row.fault]
    are_named = any("filter" in row.content for row in intact)
    counts = Counter(repr(row.content.get("doc_id")) for row in intact)
    seen: Counter[str] = Counter()
    is_damaged = False
    for row in found:
        name, document = row.content.get("filter"), repr(row.content.get("doc_id"))
        is_damaged = is_damaged or row.fault is not None
        if row.fault or isinstance(name, str):
            yield (name if isinstance(name, str) else None), row
        elif len(filters) == 1:
            yield filters[0], row
        else:
            is_certain = seen[document] < len(filters) and (not is_damaged or counts[document] == len(filters))
            yield (filters[seen[document]] if is_certain and not are_named else None), row
            seen[document] += 1


def _line_rows(path: Path) -> Iterator[SampleRow]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            raw = line.removeprefix(b"\xef\xbb\xbf").strip()
            if not raw:
                continue
            try:
                yield SampleRow(number, _slim(parse(raw.decode("utf-8"))))
            except UnicodeDecodeError as error:
                yield SampleRow(
                    number, {}, UnusableError(_ENCODING, None, raw[max(0, error.start - 20) : error.end + 20])
                )
            except UnusableError as fault:
                yield SampleRow(number, {}, fault)


def _array_rows(path: Path) -> Iterator[SampleRow]:
    # Bytes that are not UTF-8 become lone surrogates, which `_checked` refuses row by row.
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    end, line, counted = text.index("[") + 1, 1, 0
    while True:
        gap = _GAP.match(text, end)
        at = gap.end() if gap else end
        line, counted = line + text.count("\n", counted, at), at
        if text[at : at + 1] == "]":
            return
        decoder = _Decoder()
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield SampleRow(line, {}, UnusableError(_CUT, None, text[at : at + 80]))
            return
        try:
            yield SampleRow(line, _slim(_checked(value, decoder, text[at:end])))
        except UnusableError as fault:
            yield SampleRow(line, {}, fault)


class _Decoder(json.JSONDecoder):
    """Decoder that remembers keys named twice in one object, of which Python would silently keep the last."""

    def __init__(self) -> None:
        self.doubled: list[str] = []
        super().__init__(object_pairs_hook=self._object)

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        value = dict(pairs)
        if len(value) < len(pairs):
            names = [name for name, _ in pairs]
            self.doubled += [name for name in value if names.count(name) > 1]
        return value


def _checked(value: object, decoder: _Decoder, text: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UnusableError(f"it is not a JSON object; {_AGAIN}", None, text[:80])
    if text.count("[") + text.count("{") > _DEEPEST and _is_deep(value):
        raise UnusableError(f"it is nested more than {_DEEPEST} levels deep; {_AGAIN}", None, text[:80])
    try:
        text.encode("utf-8")
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnusableError(_ENCODING) from error
    if decoder.doubled:
        name = decoder.doubled[0]
        raise UnusableError(f"the key {name!r} stands twice in one object; keep the right one", name, text[:80])
    return value


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [item for node in level for item in items(node)]
    return bool(level)


def _slim(content: dict[str, object]) -> dict[str, object]:
    """Keep of the requests what was asked and of the answers whether there are any: they are most of a file."""
    resps = content.pop("resps", None)
    content.pop("filtered_resps", None)
    content["arguments"] = read_requests(content.get("arguments"))
    content["resps"] = resps is not None and is_unanswered(resps)
    return content
