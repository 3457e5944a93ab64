"""The notify step: how a run ended in; one sentence out, posted where somebody reads it."""

import os

from modelsat.io import notification

ADDRESS = "MODELSAT_NOTIFY_URL"


def run(state: str, name: str, fault: str | None) -> str:
    """Post one sentence on a run that did not succeed to the address in `MODELSAT_NOTIFY_URL`.

    Args:
        state: How it ended, as Kubeflow calls it.
        name: Of the run.
        fault: What Kubeflow says of the cause; it may say nothing.

    Returns:
        The sentence; empty for a run that succeeded.
    """
    sentence = notification.sentence(state, name, fault)
    notification.send(sentence, os.environ.get(ADDRESS, ""))
    return sentence
