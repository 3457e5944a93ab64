#!/usr/bin/env bash
# KServe's storage initializer brings back files that a later layer of an image has deleted.
#
# Package:  kserve-storage 0.21.0 (with oras 0.2.43)
# Expected: of an image with two layers, the second of which deletes `old.json` by the whiteout `.wh.old.json`, as every
#           build with `RUN rm` writes it, the files of the union arrive: `new.json` alone.
# Happens:  `old.json` arrives, and beside it an empty file with the name `.wh.old.json`.
# Matters:  a model image that was built on the one before serves files of both models; loaders that take whatever lies in
#           the folder (shards of weights, adapters, templates) mix them, and nothing is logged.
# Here:     `modelsat pack` writes one layer (src/modelsat/bundle/oci_image.py), and a bundle with a file that its manifest
#           does not name is refused (src/modelsat/bundle/bundle.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check kserve-storage==0.21.0 oras==0.2.43
cat > "$work/show.py" <<'PY'
import hashlib
import http.server
import io
import json
import logging
import os
import sys
import tarfile
import threading
from importlib.metadata import version

BLOBS: dict[str, bytes] = {}


def blob(content: bytes, kind: str) -> dict:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    BLOBS[digest] = content
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(content)}


def layer(**files: bytes) -> dict:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"models/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return blob(buffer.getvalue(), "layer.v1.tar")


class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = BLOBS["manifest" if "/manifests/" in self.path else self.path.rpartition("/")[2]]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


layers = [layer(**{"old.json": b"{}"}), layer(**{"new.json": b"{}", ".wh.old.json": b""})]
config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in layers]}}
manifest = {"schemaVersion": 2, "config": blob(json.dumps(config).encode(), "config.v1+json"), "layers": layers}
BLOBS["manifest"] = json.dumps(manifest | {"mediaType": "application/vnd.oci.image.manifest.v1+json"}).encode()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["KSERVE_OCI_INSECURE_REGISTRY"] = "true"
logging.disable(logging.CRITICAL)
from kserve_storage import Storage  # noqa: E402

Storage.download(f"oci://127.0.0.1:{server.server_port}/model:1", sys.argv[1])
arrived = sorted(os.listdir(sys.argv[1]))
print(f"kserve-storage {version('kserve-storage')}: of new.json, and old.json that a later layer deletes, arrive {arrived}")
sys.exit(0 if arrived == [".wh.old.json", "new.json", "old.json"] else "changed: a file that was deleted stays deleted")
PY
mkdir "$work/pulled"
"$work/env/bin/python" -W ignore "$work/show.py" "$work/pulled" 2>/dev/null
