"""A classifier of BERT's size behind our endpoint, as RouteLLM's is: what its language model alone costs a prompt.

Weights are random and the head is a nearest-neighbour one: neither changes the time of a forward, which is measured.
RouteLLM's own weights are behind a network.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.routers.knn import Knn
from modelsat.text.backbone import WEIGHTS, copy_backbone, default_backbone
from modelsat.text.encoder import Encoder

TRAINED = 16


def write(folder: Path, scratch: Path) -> Bundle:
    """Write a bundle whose encoder is a random BERT-base and which decides between two candidates."""
    torch.manual_seed(0)
    copy_backbone(default_backbone(), scratch, weights=False)
    # BertConfig's defaults are BERT-base: 12 layers, width 768, 12 heads.
    config = BertConfig()
    model = BertModel(config, add_pooling_layer=False)
    save_file(model.state_dict(), scratch / WEIGHTS, metadata={"format": "pt"})
    (scratch / "config.json").write_text(config.to_json_string(use_diff=False), encoding="utf-8")
    encoder = Encoder(scratch)
    rng = np.random.default_rng(0)
    outcomes = rng.integers(0, 2, (TRAINED, 2)).astype(np.float32)
    embeddings = rng.normal(size=(TRAINED, config.hidden_size)).astype(np.float32)
    router = Knn(("strong", "weak"), encoder, embeddings, outcomes, 2)
    rows: list[dict[str, object]] = [{"candidate": name} for name in ("strong", "weak")]
    empty = [schema.empty_table() for schema in (contracts.APTITUDE_TEST, contracts.CARDS)]
    return Bundle(router, contracts.from_rows(rows, contracts.CANDIDATES), *empty).write(folder)
