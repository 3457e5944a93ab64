"""Says that a run failed, to an incoming webhook that takes {"text": ...}, as chat systems do."""

import json
import urllib.request

from modelsat.io.redirects import open_without_redirects

_SUCCEEDED = "SUCCEEDED"
_TIMEOUT_SECONDS = 10.0


def sentence(state: str, run: str, fault: str | None) -> str:
    """Return how a run ended in one sentence; empty where there is nothing to tell.

    Args:
        state: Its state as Kubeflow calls it, such as SUCCEEDED or FAILED.
        run: Its name.
        fault: What Kubeflow says of the cause; it may say nothing.
    """
    if state == _SUCCEEDED:
        return ""
    return f"modelsat run {run} ended as {state}: {fault or 'the last line of the failed step says why'}"


def send(text: str, address: str) -> bool:
    """Print a sentence and post it; return whether the receiver accepted it. A failing receiver never fails the run.

    Args:
        text: The sentence; an empty one is not sent.
        address: Of the webhook; empty posts nothing.
    """
    if not text:
        return False
    print(text, flush=True)  # noqa: T201
    if not address.startswith(("http://", "https://")):
        return False
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(address, body, {"content-type": "application/json"})  # noqa: S310
    try:
        with open_without_redirects(request, _TIMEOUT_SECONDS) as reply:
            return bool(200 <= reply.status < 300)
    except (OSError, ValueError) as error:
        # The address is a secret, and an error's text may hold it.
        print(f"the notification was not taken ({type(error).__name__})", flush=True)  # noqa: T201
        return False
