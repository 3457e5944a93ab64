#!/usr/bin/env bash
# DeepSpeed's consolidation of a ZeRO stage 1 checkpoint leaves the frozen weights out; of stage 2 it keeps them.
#
# Packages: deepspeed 0.19.8 and torch 2.13.0, on a CPU
# Expected: `get_fp32_state_dict_from_zero_checkpoint` returns the whole model, or the same part of it, at every stage.
# Happens:  the checkpoint holds all weights at both stages, but at stage 1 only those that train are returned, without a
#           warning. `load_state_dict(..., strict=False)` then leaves the others at random.
# Matters:  a model with a frozen backbone (LoRA, a head on an encoder) changes from stage 2 to 1 and is exported broken.
# Here:     frozen weights never come from a checkpoint, and the export reads the engine (training/engine.py,
#           training/checkpoints.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$work/env/bin/pip" install --quiet --disable-pip-version-check deepspeed==0.19.8
cat > "$work/show.py" <<'PY'
import sys
from pathlib import Path

import deepspeed
import deepspeed.ops
import torch
from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # else minutes of compilation
deepspeed.init_distributed("gloo", verbose=False)


def consolidated(stage):
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 1))
    model[0].requires_grad_(False)
    config = {"train_batch_size": 2, "zero_optimization": {"stage": stage}, "zero_allow_untested_optimizer": True}
    optimizer = torch.optim.AdamW(model[1].parameters())
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
    engine.backward(engine(torch.ones(2, 4)).sum())
    engine.step()
    folder = Path(sys.argv[1], f"stage{stage}")
    engine.save_checkpoint(str(folder), tag="last")
    return sorted(get_fp32_state_dict_from_zero_checkpoint(str(folder), tag="last"))


kept = {f"stage {stage}": consolidated(stage) for stage in (1, 2)}
print(f"deepspeed {deepspeed.__version__}, layer 0 frozen, layer 1 trained: consolidated {kept}", file=sys.stderr)
trained = ["1.bias", "1.weight"]
if kept != {"stage 1": trained, "stage 2": ["0.bias", "0.weight", *trained]}:
    sys.exit("changed: the two stages no longer differ as described")
PY
export DS_ACCELERATOR=cpu RANK=0 LOCAL_RANK=0 WORLD_SIZE=1 MASTER_ADDR=127.0.0.1 OMP_NUM_THREADS=1
MASTER_PORT=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
export MASTER_PORT
PATH="$work/env/bin:$PATH" python -W ignore "$work/show.py" "$work" 2>&1 > /dev/null | grep -E "^(deepspeed|changed|\w*Error)"
