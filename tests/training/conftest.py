"""Fixtures of the training tier: a random language model of three thin layers stands in for MiniLM."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from torch import nn
from transformers import BertConfig, BertModel, Phi3Config, Phi3ForCausalLM, XLMRobertaConfig, XLMRobertaModel

from modelsat.aptitude import cards
from modelsat.aptitude import instructions as capability_instructions
from modelsat.aptitude.instructions import Instructions
from modelsat.data import sample
from modelsat.data.collection import Collection, collect
from modelsat.data.sample.questions import draw
from modelsat.routers.model_sat import capability
from modelsat.routers.model_sat.network import Network, Shape
from modelsat.routers.model_sat.router import ModelSat
from modelsat.text.encoder import Encoder, load_language_model

WIDTH, LAYERS, HEADS = 32, 3, 4
ENCODER_WIDTH = 16
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Give torch one thread: layers this thin only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random BERT: three layers, width 32, four heads, words and letters of the sample as vocabulary.

    Words are loud against positions, so that the mean over the tokens of a prompt says what the prompt is about.
    """
    folder = tmp_path_factory.mktemp("backbone")
    words = Counter(word for question in draw(0, 480) for word in re.findall(r"[a-z]{2,}", question.prompt.lower()))
    signs = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    common = [word for word, n in sorted(words.items(), key=lambda pair: (-pair[1], pair[0])) if n > 2]
    tokens = [*SPECIAL.values(), *signs, *(f"##{sign}" for sign in signs), *common]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.save(str(folder / "tokenizer.json"))
    facts = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **SPECIAL}
    (folder / "tokenizer_config.json").write_text(json.dumps(facts))
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=2 * WIDTH,
        architectures=["BertModel"],
    )
    (folder / "config.json").write_text(config.to_json_string())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = BertModel(config, add_pooling_layer=False).state_dict()
    state["embeddings.word_embeddings.weight"] *= 100
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def models(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with thin models: `bert`, `xlmr`, and `phi3`, a causal one with Yes and No in its vocabulary."""
    folder = tmp_path_factory.mktemp("models")
    causal, encoder = folder / "phi3", folder / "xlmr"
    shutil.copytree(backbone, folder / "bert")
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
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """The sample at a tenth of its size: 240 prompts, twelve candidates."""
    folder = tmp_path_factory.mktemp("scores") / "sample"
    sample.write(folder, prompts=240)
    return collect([str(folder)])


@pytest.fixture(scope="session")
def instructions(collection: Collection) -> Instructions:
    return capability_instructions.build(collection)


@pytest.fixture(scope="session")
def instructions_folder(instructions: Instructions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("instructions") / "instructions"
    instructions.write(folder)
    return folder


@pytest.fixture(scope="session")
def _ranks() -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Return a function that starts the process of which ranks are forked, once."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        if not started:
            command = [sys.executable, str(Path(__file__).with_name("several.py"))]
            environment = os.environ | {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)
            started.append(process)
        return started[0]

    yield start
    for process in started:
        process.communicate()


@pytest.fixture(scope="session")
def train_several(
    instructions_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    _ranks: Callable[[], subprocess.Popen[str]],
) -> Callable[[int, Mapping[Path, tuple[Path, Mapping[str, Any]]], int], None]:
    """Return a function that trains in several folders, one after the other in the same processes.

    It takes the number of ranks, for each folder the backbone and the recipe, and where to stop (0 for the end).
    """
    log = tmp_path_factory.mktemp("ranks") / "log"

    def train(ranks: int, runs: Mapping[Path, tuple[Path, Mapping[str, Any]]], stop: int = 0) -> None:
        plan = []
        for work, (backbone, recipe) in runs.items():
            work.mkdir(exist_ok=True)
            path = work / "recipe.yaml"
            path.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in recipe.items()))
            where = {"instructions": instructions_folder, "backbone": backbone, "work": work, "recipe": path}
            plan.append({name: str(place) for name, place in where.items()} | {"stop": stop})
        process = _ranks()
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps({"ranks": ranks, "log": str(log), "plan": plan}), file=process.stdin, flush=True)
        answer = next((line for line in process.stdout if line.startswith("ended ")), "ended without an answer")
        assert answer == "ended 0\n", f"{answer}\n{log.read_text() if log.exists() else ''}"

    return train


@pytest.fixture(scope="session")
def taught() -> Callable[[Path], dict[int, list[int]]]:
    """Return a function that reads which prompts taught in every step that counts.

    A step that was taken again after a kill counts once: as rank 0 took it last, and the other ranks with it.
    """

    def read(work: Path) -> dict[int, list[int]]:
        ranks = [
            [json.loads(line) for line in path.read_text().splitlines()] for path in sorted(work.glob("taught-*.jsonl"))
        ]
        counts = {row["step"]: (row["step"], row["after"], row["ranks"]) for row in ranks[0]}
        steps: dict[int, list[int]] = {step: [] for step in counts}
        for rows in ranks:
            own = {(row["step"], row["after"], row["ranks"]): row["prompts"] for row in rows}
            for step, start in counts.items():
                steps[step] += own.get(start, [])
        return steps

    return read


@dataclass(frozen=True)
class Zoo:
    """The candidates' names and cards, float32 (candidates, tasks), and the encoder that was fitted to them."""

    names: tuple[str, ...]
    accuracies: np.ndarray
    encoder: capability.CapabilityEncoder


@pytest.fixture(scope="session")
def zoo(instructions: Instructions, backbone: Path) -> Zoo:
    accuracies = cards.accuracies(instructions.cards, instructions.names, instructions.test.tasks)
    meanings = Encoder(backbone).encode(capability.describe(instructions.test.keywords))
    return Zoo(instructions.names, accuracies, capability.fit(accuracies, meanings))


@pytest.fixture(scope="session")
def make_network(backbone: Path) -> Callable[..., Network]:
    """Return a function that makes a network, by default one in which everything that can be learned is lively."""

    def make(shape: Shape, lively: bool = True) -> Network:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            network = Network(load_language_model(backbone), shape)
            if lively:
                for name in ("correction", "head", "difficulty", "reader"):
                    nn.init.normal_(getattr(network, name).weight, std=0.3)
                nn.init.normal_(network.inquiry)
        return network.eval()

    return make


@pytest.fixture(scope="session")
def make_router(backbone: Path, zoo: Zoo, make_network: Callable[..., Network]) -> Callable[..., ModelSat]:
    """Return a function that makes the router of the zoo, its weights rounded as a bundle rounds them."""

    def make(max_tokens: int = 64, soft_tokens: int = 1, rounded: bool = True) -> ModelSat:
        shape = Shape(zoo.encoder.tasks, zoo.encoder.width, entry_layer=1, soft_tokens=soft_tokens)
        network = make_network(shape)
        if rounded:
            round_language_model(network)
        return ModelSat(zoo.names, zoo.accuracies, zoo.encoder, network, backbone, max_tokens)

    return make


def round_language_model(network: Network) -> None:
    with torch.no_grad():
        for part in (network.embeddings, network.lower, network.upper):
            for value in part.parameters():
                value.copy_(value.to(torch.bfloat16).float())
