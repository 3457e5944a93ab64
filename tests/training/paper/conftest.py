"""Fixtures of the paper's mode: a thin random Phi-3 beside the thin BERT, and a thin XLM-R as capability encoder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, processors
from transformers import Phi3Config, Phi3ForCausalLM, XLMRobertaConfig, XLMRobertaModel

from modelsat.routers.paper.layout import Layout, PaperTokens
from modelsat.routers.paper.network import rounded, start
from modelsat.routers.paper.router import ModelSatPaper, load_layout
from modelsat.text.encoder import load_tokenizer

ENCODER_WIDTH = 16
KEYWORDS = [["red", "crimson", "ruby", "scarlet", "rose"], ["blue", "azure", "navy", "sky", "teal"], ["green"] * 5]
ACCURACIES = np.asarray([[0.9, 0.2, 0.5], [0.1, 0.8, 0.5], [0.5, 0.5, 0.3]], dtype=np.float32)


@pytest.fixture(scope="session")
def models(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `phi3`, a causal language model with Yes and No in its vocabulary, and `xlmr`, an encoder."""
    folder = tmp_path_factory.mktemp("models")
    causal, encoder = folder / "phi3", folder / "xlmr"
    causal.mkdir()
    tokenizer = Tokenizer.from_file(str(backbone / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    tokenizer.add_tokens([AddedToken(word, normalized=False, single_word=True) for word in ("Yes", "No", "<s>")])
    tokenizer.save(str(causal / "tokenizer.json"))
    facts = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, "bos_token": "<s>"}
    facts |= {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    (causal / "tokenizer_config.json").write_text(json.dumps(facts))
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    size = tokenizer.get_vocab_size()
    special = {"pad_token_id": 0, "bos_token_id": size - 1, "eos_token_id": 0}
    heads = {"num_key_value_heads": 4, "max_position_embeddings": 512}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Phi3ForCausalLM(Phi3Config(vocab_size=size, hidden_size=32, **sizes, **special, **heads)).save_pretrained(
            causal
        )
        config = XLMRobertaConfig(
            vocab_size=size, hidden_size=ENCODER_WIDTH, pad_token_id=0, max_position_embeddings=514, **sizes
        )
        XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(encoder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(backbone / name, encoder / name)
    return folder


@pytest.fixture(scope="session")
def place(models: Path, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that makes the folder in which a language model lies beside its encoder."""

    def place_one(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        language_model, encoder = (models / "phi3", models / "xlmr") if kind == "causal" else (backbone, backbone)
        shutil.copytree(language_model, folder / "language_model")
        shutil.copytree(encoder, folder / "encoder")
        return folder

    return place_one


@pytest.fixture(scope="session")
def folders(place: Callable[[str], Path]) -> dict[str, Path]:
    return {kind: place(kind) for kind in ("causal", "bidirectional")}


@pytest.fixture(scope="session")
def make_layout(folders: dict[str, Path]) -> Callable[..., Layout]:
    def make(kind: str, reading: PaperTokens | None = None) -> Layout:
        return load_layout(folders[kind], reading or PaperTokens("vector", 32, 128, "query: "))

    return make


@pytest.fixture(scope="session")
def make_router(folders: dict[str, Path]) -> Callable[..., ModelSatPaper]:
    """Return a function that makes the router of three candidates, its weights rounded as a bundle rounds them."""

    def make(
        kind: str = "bidirectional", capability: str = "vector", rows: tuple[int, ...] = (0, 1, 2)
    ) -> ModelSatPaper:
        folder = folders[kind]
        encoder = folder / "encoder" if capability == "vector" else None
        with torch.random.fork_rng():
            torch.manual_seed(2)
            network = start(folder / "language_model", encoder, load_tokenizer(folder / "language_model"))
            network.answer.weight.data.normal_()
        network.load_state_dict(rounded(network.state_dict()))
        names = [f"candidate {row}" for row in rows]
        reading = PaperTokens(capability, 32, 128)  # type: ignore[arg-type]
        return ModelSatPaper(names, ACCURACIES[list(rows)], KEYWORDS, network, folder, reading)

    return make
