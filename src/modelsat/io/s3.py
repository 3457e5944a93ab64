"""The S3 client: keys below a prefix, conditional writes proved once, faults named with what to do."""

import contextlib
import functools
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from modelsat.errors import ConflictError, InputError, ServiceError


def is_s3(uri: str) -> bool:
    """Say whether `uri` names something in S3."""
    return uri.startswith("s3://")


@functools.cache
def prove_conditional_writes(bucket: str, prefix: str) -> None:
    """Write a probe twice; a server that accepts the second write would also accept two promotions at once."""
    key = f"{prefix}/.probe-{uuid.uuid4().hex}".lstrip("/")
    with naming_faults(f"s3://{bucket}/{prefix}"):
        try:
            for _ in range(2):
                client().put_object(Bucket=bucket, Key=key, Body=b"", IfNoneMatch="*")
        except client().exceptions.ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (409, 412):
                return
            raise
        finally:
            # These credentials may lack the right to delete; readers skip hidden names.
            with contextlib.suppress(Exception):
                client().delete_object(Bucket=bucket, Key=key)
    raise ServiceError(
        f"the S3 server of bucket {bucket!r} ignores If-None-Match, so two promotions could both succeed; "
        "keep champion records on a server with conditional writes"
    )


def list_keys(bucket: str, prefix: str) -> list[tuple[str, str]]:
    """Return (key, etag) below the prefix; `a/b` names the object `a/b` and all below `a/b/`, never `a/bc`."""
    listed = []
    with naming_faults(f"s3://{bucket}/{prefix}"):
        for page in client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix.rstrip("/")):
            listed += [(item["Key"], item["ETag"]) for item in page.get("Contents", [])]
    folder = prefix.rstrip("/") + "/" if prefix else ""
    return [(key, etag) for key, etag in listed if key.startswith(folder) or key == prefix.rstrip("/")]


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Split an `s3://` URI.

    Raises:
        InputError: It names no bucket.
    """
    parts = urlsplit(uri, allow_fragments=False)
    if not parts.netloc:
        raise InputError(f"{uri!r} names no bucket; write s3://bucket/prefix")
    return parts.netloc, uri[len(f"s3://{parts.netloc}/") :]


@functools.cache
def client() -> Any:
    """Return the one S3 client of this process, with timeouts and retries that end."""
    import boto3
    from botocore.config import Config

    # Rclone and older servers return ranges and parts without valid checksums; files are verified by our own digests.
    return boto3.Session().client(
        "s3",
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"max_attempts": 4, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextlib.contextmanager
def naming_faults(uri: str) -> Iterator[None]:
    """Turn what boto3 raises within the block into errors of ours that name the URI and what to do."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except NoCredentialsError as error:
        raise InputError(f"no S3 credentials for {uri!r}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from error
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code = error.response.get("Error", {}).get("Code", "unknown")
        if status in (409, 412) and code != "OperationAborted":
            raise ConflictError(f"{uri!r} exists already or has just changed ({code}); read it again") from error
        if status == 404:
            raise InputError(
                f"{uri!r} does not exist in S3 ({code}); check bucket, prefix and AWS_ENDPOINT_URL"
            ) from error
        if status in (401, 403):
            raise ServiceError(
                f"S3 denies access to {uri!r} ({code}); grant s3:ListBucket, s3:GetObject and s3:PutObject "
                "to these credentials"
            ) from error
        raise ServiceError(f"S3 failed at {uri!r} ({code}, HTTP {status}); try again later") from error
    except BotoCoreError as error:
        raise ServiceError(
            f"S3 did not answer for {uri!r} ({error}); check AWS_ENDPOINT_URL and the network"
        ) from error
