#!/usr/bin/env bash
# tritonclient's plain JSON requests are refused by a KServe server, its binary ones are answered.
#
# Packages: kserve 0.21.0 and tritonclient 2.73.0, which both speak the Open Inference Protocol v2
# Expected: `set_data_from_numpy(..., binary_data=False)` sends the form that every server of the protocol has to read;
#           only the binary form is an optional extension.
# Happens:  tritonclient sends no Content-Type with a request that is JSON alone, and KServe takes what does not say that
#           it is JSON for binary: 400, a header is missing. The optional form works.
# Matters:  whoever turns binary data off to be on the safe side, or to read requests on the wire, gets a router that
#           answers nothing.
# Here:     the endpoint reads JSON whatever the content type says (serving/rest_endpoint.py, serving/tensors.py).
set -euo pipefail
work=$(mktemp -d)
trap 'kill ${server:-} 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check kserve==0.21.0 "tritonclient[http]==2.73.0"
cat > "$work/serve.py" <<'PY'
import sys

from kserve import InferOutput, InferResponse, Model, ModelServer


class Router(Model):
    def __init__(self):
        super().__init__("router")
        self.ready = True

    async def predict(self, request, headers=None, response_headers=None):
        return InferResponse("1", "router", [InferOutput("model", [1], "BYTES", data=["a"])])


ModelServer(http_port=int(sys.argv[1]), enable_grpc=False).start([Router()])
PY
cat > "$work/ask.py" <<'PY'
import sys
import time
from importlib.metadata import version

import numpy as np
import tritonclient.http as triton

client = triton.InferenceServerClient(f"127.0.0.1:{sys.argv[1]}")


def ask(binary, headers=None):
    prompt = triton.InferInput("prompt", [1], "BYTES")
    prompt.set_data_from_numpy(np.array([b"What is 2 + 2?"], dtype=object), binary_data=binary)
    wanted = [triton.InferRequestedOutput("model", binary_data=False)]
    try:
        return str(client.infer("router", [prompt], outputs=wanted, headers=headers).as_numpy("model")[0])
    except triton.InferenceServerException as error:
        return f"{error.status()} {error.message()}"


for _ in range(120):
    try:
        if client.is_model_ready("router"):
            break
    except OSError:
        time.sleep(0.5)
answers = [ask(binary=True), ask(binary=False), ask(binary=False, headers={"content-type": "application/json"})]
print(f"kserve {version('kserve')}, tritonclient {version('tritonclient')}")
print("\n".join(f"{n:24}{a}" for n, a in zip(("binary", "JSON", "JSON, header by hand"), answers)))
if answers[0] != "a" or not answers[1].startswith("400") or answers[2] != "a":
    sys.exit("changed: the three requests are no longer answered as described")
PY
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
"$work/env/bin/python" -W ignore "$work/serve.py" "$port" > "$work/log" 2>&1 &
server=$!
timeout 120 "$work/env/bin/python" -W ignore "$work/ask.py" "$port"
