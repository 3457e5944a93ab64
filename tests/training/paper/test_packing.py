"""Instructions that share rows teach what padded ones teach, and cost no padding."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, LlamaConfig, PreTrainedConfig, Qwen2Config

from modelsat.aptitude.instructions import Instructions
from modelsat.errors import InputError
from modelsat.routers.paper.layout import Layout
from modelsat.routers.paper.network import PaperNetwork, check_packing, start
from modelsat.routers.paper.packing import pack
from modelsat.text.encoder import load_tokenizer
from training.paper import curriculum
from training.paper.curriculum import Curriculum
from training.paper.objective import GroupObjective
from training.paper.recipe import PaperRecipe
from training.ranks import Ranks

PADDED = PaperRecipe(
    max_tokens=128, card_tokens=128, group=3, groups=3, connector_steps=2, steps=4, encoder_prefix="query: "
)
PACKED = PADDED.model_copy(update={"packing": 512})
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def test_rows_are_few_and_filled_alike() -> None:
    packed = pack([[1, 2, 3], [4, 5, 6, 7, 8], [9, 10], [11]], 6, padding=0)

    # Eleven tokens need two rows of six: five and one fill the first, three and two leave a place, which counts from 0.
    assert packed.ids.tolist() == [[4, 5, 6, 7, 8, 11], [1, 2, 3, 9, 10, 0]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 4, 0], [0, 1, 2, 0, 1, 0]]
    assert packed.row.tolist() == [1, 0, 1, 0]
    assert (packed.first.tolist(), packed.last.tolist()) == ([0, 0, 3, 5], [2, 4, 4, 5])


def test_one_row_holds_all_where_no_length_is_named() -> None:
    packed = pack([[1, 2], [3, 4, 5], [6]], 0, padding=0)

    assert packed.ids.tolist() == [[3, 4, 5, 1, 2, 6]]
    assert packed.positions.tolist() == [[0, 1, 2, 0, 1, 0]]


def test_instruction_that_is_longer_than_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="an instruction of 3 tokens does not fit a row of 2"):
        pack([[1, 2, 3]], 2, padding=0)


def test_flash_attention_takes_one_row_and_others_as_many_as_named() -> None:
    flash = PACKED.model_copy(update={"attention": "flash_attention_2"})

    assert (PACKED.row_tokens, flash.row_tokens) == (512, 0)


@pytest.fixture(scope="module")
def layout(make_layout: Callable[..., Layout]) -> Layout:
    return make_layout("causal", PADDED.reading)


@pytest.fixture(scope="module")
def lessons(instructions: Instructions, layout: Layout) -> Curriculum:
    return curriculum.prepare(instructions, layout)


def of_family(config: PreTrainedConfig | None, folder: Path, attention: str = "sdpa") -> PaperNetwork:
    """Return a random network: that of the folder, or one of another family beside the folder's encoder."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = start(
            folder / "language_model", folder / "encoder", load_tokenizer(folder / "language_model"), attention
        )
        if config is not None:
            model = AutoModel.from_config(config, attn_implementation=attention)
            network = PaperNetwork(model, network.encoder, None)
        # Weights of a fresh model are so small that attention hardly matters, and neither would a look at neighbours.
        for name, value in network.named_parameters():
            if value.dim() == 2 and "embed" not in name:
                value.data.mul_(10)
    return network.train()


def learned(
    network: PaperNetwork, lessons: Curriculum, layout: Layout, settings: PaperRecipe
) -> tuple[float, np.ndarray]:
    """Return the loss of a step and its gradient, as one vector."""
    inputs = curriculum.inputs(lessons, layout, settings, Ranks(0, 1, torch.device("cpu")))
    (batch,) = inputs(curriculum.plan(settings)[3])
    network.zero_grad()
    loss = GroupObjective(network)(*batch.tensors)
    loss.backward()
    gradient = [value.grad.ravel() for value in network.parameters() if value.grad is not None]
    return loss.item(), torch.cat(gradient).numpy()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", ["phi3", "qwen2", "llama"])
def test_packed_step_has_the_loss_and_the_gradient_of_a_padded_one(
    folders: dict[str, Path], lessons: Curriculum, layout: Layout, family: str, attention: str
) -> None:
    vocabulary = len(layout.tokenizer)
    config = {
        "phi3": None,
        "qwen2": Qwen2Config(vocab_size=vocabulary, num_key_value_heads=2, **SIZES),
        "llama": LlamaConfig(vocab_size=vocabulary, num_key_value_heads=2, **SIZES),
    }[family]
    network = of_family(config, folders["causal"], attention)

    padded, packed = (learned(network, lessons, layout, settings) for settings in (PADDED, PACKED))

    assert packed[0] == pytest.approx(padded[0], abs=1e-4)
    np.testing.assert_allclose(packed[1], padded[1], atol=1e-4 * np.abs(padded[1]).max())


def test_packed_step_reads_fewer_tokens(lessons: Curriculum, layout: Layout) -> None:
    ids = []
    for settings in (PADDED, PACKED):
        inputs = curriculum.inputs(lessons, layout, settings, Ranks(0, 1, torch.device("cpu")))
        (batch,) = inputs(curriculum.plan(settings)[3])
        ids.append(batch.tensors[0])

    # Nine instructions share rows of at most 512 tokens, which are padded by less than one of them.
    assert len(ids[0]) == 9
    assert ids[1].shape[1] <= 512
    assert ids[1].numel() < ids[0].numel()


def test_language_model_that_sees_all_of_a_row_is_refused(
    folders: dict[str, Path], make_layout: Callable[..., Layout]
) -> None:
    network = of_family(None, folders["bidirectional"])

    with pytest.raises(InputError, match="type bert does not keep the instructions of a row apart; set it to 0"):
        check_packing(network, make_layout("bidirectional", PADDED.reading), 512)


def test_row_that_does_not_hold_the_longest_instruction_is_refused(folders: dict[str, Path], layout: Layout) -> None:
    network = of_family(None, folders["causal"])

    check_packing(network, layout, 512)
    with pytest.raises(
        InputError, match=r"packing: an instruction takes up to \d+ tokens and a row has 16; raise packing"
    ):
        check_packing(network, layout, 16)
