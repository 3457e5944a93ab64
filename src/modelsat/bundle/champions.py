"""Who is champion: one record per epoch, created only if absent, in a folder or an S3 prefix.

MLflow's alias has no compare-and-set, so it only mirrors this record; endpoints watch the records and follow.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime

from modelsat.bundle import champion_records, relative_address
from modelsat.bundle.champion_records import FIRST, Champion
from modelsat.errors import ConflictError, InputError
from modelsat.io import storage

__all__ = [
    "Champion",
    "all_of",
    "current",
    "latest",
    "missing",
    "of_epoch",
    "of_run",
    "page",
    "promote",
    "require_not_behind",
    "required",
]
_WIDTH = 6
_NAME = re.compile(rf"[0-9]{{{_WIDTH}}}\.json")


def current(store: str) -> Champion | None:
    """Return the champion of the newest epoch, or None before the first promotion.

    Raises:
        InputError: The newest record is damaged, not signed though a key is set, or does not follow the one before.
    """
    records = _records(store)
    return _linked(store, records) if records else None


def required(store: str) -> Champion:
    """Return the champion of the newest epoch.

    Raises:
        InputError: There is none yet, or its record is unusable as of `current`.
    """
    champion = current(store)
    if champion is None:
        raise InputError(f"{store!r} has no champion yet; train a first router with `modelsat run`")
    return champion


def of_epoch(store: str, epoch: int) -> Champion:
    """Return the champion of an epoch.

    Raises:
        InputError: There is no such epoch, or its record is damaged.
    """
    name = _uri("", epoch).lstrip("/")
    if name not in _records(store):
        raise InputError(f"{store!r} has no champion of epoch {epoch}; name one of its records")
    return _read(store, name)


def promote(
    store: str, bundle_uri: str, bundle_digest: str, model: str, run_id: str, verdict: str, against_epoch: int
) -> Champion:
    """Create the next epoch's record.

    Args:
        store: Folder or `s3://` prefix of the records.
        bundle_uri: Where the bundle lies.
        bundle_digest: Its digest.
        model: Registered name and version.
        run_id: Of the run that promotes; a second call with the same id returns the first one's record.
        verdict: The gate's outcome.
        against_epoch: Epoch of the champion that the gate compared with, 0 for none.

    Raises:
        ConflictError: Another run promoted since the comparison.
    """
    mine = of_run(store, run_id, against_epoch)
    if mine is not None:
        return mine
    latest = current(store)
    epoch = latest.epoch if latest is not None else 0
    if epoch != against_epoch:
        raise ConflictError(
            f"epoch {epoch} in {store!r} was promoted after this run compared with epoch {against_epoch}; "
            "run the pipeline again to compare with the new champion"
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    previous = champion_records.digest(storage.read(_uri(store, epoch))) if epoch else FIRST
    address = relative_address.written(bundle_uri, store)
    champion = champion_records.signed(
        Champion(epoch + 1, address, bundle_digest, model, run_id, verdict, now, previous)
    )
    try:
        storage.create(_uri(store, champion.epoch), champion_records.encode(champion))
    except ConflictError:
        # The answer to our own write may have been lost, and its repetition refused.
        mine = of_run(store, run_id, against_epoch)
        if mine is None:
            raise
        return mine
    return _resolved(champion, store)


def all_of(store: str) -> list[Champion]:
    """Return the champions of all epochs, the newest last.

    Raises:
        InputError: A record is damaged, or not signed though a key is set.
    """
    return [_read(store, name) for name in _records(store)]


def latest(store: str, most: int) -> list[Champion]:
    """Return the champions of the newest epochs, at most so many, the newest first.

    Raises:
        InputError: One of their records is damaged, or not signed though a key is set.
    """
    return [_read(store, name) for name in reversed(_records(store)[-most:])]


def of_run(store: str, run_id: str, after_epoch: int) -> Champion | None:
    """Return what a run promoted after the epoch that it compared with; None where it did not.

    Raises:
        InputError: A record after that epoch is damaged.
    """
    for name in _records(store):
        if int(name[:_WIDTH]) > after_epoch:
            champion = _read(store, name)
            if champion.run_id == run_id:
                return champion
    return None


def missing(store: str) -> list[int]:
    """Return the epochs between the oldest and the newest record that have none."""
    epochs = [int(name[:_WIDTH]) for name in _records(store)]
    return sorted({*range(epochs[0], epochs[-1])} - {*epochs}) if epochs else []


def require_not_behind(store: str, champion: Champion | None, epoch: int, where: str) -> None:
    """Refuse records that end before an epoch that was already followed: going back is a promotion of its own.

    Args:
        store: Of the records, for the sentence.
        champion: By the newest record.
        epoch: Which epoch was followed, 0 for none.
        where: What followed it.

    Raises:
        InputError: The newest record is older than that.
    """
    newest = champion.epoch if champion is not None else 0
    if newest < epoch:
        raise InputError(
            f"{where} has followed epoch {epoch}, but the newest champion record in {store!r} is that of epoch "
            f"{newest}: a record was deleted; restore it, or run `modelsat rollback`, which records a new epoch"
        )


def _linked(store: str, records: list[str]) -> Champion:
    """Read the newest record and check that it follows the one before it."""
    newest, uri = _read(store, records[-1]), storage.join(store, records[-1])
    if newest.previous is None:
        chained = next((name for name in records[:-1] if _read(store, name).is_chained), None)
        if chained is not None:
            raise InputError(
                f"champion record {uri!r} does not name the record before it, though {chained!r} does; do not trust it "
                "before you know who wrote it"
            )
        return newest
    before = f"{newest.epoch - 1:0{_WIDTH}d}.json"
    # A record that was tidied away endangers nothing; `missing` reports it.
    if before in records and champion_records.digest(storage.read(storage.join(store, before))) != newest.previous:
        raise InputError(
            f"champion record {uri!r} follows another record than {before!r}; one of them was replaced: restore it, "
            "and do not trust it before you know who wrote it"
        )
    return newest


def _records(store: str) -> list[str]:
    return [name for name in storage.names(store) if _NAME.fullmatch(name)]


def _uri(store: str, epoch: int) -> str:
    return storage.join(store, f"{epoch:0{_WIDTH}d}.json")


def page(champion: Champion) -> str:
    """Return Markdown that says who is champion."""
    return (
        f"**Epoch {champion.epoch}: {champion.model}** ({champion.verdict}), promoted at {champion.promoted_at}\n\n"
        f"- bundle `{champion.bundle_uri}`\n- run `{champion.run_id}`\n"
    )


def _read(store: str, name: str) -> Champion:
    uri = storage.join(store, name)
    return _resolved(champion_records.decode(storage.read(uri), uri, int(name[:_WIDTH])), store)


def _resolved(champion: Champion, store: str) -> Champion:
    return replace(champion, bundle_uri=relative_address.resolved(champion.bundle_uri, store))
