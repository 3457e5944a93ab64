"""Whether Kubeflow Pipelines answers at an address, lets this login in and is new enough.

This is asked before anything is sent. Its own client reads a login page as an empty answer, and tries a server that is
away again for minutes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from modelsat.errors import InputError, ModelsatError, ServiceError

OLDEST = (2, 16)
"""Version of the Kubeflow distribution whose parser knows every field of our pipelines (tests/pipelines)."""
_HEALTH = "/apis/v2beta1/healthz"
_SECONDS = 10.0
_SAID = 200
_LOGINS = "MODELSAT_KFP_TOKEN_FILE (in the cluster) or MODELSAT_KFP_COOKIE (from a browser that is logged in)"


@dataclass(frozen=True)
class ServerAnswer:
    """What an address answered.

    Attributes:
        status: HTTP status.
        content_type: Lower case, without parameters.
        location: Where a redirect leads; empty elsewhere.
        body: As text.
    """

    status: int
    content_type: str = ""
    location: str = ""
    body: str = ""


def require(host: str, headers: Mapping[str, str], ca_file: str = "") -> str:
    """Return the version of the Kubeflow Pipelines at an address; empty where it does not say one.

    Args:
        host: Address, such as https://kubeflow.example.com/pipeline.
        headers: With the login.
        ca_file: Certificate authority of the host; empty takes the system's.

    Raises:
        InputError: The address is not usable.
        ServiceError: Nothing answers, something else answers, the login is refused, or the version is too old.
    """
    try:
        if not re.match(r"https?://[^/\s]+", host):
            raise InputError(f"--host {host!r} is no address; write http://HOST:PORT or https://HOST/pipeline")
        pool = urllib3.PoolManager(ca_certs=ca_file or None, retries=False, timeout=_SECONDS)
        with pool:
            response = pool.request("GET", host.rstrip("/") + _HEALTH, headers=dict(headers), redirect=False)
    except urllib3.exceptions.SSLError as error:
        raise ServiceError(
            f"the certificate of {host} is not trusted ({error.args[0]}); name its authority with --ca-file"
        ) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ServiceError(
            f"nothing answers at {host} ({type(error).__name__}); correct --host, or forward the port: kubectl -n "
            "kubeflow port-forward svc/ml-pipeline 8888"
        ) from error
    answer = ServerAnswer(
        response.status,
        response.headers.get("content-type", "").partition(";")[0].strip().lower(),
        response.headers.get("location", ""),
        response.data.decode("utf-8", "replace"),
    )
    fault = fault_of(host, answer)
    if fault is not None:
        raise fault
    return _version(answer)


def fault_of(host: str, answer: ServerAnswer) -> ModelsatError | None:
    """Return what is wrong with an answer to the question of health; None where nothing is."""
    if answer.status < 300 and answer.content_type != "text/html":
        try:
            version = _version(answer)
        except ServiceError as error:
            return ServiceError(f"what answers at {host} is no Kubeflow Pipelines API ({error}); correct --host")
        number = re.match(r"v?(\d+)\.(\d+)", version)
        # A build without a number says nothing, and is believed to be new.
        if number and tuple(map(int, number.groups())) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            return ServiceError(
                f"Kubeflow Pipelines at {host} is version {version}, these pipelines need {oldest} or newer; upgrade it"
            )
        return None
    if 300 <= answer.status < 400:
        where = answer.location.partition("?")[0] or "an address that it does not name"
        return ServiceError(f"{host} sends to a login page ({where}); log in with {_LOGINS}")
    if answer.status < 300:
        return ServiceError(
            f"{host} answers with a web page instead of the API of Kubeflow Pipelines; log in with {_LOGINS}, or "
            "correct --host (the pages' address often ends in /pipeline)"
        )
    return of_status(host, answer.status, said(answer.body))


def of_status(host: str, status: int, reason: str) -> ModelsatError:
    """Return the error of an HTTP status from 400 on.

    Args:
        host: Which address answered.
        status: With what.
        reason: In its own words; empty where it gives none.
    """
    words = f": {reason}" if reason else ""
    if status == 401:
        return ServiceError(f"Kubeflow Pipelines at {host} wants a login (HTTP 401{words}); log in with {_LOGINS}")
    if status == 403:
        return ServiceError(
            f"Kubeflow Pipelines at {host} refuses this login (HTTP 403{words}); name your profile with --namespace, "
            "and ask its owner for the role kubeflow-edit"
        )
    if status == 404:
        return ServiceError(
            f"{host} has no Kubeflow Pipelines API, or not what was asked of it (HTTP 404{words}); correct --host"
        )
    return ServiceError(f"Kubeflow Pipelines at {host} failed (HTTP {status}{words}); look at its log and run again")


def said(body: Any) -> str:
    """Return what an error's body says in one line; empty for pages and for bodies that say nothing."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        content = json.loads(text)
        text = str(content.get("message") or content.get("error") or "") if isinstance(content, dict) else ""
    except ValueError:
        text = "" if "<" in text else text
    return " ".join(text.split())[:_SAID]


def _version(answer: ServerAnswer) -> str:
    try:
        content = json.loads(answer.body)
    except ValueError:
        raise ServiceError("its answer is not JSON") from None
    if not isinstance(content, dict) or not {"tag_name", "multi_user", "commit_sha"} & content.keys():
        raise ServiceError("its answer does not describe one")
    return str(content.get("tag_name", ""))
