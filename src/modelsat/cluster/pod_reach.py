"""Whether pods of a run can reach and be placed as its parameters say: what a person's own machine has is not there."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from modelsat.cluster.training_plan import VOLUME
from modelsat.errors import InputError

_SHARED = (
    "collect_sources",
    "collect_kept",
    "train_work_root",
    "register_bundle_store",
    "promote_champion_store",
    "catalogue",
    "answer_scores",
    "answer_zoo",
    "answer_results",
    "answer_store",
    "ask_work_root",
    "ledger_store",
)
"""Parameters of all pipelines that name a place which several pods read or write."""
_IN_AN_IMAGE = ("train_backbone", "train_recipe")
"""Those that may name a place in the training image."""
_TOLERATION = {
    "operator": ("Exists", "Equal"),
    "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
}
_TOLERATION_FIELDS = ("key", "operator", "value", "effect", "tolerationSeconds")


def require(chosen: Mapping[str, Any]) -> None:
    """Refuse parameters of a run on a cluster that no pod could use.

    Args:
        chosen: Parameters by name, of any of the pipelines; others than those checked here are left alone.

    Raises:
        InputError: A place is neither in S3 nor on the volume, an address is none, or a toleration cannot be one; all
            faults are named at once.
    """
    found = [*_of_places(chosen), *_of_addresses(chosen), *_of_tolerations(chosen.get("train_tolerations"))]
    if found:
        raise InputError("; and ".join(found))


def _of_places(chosen: Mapping[str, Any]) -> Iterator[str]:
    for name in _SHARED:
        for place in _listed(chosen.get(name)):
            if not place.startswith("s3://") and not PurePosixPath(place).is_relative_to(VOLUME):
                yield (
                    f"{name} names {place!r}, which pods do not have: name an s3:// address or a folder below "
                    f"{VOLUME}, the volume modelsat-work"
                )
    for name in _IN_AN_IMAGE:
        for place in _listed(chosen.get(name)):
            is_path = "/" in place or place.endswith((".yaml", ".yml"))
            if is_path and not place.startswith("/"):
                yield (
                    f"{name} names {place!r}, relative to a folder that pods do not have: name it below {VOLUME}, or "
                    "where the training image has it, from / on"
                )


def _of_addresses(chosen: Mapping[str, Any]) -> Iterator[str]:
    address = chosen.get("mlflow_tracking_uri")
    if isinstance(address, str) and not address.startswith(("http://", "https://")):
        yield (
            f"mlflow_tracking_uri is {address!r}, which pods cannot reach: name a server, http:// or https://, such as "
            "http://mlflow:5000"
        )


def _of_tolerations(tolerations: Any) -> Iterator[str]:
    for one in tolerations if isinstance(tolerations, list) else ():
        unknown = sorted(set(one) - set(_TOLERATION_FIELDS)) if isinstance(one, dict) else []
        if unknown:
            yield f"train_tolerations has a field {unknown[0]!r}; a toleration has {', '.join(_TOLERATION_FIELDS)}"
            continue
        for field, known in _TOLERATION.items():
            value = one.get(field, known[0]) if isinstance(one, dict) else known[0]
            if value not in known:
                yield f"train_tolerations has the {field} {value!r}; it is one of {', '.join(known)}"


def _listed(value: Any) -> list[str]:
    places = value if isinstance(value, list) else [value]
    return [place for place in places if isinstance(place, str) and place]
