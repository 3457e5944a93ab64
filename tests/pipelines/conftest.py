"""A language model that trains in seconds, a bundle without training, and a real MLflow server behind a door."""

import contextlib
import selectors
import shutil
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from modelsat.aptitude import instructions
from modelsat.bundle.bundle import Bundle
from modelsat.data import collection, sample
from modelsat.onboarding.evidence import only
from modelsat.routers.constant import Constant
from modelsat.text.backbone import default_backbone
from pipelines import services

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a BERT of two layers of width 32 with random weights, and the tokenizer of the packaged MiniLM."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModel

    folder = tmp_path_factory.mktemp("backbone")
    shape = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
    config = AutoConfig.from_pretrained(str(default_backbone()), **shape)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModel.from_config(config, add_pooling_layer=False)
    config.save_pretrained(folder)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    for name in _TOKENIZER:
        shutil.copyfile(default_backbone() / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic results on 400 prompts."""
    folder = tmp_path_factory.mktemp("scores") / "sample"
    sample.write(folder, prompts=400)
    return folder


@pytest.fixture(scope="session")
def write_bundle_without(scores: Path) -> Callable[[str, Path], Bundle]:
    """Return a function that writes a bundle of the sample which does not know one of the candidates."""

    def write(candidate: str, folder: Path) -> Bundle:
        everybody = collection.collect([str(scores)])
        known = only(everybody, [name for name in everybody.candidates["candidate"].to_pylist() if name != candidate])
        built = instructions.build(known, 16, 160)
        means = {name: float(np.mean([v for _, v in rows.values()])) for name, rows in built.facts["summary"].items()}
        return Bundle(
            router=Constant(built.names, np.asarray([means[name] for name in built.names])),
            candidates=built.candidates,
            aptitude_test=built.aptitude_test,
            cards=built.cards,
            lineage={"data_digest": "d", "sources": [str(scores)], "aptitude_test": "", "mean_score": means,
                     "trained_on": list(built.names), "tokens_out": {}},
        ).write(folder)  # fmt: skip

    return write


class Door:
    """Passes connections on to a server while it is open; shut, nobody listens at its address.

    Args:
        port: Of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._port = 0
        self._shut = threading.Event()
        self._thread = threading.Thread()
        self.open()

    @property
    def url(self) -> str:
        """Return the address, the same at every opening."""
        return f"http://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Listen."""
        if self._thread.is_alive():
            return
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self._shut = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, args=(listener, self._shut), daemon=True)
        self._thread.start()

    def shut(self) -> None:
        """Break all connections and take no more; return when the address is free."""
        self._shut.set()
        self._thread.join()

    def _pass_on(self, listener: socket.socket, shut: threading.Event) -> None:
        other: dict[socket.socket, socket.socket] = {}
        with listener, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while not shut.is_set():
                for key, _ in selector.select(0.05):
                    taken = key.fileobj
                    assert isinstance(taken, socket.socket)
                    if taken is listener:
                        pair = (listener.accept()[0], socket.create_connection(self._server))
                        other.update({pair[0]: pair[1], pair[1]: pair[0]})
                        for end in pair:
                            selector.register(end, selectors.EVENT_READ)
                    elif taken in other and not self._forward(taken, other[taken]):
                        for end in (taken, other.pop(taken)):
                            other.pop(end, None)
                            selector.unregister(end)
                            end.close()
            for end in other:
                end.close()

    @staticmethod
    def _forward(source: socket.socket, target: socket.socket) -> bool:
        with contextlib.suppress(OSError):
            piece = source.recv(2**16)
            target.sendall(piece)
            return bool(piece)
        return False


@pytest.fixture(scope="session")
def mlflow_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door to a real MLflow server."""
    folder = tmp_path_factory.mktemp("mlflow")
    try:
        with warnings.catch_warnings():
            # The server is meant to outlive the object that started it.
            warnings.simplefilter("ignore", ResourceWarning)
            server = services.mlflow(folder)
        door = Door(server.port)
        yield door
        door.shut()
    finally:
        services.stop(folder)
