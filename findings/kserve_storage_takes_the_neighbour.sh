#!/usr/bin/env bash
# KServe's storage initializer fetches version 10 of a model into the folder of version 1.
#
# Packages: kserve-storage 0.21.0, boto3 1.44.5, against moto 5.2.5's S3 server
# Expected: `s3://bucket/models/v1` names the objects below `models/v1/`.
# Happens:  it is taken for a prefix of names: the files of `models/v10/` come, too, into a folder called `0`. An empty
#           file is left out without a word. With a slash at the end of the URI the neighbours stay away.
# Matters:  from the tenth version on the server downloads several models, runs out of disk or time, and whatever reads
#           the folder as a whole (file counts, "first weights file") reads two models.
# Here:     bundles lie under their digest, and our own fetch compares each file with the manifest
#           (src/modelsat/io/s3.py, src/modelsat/bundle/bundle.py).
set -euo pipefail
work=$(mktemp -d)
trap 'kill ${server:-} 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check kserve-storage==0.21.0 boto3==1.44.5 "moto[s3,server]==5.2.5"
cat > "$work/show.py" <<'PY'
import sys
import time
from importlib.metadata import version
from pathlib import Path

import boto3
from botocore.exceptions import EndpointConnectionError
from kserve_storage import Storage

s3 = boto3.client("s3")
for _ in range(60):
    try:
        s3.create_bucket(Bucket="bucket")
        break
    except EndpointConnectionError:
        time.sleep(0.5)
for key, body in {"v1/weights": b"one", "v1/empty": b"", "v10/weights": b"ten"}.items():
    s3.put_object(Bucket="bucket", Key=f"models/{key}", Body=body)


def fetched(uri):
    folder = Path(sys.argv[1], uri.replace("/", "_"))
    Storage.download(uri, str(folder))
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


bare, slash = fetched("s3://bucket/models/v1"), fetched("s3://bucket/models/v1/")
print(f"kserve-storage {version('kserve-storage')}: models/v1 fetches {bare}, models/v1/ fetches {slash}")
if bare != ["0/weights", "weights"] or slash != ["weights"]:
    sys.exit("changed: the neighbour or the empty file is no longer treated as described")
PY
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
"$work/env/bin/moto_server" -p "$port" > "$work/log" 2>&1 &
server=$!
export AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=y AWS_DEFAULT_REGION=us-east-1
timeout 100 "$work/env/bin/python" -W ignore "$work/show.py" "$work" 2> "$work/errors" || { tail -n 3 "$work/errors"; exit 1; }
