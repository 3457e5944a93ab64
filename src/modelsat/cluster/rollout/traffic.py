"""How champion and challenger share the traffic: decided once, when a promotion begins, and kept with it."""

from enum import StrEnum

KNATIVE_MODES = ("Knative", "Serverless")
STANDARD = "Standard"


class TrafficWay(StrEnum):
    """What a promotion writes into the InferenceService to give the challenger its share."""

    KNATIVE = "canaryTrafficPercent"
    """Knative splits between two revisions; KServe ignores the field in every other mode."""

    CANARY = "spec.canary"
    """KServe 0.20 and newer start a second Deployment beside; from 0.21 on the Gateway API sends it its share."""

    ROLLING = "rolling update"
    """The challenger takes over pod by pod: nothing can be split."""


def way(mode: str, knows_canary: bool) -> TrafficWay:
    """Return how traffic is shared.

    Args:
        mode: KServe's deployment mode of the service; empty where it says none.
        knows_canary: Whether the API server takes `spec.canary` on this service.
    """
    if mode in KNATIVE_MODES:
        return TrafficWay.KNATIVE
    return TrafficWay.CANARY if knows_canary and mode == STANDARD else TrafficWay.ROLLING
