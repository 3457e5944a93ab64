#!/usr/bin/env bash
# In LiteLLM's router a deployment of weight 0 keeps its traffic, and one without a weight loses all of it.
#
# Package:  litellm 1.110.2
# Expected: weight 0 drains a deployment, whatever the others have; a deployment without a weight counts as 1.
# Happens:  weights are used only if one of them is above 0, and a missing one is then 0. {none, 0} is half and half; {none,
#           9} sends everything to the one that has a weight.
# Matters:  draining a bad candidate by weight 0 changes nothing until another one gets a weight; giving a canary a small
#           weight takes all traffic from the deployment beside it that has none.
# Here:     our hook for LiteLLM names one deployment and leaves nothing to weights (serving/gateway/litellm_hook.py,
#           docs/gateway-clients.md).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check litellm==1.110.2
cat > "$work/show.py" <<'PY'
import logging
import sys
from collections import Counter
from importlib.metadata import version

import litellm

logging.disable(logging.WARNING)


def shares(**weights):
    deployments = []
    for name, weight in weights.items():
        parameters = {"model": f"openai/{name}", "api_key": "none", "mock_response": name}
        if weight is not None:
            parameters["weight"] = weight
        deployments.append({"model_name": "auto", "litellm_params": parameters})
    router = litellm.Router(model_list=deployments)
    messages = [{"role": "user", "content": "hi"}]
    answers = Counter(router.completion(model="auto", messages=messages).choices[0].message.content for _ in range(200))
    return [answers[name] for name in weights]


drained, canary, both = shares(old=None, bad=0), shares(stable=None, canary=1), shares(old=1, bad=0)
print(f"litellm {version('litellm')}, 200 requests each")
print(f"weights none and 0: {drained}; none and 1: {canary}; 1 and 0: {both}")
# Of 200 fair draws fewer than 60 fall to one side once in 10**8 runs.
if min(drained) < 60 or canary != [0, 200] or both != [200, 0]:
    sys.exit("changed: traffic is no longer divided as described")
PY
LITELLM_LOCAL_MODEL_COST_MAP=True "$work/env/bin/python" -W ignore "$work/show.py"
