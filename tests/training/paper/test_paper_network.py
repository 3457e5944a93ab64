"""One soft vector in front, Yes and No read from the vocabulary head at the last token that is no padding."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM
from transformers.utils import is_flash_attn_2_available

from modelsat.errors import InputError
from modelsat.routers.paper.layout import SLOT, Layout
from modelsat.routers.paper.network import PaperNetwork, answer_tokens, check_lengths, rebuild, start
from modelsat.routers.paper.tokens import PaperTokens
from modelsat.text.encoder import is_causal, load_tokenizer
from training.paper.finetune import parameter_groups

KINDS = ("causal", "bidirectional")
each_kind = pytest.mark.parametrize("kind", KINDS)
LINES = [["accuracy 90.0%", "accuracy 10.0%", "red", "blue"] * 3, ["accuracy 20.0%"]]


@pytest.fixture(scope="module")
def networks(folders: dict[str, Path]) -> dict[str, PaperNetwork]:
    def make(folder: Path) -> PaperNetwork:
        torch.manual_seed(3)
        return start(folder / "language_model", folder / "encoder", load_tokenizer(folder / "language_model")).eval()

    with torch.random.fork_rng():
        return {kind: make(folders[kind]) for kind in KINDS}


@torch.inference_mode()
def test_answer_is_that_of_the_vocabulary_head_at_the_last_token(
    networks: dict[str, PaperNetwork], folders: dict[str, Path], make_layout: Callable[..., Layout]
) -> None:
    layout = make_layout("causal", PaperTokens("text", 32, 128))
    rows = [layout.in_words(lines) for lines in LINES]
    prompts = layout.prompts(["red", "blue sky above the sea"])
    ids, mask = layout.sequences(rows, prompts)
    model = AutoModelForCausalLM.from_pretrained(folders["causal"] / "language_model", dtype=torch.float32)
    yes, no = answer_tokens(layout.tokenizer)

    found = networks["causal"](ids, mask)

    assert mask.sum(1)[0] != mask.sum(1)[1]
    for score, row, kept in zip(found, ids, mask, strict=True):
        logits = model(row[kept.bool()][None]).logits[0, -1]
        assert score.item() == pytest.approx((logits[yes] - logits[no]).item(), abs=1e-5)


@each_kind
@torch.inference_mode()
def test_company_changes_nothing(
    networks: dict[str, PaperNetwork], make_layout: Callable[..., Layout], kind: str
) -> None:
    layout, network = make_layout(kind), networks[kind]
    soft = network.soft_vectors(layout.pieces(LINES))
    prompts = layout.prompts(["red", "blue sky above the sea and the ships"])

    together = network(*layout.sequences([layout.slot()] * 2, prompts), soft)
    alone = [network(*layout.sequences([layout.slot()], [prompts[i]]), soft[i : i + 1]) for i in range(2)]

    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)


@each_kind
@torch.inference_mode()
def test_soft_vector_fills_the_slot(
    networks: dict[str, PaperNetwork], make_layout: Callable[..., Layout], kind: str
) -> None:
    layout, network = make_layout(kind), networks[kind]
    soft = network.soft_vectors(layout.pieces(LINES))
    ids, mask = layout.sequences([layout.slot()], layout.prompts(["red"]))
    otherwise = ids.clone()
    otherwise[:, SLOT] += 7

    first = network(ids, mask, soft[:1])

    torch.testing.assert_close(network(otherwise, mask, soft[:1]), first)
    assert network(ids, mask, -5 * soft[1:]) != first


@torch.inference_mode()
def test_capability_is_the_mean_over_all_tokens_of_a_card_projected_to_the_language_model(
    networks: dict[str, PaperNetwork], make_layout: Callable[..., Layout]
) -> None:
    layout, network = make_layout("causal"), networks["causal"]
    pieces = layout.pieces([LINES[0] * 4, LINES[1]])
    assert network.encoder is not None
    assert network.connector is not None

    states = network.encoder(pieces.ids, attention_mask=pieces.mask).last_hidden_state
    tokens = [states[pieces.card == card][pieces.mask[pieces.card == card].bool()] for card in (0, 1)]
    psi = functional.normalize(torch.stack([rows.mean(0) for rows in tokens]), dim=-1)

    assert pieces.card.tolist().count(0) > 1
    assert tuple(network.connector.weight.shape) == (32, 16)
    torch.testing.assert_close(network.soft_vectors(pieces), network.connector(psi), atol=1e-5, rtol=1e-5)


def test_language_models_are_told_apart(folders: dict[str, Path]) -> None:
    assert [is_causal(folders[kind] / "language_model") for kind in KINDS] == [True, False]


def test_vocabulary_without_yes_is_refused(backbone: Path) -> None:
    with pytest.raises(InputError, match="no single token for Yes and No"):
        answer_tokens(load_tokenizer(backbone))


@each_kind
def test_network_is_rebuilt_from_its_own_weights(
    networks: dict[str, PaperNetwork], folders: dict[str, Path], make_layout: Callable[..., Layout], kind: str
) -> None:
    layout, network = make_layout(kind), networks[kind]
    again = rebuild(folders[kind], network.state_dict())
    inputs = layout.sequences([layout.slot()], layout.prompts(["red"]))

    with torch.inference_mode():
        soft = network.soft_vectors(layout.pieces(LINES[:1]))
        torch.testing.assert_close(again(*inputs, soft), network(*inputs, soft))
        torch.testing.assert_close(again.soft_vectors(layout.pieces(LINES[:1])), soft)


@pytest.mark.parametrize(
    ("reading", "what"),
    [(PaperTokens("vector", 500, 128), "language model"), (PaperTokens("vector", 32, 513), "capability encoder")],
)
def test_more_tokens_than_a_backbone_reads_are_refused(
    networks: dict[str, PaperNetwork], make_layout: Callable[..., Layout], reading: PaperTokens, what: str
) -> None:
    layout = make_layout("bidirectional", reading)

    with pytest.raises(InputError, match=f"the recipe does not fit the backbone: .* for a {what} that reads 512"):
        check_lengths(networks["bidirectional"], layout)


def test_positions_of_the_roberta_family_start_behind_the_padding(
    networks: dict[str, PaperNetwork], make_layout: Callable[..., Layout]
) -> None:
    check_lengths(networks["causal"], make_layout("causal", PaperTokens("vector", 32, 513)))
    with pytest.raises(InputError, match="capability encoder that reads 513"):
        check_lengths(networks["causal"], make_layout("causal", PaperTokens("vector", 32, 514)))


def test_first_stage_teaches_the_connector_and_answers_that_no_vocabulary_brought(
    networks: dict[str, PaperNetwork],
) -> None:
    learning = {kind: names_of(networks[kind], parameter_groups(networks[kind], 1, kind == "causal")) for kind in KINDS}

    connector = {"connector.weight", "connector.bias"}
    assert learning == {"causal": [connector], "bidirectional": [connector | {"answer.weight"}]}


def test_second_stage_teaches_everything_and_encoder_and_connector_at_the_first_rate(
    networks: dict[str, PaperNetwork],
) -> None:
    network = networks["causal"]

    fast, slow = names_of(network, parameter_groups(network, 2, has_vocabulary=True))

    assert {name.split(".")[0] for name in fast} == {"encoder", "connector"}
    assert {name.split(".")[0] for name in slow} == {"language_model", "answer"}
    assert fast | slow == {name for name, _ in network.named_parameters()}


def names_of(network: PaperNetwork, groups: list[list[torch.nn.Parameter]]) -> list[set[str]]:
    names = {id(value): name for name, value in network.named_parameters()}
    return [{names[id(value)] for value in group} for group in groups]


def test_attention_is_computed_in_another_way_to_the_same_end(models: Path) -> None:
    tokenizer = load_tokenizer(models / "phi3")
    batch = tokenizer(["what is 2 + 2 ?", "spell it"], return_tensors="pt", padding=True)
    fused, plain = (start(models / "phi3", None, tokenizer, kind).eval() for kind in ("sdpa", "eager"))

    with torch.inference_mode():
        told = [network(batch["input_ids"], batch["attention_mask"]) for network in (fused, plain)]

    assert [network.language_model.config._attn_implementation for network in (fused, plain)] == ["sdpa", "eager"]
    torch.testing.assert_close(told[0], told[1], atol=1e-5, rtol=0)


@pytest.mark.skipif(is_flash_attn_2_available(), reason="flash-attn is installed")
def test_attention_that_this_machine_lacks_is_named(models: Path) -> None:
    with pytest.raises(InputError, match=r"attention 'flash_attention_2' does not run here \(.*set attention to sdpa"):
        start(models / "phi3", None, load_tokenizer(models / "phi3"), "flash_attention_2")
