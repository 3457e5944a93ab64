#!/usr/bin/env bash
# A fraction that tritonclient sends as a request parameter over gRPC arrives at a KServe server as an empty value.
#
# Packages: kserve 0.21.0 and tritonclient 2.73.0, which both speak the Open Inference Protocol v2
# Expected: `infer(..., parameters={"cost_weight": 0.1})` reaches the model as 0.1, as it does over REST, or is refused.
# Happens:  tritonclient writes the field `double_param`, which Triton's messages have and KServe's do not. Protobuf skips
#           fields that it does not know, so the name arrives without a value, and the request succeeds.
# Matters:  a budget, weight or threshold that a client sets has no effect, and neither side notices.
# Here:     our reader of gRPC's parameters looks for Triton's kinds among the unknown fields, and also takes fractions as
#           text (serving/tensors.py, docs/endpoint.md).
set -euo pipefail
work=$(mktemp -d)
trap 'kill ${server:-} 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check kserve==0.21.0 "tritonclient[grpc]==2.73.0"
cat > "$work/serve.py" <<'PY'
import sys

from kserve import InferOutput, InferResponse, Model, ModelServer


class Router(Model):
    def __init__(self):
        super().__init__("router")
        self.ready = True

    async def predict(self, request, headers=None, response_headers=None):
        value = request.parameters["cost_weight"]
        kind = value.WhichOneof("parameter_choice")
        seen = "nothing" if kind is None else f"{kind} {getattr(value, kind)}"
        return InferResponse("1", "router", [InferOutput("seen", [1], "BYTES", data=[seen])])


ModelServer(http_port=int(sys.argv[1]), grpc_port=int(sys.argv[2])).start([Router()])
PY
cat > "$work/ask.py" <<'PY'
import sys
import time
from importlib.metadata import version

import numpy as np
import tritonclient.grpc as triton

client = triton.InferenceServerClient(f"127.0.0.1:{sys.argv[1]}")
for _ in range(120):
    try:
        if client.is_model_ready("router"):
            break
    except triton.InferenceServerException:
        time.sleep(0.5)
prompt = triton.InferInput("prompt", [1], "BYTES")
prompt.set_data_from_numpy(np.array([b"What is 2 + 2?"], dtype=object))
seen = {}
for value in (1, "0.1", 0.1):
    answer = client.infer("router", [prompt], parameters={"cost_weight": value}).get_response()
    seen[repr(value)] = answer.outputs[0].contents.bytes_contents[0].decode()
print(f"kserve {version('kserve')}, tritonclient {version('tritonclient')}: sent and what the model saw: {seen}")
if seen != {"1": "int64_param 1", "'0.1'": "string_param 0.1", "0.1": "nothing"}:
    sys.exit("changed: a fraction no longer arrives without its value")
PY
read -r rest grpc < <(python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))')
"$work/env/bin/python" -W ignore "$work/serve.py" "$rest" "$grpc" > "$work/log" 2>&1 &
server=$!
timeout 120 "$work/env/bin/python" -W ignore "$work/ask.py" "$grpc"
