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
from modelsat.cluster.rollout.traffic import TrafficWay, way
from modelsat.errors import InputError

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
ROLLOUT = "modelsat.dev/rollout"
EPOCH = "modelsat.dev/epoch"
LAST_ROLLBACK = "modelsat.dev/last-rollback"
MODE = "serving.kserve.io/deploymentMode"
CHALLENGER = "challenger"
"""Name of the challenger's predictor in `spec.canary`, and so of its pods and its address."""
_PERCENT = "canaryTrafficPercent"
# A canary has a fixed number of pods, which KServe works out; its webhook refuses these fields.
_OF_STABLE = (_PERCENT, "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "autoScaling", "workerSpec")


def deployment_mode(service: Mapping[str, Any]) -> str:
    """Return KServe's deployment mode; empty where the service says none."""
    return str(_annotations(service).get(MODE) or service.get("status", {}).get("deploymentMode", ""))


def traffic_way(service: Mapping[str, Any], rollout: Rollout | None = None) -> TrafficWay:
    """Return how traffic is shared: as a promotion began, or without one as the deployment mode alone allows."""
    if rollout is not None and rollout.way:
        return TrafficWay(rollout.way)
    return way(deployment_mode(service), knows_canary=False)


def splits(service: Mapping[str, Any], rollout: Rollout | None = None) -> bool:
    """Say whether champion and challenger get shares of the traffic."""
    return traffic_way(service, rollout) is not TrafficWay.ROLLING


def has_challenger(service: Mapping[str, Any]) -> bool:
    """Say whether a challenger stands in `spec.canary`; an API server that does not know the field drops it."""
    return _challenger(service.get("spec", {}).get("canary")) is not None


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
    if traffic_way(service, rollout) is not TrafficWay.KNATIVE:
        conditions = {one.get("type"): one.get("status") for one in status.get("conditions", [])}
        transition = status.get("modelStatus", {}).get("transitionStatus", "UpToDate")
        return conditions.get("Ready") == "True" and transition == "UpToDate" and _beside(service, rollout)
    predictor = status.get("components", {}).get("predictor", {})
    newest = predictor.get("latestCreatedRevision", "")
    if not newest or newest != predictor.get("latestReadyRevision"):
        return False
    return rollout is None or newest != rollout.revision


def _beside(service: Mapping[str, Any], rollout: Rollout | None) -> bool:
    """Return whether the challenger beside the champion is ready at its present share, where there is to be one."""
    if rollout is None or rollout.fault or rollout.percent >= 100 or rollout.way != TrafficWay.CANARY:
        return True
    reported = service["status"].get("canaryStatuses") or ()
    shares = {one.get("name"): one.get("trafficPercent") for one in reported if one.get("ready")}
    return shares.get(CHALLENGER) == rollout.percent


def newest_revision(service: Mapping[str, Any]) -> str:
    """Return the name of the newest revision; empty in modes without revisions."""
    return str(service.get("status", {}).get("components", {}).get("predictor", {}).get("latestCreatedRevision", ""))


def addresses(service: Mapping[str, Any], rollout: Rollout | None = None) -> tuple[str, str]:
    """Return the addresses of champion and challenger; an empty one has no address of its own.

    A service that Knative splits is asked through its tags `prev` and `latest`, which KServe makes where the annotation
    `serving.kserve.io/enable-tag-routing` says so; a challenger in `spec.canary` has a Service of its own; any other
    has one address for all.
    """
    how = traffic_way(service, rollout)
    if how is TrafficWay.CANARY and rollout is not None and rollout.percent < 100:
        meta = service["metadata"]
        own = ".".join((f"{meta['name']}-{CHALLENGER}-predictor", meta.get("namespace", ""), "svc"))
        return address(service), f"http://{own}"
    if how is not TrafficWay.KNATIVE:
        return "", address(service)
    traffic = service.get("status", {}).get("components", {}).get("predictor", {}).get("traffic", [])
    tagged = {one.get("tag"): str(one.get("url", "")) for one in traffic}
    return tagged.get("prev", ""), tagged.get("latest", "")


def split_address(service: Mapping[str, Any], rollout: Rollout) -> str:
    """Return the address at which clients meet both versions; empty while there is none."""
    if traffic_way(service, rollout) is TrafficWay.CANARY:
        # The address within the cluster is the champion's Service; the ingress alone has weights.
        return str(service.get("status", {}).get("url") or "")
    return address(service)


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
        percent: Challenger's share; None gives all traffic to the newest ready revision, or to the predictor alone.
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
    if _challenger(new["spec"].get("canary")) is not None:
        del new["spec"]["canary"]
    how = traffic_way(service, rollout)
    if percent is not None and how is TrafficWay.KNATIVE:
        predictor[_PERCENT] = percent
    if percent is not None and how is TrafficWay.CANARY and rollout is not None:
        new["spec"]["canary"] = [{"predictor": _beside_champion(predictor, rollout), "trafficPercent": percent}]
    return new


def _beside_champion(predictor: Mapping[str, Any], rollout: Rollout) -> dict[str, Any]:
    """Return the challenger's predictor: the champion's with another bundle, a name and no scaling."""
    new = {key: copy.deepcopy(value) for key, value in predictor.items() if key not in _OF_STABLE}
    new["name"] = CHALLENGER
    # The definition of KServe 0.20 wants a container's name here, which it does not want of the champion.
    new["model"].setdefault("name", "kserve-container")
    new["model"]["args"] = serving(list(new["model"].get("args", [])), rollout.bundle_uri)
    return new


def _challenger(canaries: Any) -> Mapping[str, Any] | None:
    found = [one for one in canaries or () if one.get("predictor", {}).get("name") == CHALLENGER]
    return found[0] if found else None


def percent(service: Mapping[str, Any]) -> int | None:
    """Return the challenger's share that the spec asks for; None where it asks for no split."""
    spec = service.get("spec", {})
    beside = _challenger(spec.get("canary"))
    share = spec.get("predictor", {}).get(_PERCENT) if beside is None else beside.get("trafficPercent")
    return None if share is None else int(share)


def _annotations(service: Mapping[str, Any]) -> dict[str, str]:
    return service.get("metadata", {}).get("annotations") or {}
