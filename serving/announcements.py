"""What MLflow and S3 say of releases, and whether it is they who say so. Pure: headers and bodies in, releases out."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from modelsat.data.candidate_names import fault_in_candidate
from modelsat.onboarding.releases.ledger import Release
from serving.refusal import Refused

SIGNATURE, DELIVERY, TIMESTAMP = "x-mlflow-signature", "x-mlflow-delivery-id", "x-mlflow-timestamp"
_LONGEST_ID = 100
_TELLING = {("model_version", "created"), ("model_version_alias", "created")}


def check_mlflow(headers: Mapping[str, str], body: bytes, secret: str, now: float, skew_seconds: float) -> str:
    """Check the signature of MLflow's webhook and return the id of the delivery.

    MLflow signs `id.timestamp.body` with HMAC-SHA256 and sends it as `v1,BASE64`; its retries repeat all three.

    Args:
        headers: Of the request, names in lower case.
        body: As received.
        secret: Of the webhook.
        now: Seconds since 1970.
        skew_seconds: How far a timestamp may lie from `now`, in both directions.

    Raises:
        Refused: The signature is missing or wrong, or the delivery is stale (401).
    """
    delivery, timestamp = headers.get(DELIVERY, ""), headers.get(TIMESTAMP, "")
    signed = b".".join([delivery.encode(), timestamp.encode(), body])
    told = "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    if not hmac.compare_digest(told.encode(), headers.get(SIGNATURE, "").encode()):
        raise Refused(
            401, f"the signature in {SIGNATURE} is missing or wrong; give the webhook the secret of this receiver"
        )
    if not 0 < len(delivery) <= _LONGEST_ID:
        raise Refused(400, f"{DELIVERY} is missing or longer than {_LONGEST_ID} characters")
    if not timestamp.isdigit() or len(timestamp) > 12 or abs(now - int(timestamp)) > skew_seconds:
        raise Refused(401, f"the delivery is not of the last {skew_seconds:.0f} s; compare the clocks of both machines")
    return delivery


def of_mlflow(body: bytes, ignored: frozenset[str]) -> list[Release]:
    """Return the release that an event of MLflow's registry announces: a new version of a model, or a moved alias.

    Args:
        body: Of the request.
        ignored: Registered models that are no candidates, such as the router itself.

    Raises:
        Refused: The body is malformed (400).
    """
    event = _object(body)
    data = event.get("data")
    if (event.get("entity"), event.get("action")) not in _TELLING:
        return []
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        raise Refused(400, "the event names no model; send the body as MLflow made it")
    if data["name"] in ignored or fault_in_candidate(data["name"]):
        return []
    return [Release(data["name"], str(data.get("version", ""))[:_LONGEST_ID], source="MLflow")]


def of_s3(body: bytes, results: str) -> list[Release]:
    """Return the releases that an S3 event announces: results that were put below `results/CANDIDATE/`.

    Args:
        body: Of the request.
        results: `s3://` prefix of results by candidate.

    Raises:
        Refused: The body is malformed (400).
    """
    event = _object(body)
    records = event.get("Records", [])
    if not isinstance(records, list):
        raise Refused(400, "Records is no list; send the notification as S3 made it")
    found = []
    for record in records:
        try:
            name, bucket, key = (record["eventName"], record["s3"]["bucket"]["name"], record["s3"]["object"]["key"])
            uri = f"s3://{bucket}/{unquote_plus(key)}"
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(
                400, "a record names no event, bucket and key; send the notification as S3 made it"
            ) from error
        below = uri.removeprefix(f"{results.rstrip('/')}/")
        candidate = below.rpartition("/")[0]
        if "ObjectCreated" in str(name) and below != uri and not fault_in_candidate(candidate):
            found.append(Release(candidate, source="S3"))
    return list(dict.fromkeys(found))


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Refused(400, "the request body is not a JSON object")
    return told
