"""The router that a verb asks: one that is named, or the champion of this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from modelsat.errors import InputError

if TYPE_CHECKING:
    from modelsat.bundle.bundle import Bundle


@contextmanager
def asked_bundle(uri: str, folder: Path) -> "Iterator[Bundle]":
    """Yield a loaded router; its files are gone afterwards.

    Args:
        uri: Folder, `s3://` URI or `models:/name@alias`; empty takes the champion.
        folder: Of `modelsat run`, which holds the champion records.

    Raises:
        InputError: There is no champion yet, or the bundle is unusable.
    """
    from modelsat.bundle import champions, opening

    if uri:
        with opening.opened(uri) as loaded:
            yield loaded
    else:
        champion = champions.current(str(folder / "champions"))
        if champion is None:
            raise InputError(f"{str(folder)!r} has no champion yet; run `modelsat run`, or name a router with --bundle")
        with opening.opened_champion(champion) as loaded:
            yield loaded
