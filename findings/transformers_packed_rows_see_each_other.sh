#!/usr/bin/env bash
# Transformers keeps packed texts apart by their positions only where no cache is asked for, and a cache is the default.
#
# Packages: transformers 5.23.0 and torch 2.13.0, on a CPU
# Expected: positions that begin again at 0 with every text of a row keep the texts apart, in training as in evaluation.
# Happens:  they do with `use_cache=False`. Called without that, the model makes a cache, takes the row for one text, and
#           the second text sees the first, in training mode with gradients as well. Nothing is said.
# Matters:  whoever packs short prompts to train or score a router learns from what stands beside a prompt; losses fall.
# Here:     packed rows are read with `use_cache=False` (src/modelsat/routers/paper/network.py), and before a training
#           that packs, two prompts are answered apart and together and compared.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$work/env/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0
cat > "$work/show.py" <<'PY'
import sys

import torch
import transformers
from transformers import AutoModel, LlamaConfig, Qwen2Config

torch.manual_seed(0)
sizes = dict(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2)
sizes |= dict(num_attention_heads=4, num_key_value_heads=4)
first, second = torch.randint(0, 50, (1, 9)), torch.randint(0, 50, (1, 7))
row = torch.cat([first, second], dim=1)
positions = torch.cat([torch.arange(9), torch.arange(7)])[None]
seen = {}
for config in (LlamaConfig(**sizes), Qwen2Config(**sizes)):
    for attention in ("sdpa", "eager"):
        model = AutoModel.from_config(config, attn_implementation=attention).train()
        # Fresh weights are so small that attention hardly matters.
        for name, value in model.named_parameters():
            if value.dim() == 2 and "embed" not in name:
                value.data.mul_(10)
        alone = model(input_ids=second).last_hidden_state
        for named, options in (("by default", {}), ("without a cache", {"use_cache": False})):
            together = model(input_ids=row, position_ids=positions, **options).last_hidden_state[:, 9:]
            off = float((alone - together).norm() / alone.norm())
            seen[config.model_type, attention, named] = off > 1e-3
            print(f"{config.model_type}, {attention}, {named}: the second text differs by {100 * off:.3f} %")
print(f"transformers {transformers.__version__}, torch {torch.__version__}")
if any(differs != (named == "by default") for (_, _, named), differs in seen.items()):
    sys.exit("changed: packed texts are kept apart, or mixed, in another case than described")
PY
"$work/env/bin/python" -W ignore "$work/show.py"
