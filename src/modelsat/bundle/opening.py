"""Opens bundles wherever they are: a folder on this machine, S3 or MLflow's registry."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from modelsat.bundle import bundle
from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError
from modelsat.io import mlflow_registry, storage


class ChampionReference(Protocol):
    """What names the bundle of a champion: its record, or an order that was placed at it."""

    @property
    def epoch(self) -> int:
        """Return the epoch of the champion."""

    @property
    def bundle_uri(self) -> str:
        """Return where its bundle is."""

    @property
    def bundle_digest(self) -> str:
        """Return the digest that the bundle must have."""


@contextmanager
def opened(uri: str, with_router: bool = True) -> Iterator[Bundle]:
    """Yield a bundle, fetched where it is not on this machine, and verified once.

    A router may need its files again to be written or changed, so a fetched copy is kept until the context ends.

    Args:
        uri: A folder, `s3://...`, or `models:/name@alias` and `models:/name/version` of MLflow.
        with_router: As of `bundle.read`.

    Raises:
        InputError: There is no bundle, or a file of it is missing, changed or superfluous.
        ServiceError: MLflow or S3 does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="modelsat-bundle-") as scratch:
        yield bundle.read(_fetch(uri, Path(scratch)), with_router, uri)


@contextmanager
def fetched(uri: str) -> Iterator[tuple[Path, str]]:
    """Yield the folder of a verified bundle and its digest, without reading it.

    Args:
        uri: As of `opened`.

    Raises:
        InputError: As of `opened`.
        ServiceError: As of `opened`.
    """
    with tempfile.TemporaryDirectory(prefix="modelsat-bundle-") as scratch:
        folder = _fetch(uri, Path(scratch))
        yield folder, bundle.verify(folder, uri)


@contextmanager
def opened_champion(champion: ChampionReference, with_router: bool = True) -> Iterator[Bundle]:
    """Yield the bundle of a champion.

    Raises:
        InputError: The bundle is unusable, or is not the one that was promoted.
        ServiceError: As of `opened`.
    """
    with opened(champion.bundle_uri, with_router) as loaded:
        if loaded.digest != champion.bundle_digest:
            raise InputError(
                f"bundle {champion.bundle_uri!r} has digest {loaded.digest}, the champion record of epoch "
                f"{champion.epoch} says {champion.bundle_digest}; publish the right one"
            )
        yield loaded


def _fetch(uri: str, into: Path) -> Path:
    """Bring a bundle to this machine and return its folder; one that is here already is used where it is."""
    if uri.startswith("models:/"):
        return mlflow_registry.download_bundle(uri, into)
    if storage.is_s3(uri):
        storage.fetch_folder(uri, into)
        return into
    return Path(uri.removeprefix("file://"))
