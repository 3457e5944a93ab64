"""An InferenceService as a promotion reads and changes it: dictionaries in, dictionaries out.

What is served is the predictor's argument `--bundle URI`; with `--champions STORE` instead, the endpoint follows the
records by itself. The promotion under way stands in an annotation, beside the spec that it is about, so that one
replacement changes both or neither.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from modelsat.cluster.rollout.plan import Rollout
from modelsat.errors import InputError

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
ROLLOUT = "modelsat.dev/rollout"
EPOCH = "modelsat.dev/epoch"
LAST_ROLLBACK = "modelsat.dev/last-rollback"
MODE = "serving.kserve.io/deploymentMode"
_SPLITTING = {"Knative", "Serverless"}
_PERCENT = "canaryTrafficPercent"


def splits(service: Mapping[str, Any]) -> bool:
    """Say whether its deployment mode honours `canaryTrafficPercent`; KServe ignores it in every other mode."""
    named = _annotations(service).get(MODE) or service.get("status", {}).get("deploymentMode", "")
    return named in _SPLITTING


def arguments(service: Mapping[str, Any]) -> list[str]:
    """Return the predictor's own arguments.

    Raises:
        InputError: The predictor is no `model`, so that this is not an endpoint of ours.
    """
    try:
        return list(service["spec"]["predictor"]["model"].get("args", []))
    except (KeyError, TypeError, AttributeError) as error:
        name = service.get("metadata", {}).get("name", "?")
        raise InputError(
            f"InferenceService {name!r} has no spec.predictor.model; apply the one of infra/base or name another"
        ) from error


def bundle(service: Mapping[str, Any]) -> str:
    """Return the bundle that the predictor's arguments name; empty if it follows the champion records."""
    words = arguments(service)
    return words[words.index("--bundle") + 1] if "--bundle" in words[:-1] else ""


def serving(words: list[str], uri: str) -> list[str]:
    """Return the predictor's arguments with another bundle to serve; all others stay."""
    kept, skip = [], False
    for word in words:
        if skip or word in ("--bundle", "--champions"):
            skip = not skip
            continue
        kept.append(word)
    return ["--bundle", uri, *kept]


def ready(service: Mapping[str, Any], rollout: Rollout | None) -> bool:
    """Return whether the current spec is ready, not only the spec before the rollout's last change."""
    status = service.get("status", {})
    conditions = {one.get("type"): one.get("status") for one in status.get("conditions", [])}
    if not splits(service):
        transition = status.get("modelStatus", {}).get("transitionStatus", "UpToDate")
        return conditions.get("Ready") == "True" and transition == "UpToDate"
    predictor = status.get("components", {}).get("predictor", {})
    newest = predictor.get("latestCreatedRevision", "")
    if not newest or newest != predictor.get("latestReadyRevision"):
        return False
    return rollout is None or newest != rollout.revision


def newest_revision(service: Mapping[str, Any]) -> str:
    """Return the name of the newest revision; empty in modes without revisions."""
    return str(service.get("status", {}).get("components", {}).get("predictor", {}).get("latestCreatedRevision", ""))


def addresses(service: Mapping[str, Any]) -> tuple[str, str]:
    """Return the addresses of champion and challenger; an empty one has no address of its own.

    A split service is asked through Knative's tags `prev` and `latest`, which KServe makes where the annotation
    `serving.kserve.io/enable-tag-routing` says so; any other has one address for all.
    """
    if not splits(service):
        return "", address(service)
    traffic = service.get("status", {}).get("components", {}).get("predictor", {}).get("traffic", [])
    tagged = {one.get("tag"): str(one.get("url", "")) for one in traffic}
    return tagged.get("prev", ""), tagged.get("latest", "")


def address(service: Mapping[str, Any]) -> str:
    """Return the address for clients; empty while there is none."""
    status = service.get("status", {})
    return str(status.get("address", {}).get("url") or status.get("url") or "")


def rollout(service: Mapping[str, Any]) -> Rollout | None:
    """Return the promotion under way.

    Raises:
        InputError: The annotation is damaged.
    """
    text = _annotations(service).get(ROLLOUT)
    if not text:
        return None
    try:
        stored = json.loads(text)
        return Rollout(**stored | {"before": tuple(stored.get("before", ()))})
    except (ValueError, TypeError) as error:
        raise InputError(
            f"annotation {ROLLOUT!r} is damaged ({error}); remove it, and the reconciler brings back the champion"
        ) from error


def last_rollback(service: Mapping[str, Any]) -> tuple[str, str]:
    """Return the run whose promotion was last taken back, and why; empty where none was."""
    try:
        stored = json.loads(_annotations(service).get(LAST_ROLLBACK, ""))
        return str(stored["run_id"]), str(stored["fault"])
    except (ValueError, TypeError, KeyError):
        return "", ""


def epoch(service: Mapping[str, Any]) -> int:
    """Return the epoch of the champion that alias and endpoint were last brought to; 0 for none."""
    text = _annotations(service).get(EPOCH, "")
    return int(text) if text.isdigit() else 0


def changed(
    service: Mapping[str, Any],
    rollout: Rollout | None,
    words: list[str] | None = None,
    percent: int | None = None,
    notes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the InferenceService as it is to be replaced; its resourceVersion stays and guards the replacement.

    Args:
        service: As read.
        rollout: Promotion under way from now on.
        words: Predictor's arguments; None leaves them.
        percent: Challenger's share; None gives all traffic to the newest ready revision.
        notes: Annotations to set as well.
    """
    new = copy.deepcopy(dict(service))
    # The status belongs to the controller, and a replacement through the main resource ignores it.
    new.pop("status", None)
    annotations = new["metadata"].setdefault("annotations", {})
    annotations.pop(ROLLOUT, None)
    if rollout is not None:
        annotations[ROLLOUT] = json.dumps(asdict(rollout), sort_keys=True)
    annotations |= notes or {}
    predictor = new["spec"]["predictor"]
    if words is not None:
        predictor["model"]["args"] = words
    predictor.pop(_PERCENT, None)
    if percent is not None and splits(service):
        predictor[_PERCENT] = percent
    return new


def percent(service: Mapping[str, Any]) -> int | None:
    """Return the challenger's share that the spec asks for; None where it asks for no split."""
    share = service.get("spec", {}).get("predictor", {}).get(_PERCENT)
    return None if share is None else int(share)


def _annotations(service: Mapping[str, Any]) -> dict[str, str]:
    return service.get("metadata", {}).get("annotations") or {}
