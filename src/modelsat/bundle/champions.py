"""Who is champion: one record per epoch, created only if absent, in a folder or an S3 prefix.

MLflow's alias has no compare-and-set, so it only mirrors this record; endpoints watch the records and follow.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from modelsat.errors import ConflictError, InputError
from modelsat.io import storage

_WIDTH = 6


@dataclass(frozen=True)
class Champion:
    """One promotion.

    Attributes:
        epoch: 1 for the first promotion ever, then one more each time.
        bundle_uri: Where the bundle lies, named by its digest.
        bundle_digest: What a loader must find there.
        model: Registered name and version, such as `modelsat-router/3`.
        run_id: Which run promoted it; the key that makes promotion idempotent.
        verdict: The gate's outcome: promoted, or do not route for a constant bundle.
        promoted_at: UTC time in ISO 8601.
    """

    epoch: int
    bundle_uri: str
    bundle_digest: str
    model: str
    run_id: str
    verdict: str
    promoted_at: str


def current(store: str) -> Champion | None:
    """Return the champion of the newest epoch, or None before the first promotion.

    Raises:
        InputError: The newest record is damaged.
    """
    records = _records(store)
    return _read(store, records[-1]) if records else None


def required(store: str) -> Champion:
    """Return the champion of the newest epoch.

    Raises:
        InputError: There is none yet, or its record is damaged.
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
    champion = Champion(epoch + 1, bundle_uri, bundle_digest, model, run_id, verdict, now)
    try:
        storage.create(_uri(store, champion.epoch), json.dumps(asdict(champion), indent=2).encode())
    except ConflictError:
        # The answer to our own write may have been lost, and its repetition refused.
        mine = of_run(store, run_id, against_epoch)
        if mine is None:
            raise
        return mine
    return champion


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


def _records(store: str) -> list[str]:
    return [name for name in storage.names(store) if name.endswith(".json") and name[:_WIDTH].isdigit()]


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
    try:
        return Champion(**json.loads(storage.read(uri)))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"champion record {uri!r} is damaged ({error}); restore it from the registry's tags"
        ) from error
