#!/usr/bin/env bash
# A process that has imported kserve cannot import tritonclient's gRPC client, nor the other way round.
#
# Packages: kserve 0.21.0 and tritonclient 2.73.0, which both speak the Open Inference Protocol v2
# Expected: a KServe model calls another model server with tritonclient, or a test asks a KServe server in one process.
# Happens:  both register messages named `inference.ServerLiveRequest` and so on, from different descriptions, in
#           protobuf's one pool. Whichever comes second raises TypeError ("duplicate symbol") while it is imported.
# Matters:  a transformer or a router in KServe cannot ask a Triton server over gRPC with NVIDIA's client; it shows at
#           start, in whichever module happens to be imported second. tritonclient.http does not collide.
# Here:     tests ask with tritonclient from a process of its own (tests/serving/triton_asks.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check kserve==0.21.0 "tritonclient[grpc,http]==2.73.0"
cat > "$work/show.py" <<'PY'
import subprocess
import sys
from importlib.metadata import version

ORDERS = {
    "kserve, then tritonclient.grpc": "import kserve, tritonclient.grpc",
    "tritonclient.grpc, then kserve": "import tritonclient.grpc, kserve",
    "kserve, then tritonclient.http": "import kserve, tritonclient.http",
}
seen = {}
for order, line in ORDERS.items():
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", line], capture_output=True, text=True, timeout=120)
    last = (ended.stderr.strip().splitlines() or [""])[-1]
    seen[order] = "works" if ended.returncode == 0 else "duplicate symbol" if "duplicate symbol" in last else last[:200]
print(f"kserve {version('kserve')}, tritonclient {version('tritonclient')}: {seen}")
if list(seen.values()) != ["duplicate symbol", "duplicate symbol", "works"]:
    sys.exit("changed: the two packages no longer exclude each other as described")
PY
"$work/env/bin/python" "$work/show.py"
