"""Fixtures of the paper's mode: where a language model lies beside its capability encoder, and routers made of them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from modelsat.routers.paper.layout import Layout
from modelsat.routers.paper.network import rounded, start
from modelsat.routers.paper.router import ModelSatPaper, load_layout
from modelsat.routers.paper.tokens import PaperTokens
from modelsat.text.encoder import load_tokenizer

KEYWORDS = [["red", "crimson", "ruby", "scarlet", "rose"], ["blue", "azure", "navy", "sky", "teal"], ["green"] * 5]
ACCURACIES = np.asarray([[0.9, 0.2, 0.5], [0.1, 0.8, 0.5], [0.5, 0.5, 0.3]], dtype=np.float32)


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
