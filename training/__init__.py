"""The edge to DeepSpeed: fine-tuning of the Model-SAT network, started by torchrun."""

import os

# Read by huggingface_hub as it is imported, so it stands before every other import.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
