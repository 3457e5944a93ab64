"""One joint pass equals a pass per candidate, because nobody sees what it should not see."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from modelsat.routers.model_sat.network import Network, Shape
from modelsat.text.encoder import load_language_model
from training import adapters

WIDTH, TASKS, CAPABILITY = 32, 5, 16
SHAPES = {
    "first layer": Shape(TASKS, CAPABILITY, entry_layer=0),
    "middle layer, four tokens": Shape(TASKS, CAPABILITY, entry_layer=1, soft_tokens=4),
    "last layer": Shape(TASKS, CAPABILITY, entry_layer=2),
}
SEEDS = st.integers(0, 2**31 - 1)
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=4)
OURS = ("reader", "trust", "ability", "difficulty", "connector", "correction", "inquiry", "head")


@pytest.fixture(scope="module", params=SHAPES.values(), ids=SHAPES.keys())
def network(request: pytest.FixtureRequest, make_network: Callable[..., Network]) -> Network:
    return make_network(request.param).requires_grad_(False)


@pytest.fixture
def fresh(make_network: Callable[..., Network]) -> Network:
    return make_network(SHAPES["middle layer, four tokens"], lively=False)


def prompts(lengths: list[int], seed: int, padding: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random states and the mask of prompts of these lengths; what lies under the padding is random too."""
    states = torch.randn(len(lengths), max(lengths) + padding, WIDTH, generator=torch.manual_seed(seed))
    mask = torch.arange(states.shape[1])[None, :] < torch.tensor(lengths)[:, None]
    return states, mask.long()


def candidates(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, CAPABILITY, generator=torch.manual_seed(seed + 1))


def last_states(network: Network, *inputs: torch.Tensor) -> torch.Tensor:
    """Return what the last layer makes of prompts and blocks."""
    seen: list[torch.Tensor] = []
    hook = network.upper[-1].register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    network(*inputs)
    hook.remove()
    return seen[0]


@given(lengths=LENGTHS, n=st.integers(1, 6), seed=SEEDS)
def test_one_pass_for_all_candidates_equals_one_pass_per_candidate(
    network: Network, lengths: list[int], n: int, seed: int
) -> None:
    states, mask = prompts(lengths, seed)
    capability = candidates(n, seed)

    together = network(states, mask, capability)

    alone = torch.cat([network(states, mask, capability[i : i + 1]) for i in range(n)], dim=1)
    assert together.shape == (len(lengths), n)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@given(lengths=LENGTHS, n=st.integers(1, 4), padding=st.integers(1, 9), seed=SEEDS)
def test_padding_and_company_change_no_score(
    network: Network, lengths: list[int], n: int, padding: int, seed: int
) -> None:
    states, mask = prompts(lengths, seed, padding)
    capability = candidates(n, seed)

    padded = network(states, mask, capability)

    alone = [network(states[i : i + 1, :size], mask[i : i + 1, :size], capability) for i, size in enumerate(lengths)]
    torch.testing.assert_close(padded, torch.cat(alone), atol=1e-5, rtol=1e-5)


@given(lengths=LENGTHS, n=st.integers(1, 6), seed=SEEDS)
def test_prompt_is_read_the_same_whoever_the_candidates_are(
    network: Network, lengths: list[int], n: int, seed: int
) -> None:
    states, mask = prompts(lengths, seed)
    length = states.shape[1]

    among_these = last_states(network, states, mask, candidates(n, seed))[:, :length]
    among_others = last_states(network, states, mask, candidates(7 - n, seed + 5))[:, :length]

    kept = mask.bool()
    torch.testing.assert_close(among_these[kept], among_others[kept], atol=1e-5, rtol=1e-5)


@given(lengths=LENGTHS, seed=SEEDS)
def test_prompt_alone_is_read_as_beside_candidates(network: Network, lengths: list[int], seed: int) -> None:
    states, mask = prompts(lengths, seed)

    beside = last_states(network, states, mask, candidates(3, seed))[:, : states.shape[1]]

    mean = torch.stack([beside[i, :size].mean(dim=0) for i, size in enumerate(lengths)])
    torch.testing.assert_close(network.last(states, mask), mean, atol=1e-5, rtol=1e-5)


def test_no_gradient_flows_from_a_candidate_to_another_one_or_to_a_prompt(network: Network) -> None:
    states, mask = prompts([4, 7], seed=0)
    capability = candidates(3, seed=0).requires_grad_()

    (on_scores,) = torch.autograd.grad(network(states, mask, capability)[:, 1].sum(), capability)
    read = last_states(network, states, mask, capability)[:, :7][mask.bool()]
    (on_prompts,) = torch.autograd.grad(read.pow(2).sum(), capability)

    assert on_scores[1].abs().min() > 0
    assert not on_scores[[0, 2]].any()
    assert not on_prompts.any()


def test_no_gradient_flows_to_what_is_padded_or_to_another_prompt(network: Network) -> None:
    states, mask = prompts([4, 7], seed=0, padding=2)
    states.requires_grad_()

    (flows,) = torch.autograd.grad(network(states, mask, candidates(3, seed=0))[0].sum(), states)

    assert flows[0, :4].abs().sum(dim=1).min() > 0
    assert not flows[0, 4:].any()
    assert not flows[1].any()


@given(lengths=LENGTHS, padding=st.integers(0, 9), seed=SEEDS)
def test_entering_a_padded_batch_gives_every_prompt_the_states_that_it_has_alone(
    network: Network, lengths: list[int], padding: int, seed: int
) -> None:
    _, mask = prompts(lengths, seed, padding)
    ids = torch.randint(4, 99, mask.shape, generator=torch.manual_seed(seed)) * mask

    together = network.enter(ids, mask)

    for i, size in enumerate(lengths):
        alone = network.enter(ids[i : i + 1, :size], mask[i : i + 1, :size])[0]
        torch.testing.assert_close(together[i, :size], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("entry_layer", [0, 1, 2])
def test_walk_passes_the_embeddings_and_then_every_layer(
    make_network: Callable[..., Network], backbone: Any, entry_layer: int
) -> None:
    network = make_network(Shape(TASKS, CAPABILITY, entry_layer))
    ids = torch.randint(4, 99, (2, 9), generator=torch.manual_seed(0))
    mask = torch.tensor([[1] * 9, [1] * 5 + [0] * 4])

    with torch.inference_mode():
        passed = list(network.walk(ids, mask))
        model = load_language_model(backbone)
        expected = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states

        torch.testing.assert_close(network.enter(ids, mask), passed[entry_layer], atol=0, rtol=0)
    assert len(passed) == len(expected) == 1 + 3
    kept = mask.bool()
    for states, theirs in zip(passed, expected, strict=True):
        torch.testing.assert_close(states[kept], theirs[kept], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("entry_layer", [0, 1, 2])
def test_prompt_that_enters_and_goes_on_is_read_by_the_whole_language_model(
    make_network: Callable[..., Network], backbone: Any, entry_layer: int
) -> None:
    network = make_network(Shape(TASKS, CAPABILITY, entry_layer))
    ids = torch.randint(4, 99, (2, 9), generator=torch.manual_seed(0))
    mask = torch.tensor([[1] * 9, [1] * 5 + [0] * 4])

    with torch.inference_mode():
        vectors = network.last(network.enter(ids, mask), mask)
        hidden = load_language_model(backbone)(input_ids=ids, attention_mask=mask).last_hidden_state

    expected = torch.stack([hidden[0].mean(dim=0), hidden[1, :5].mean(dim=0)])
    torch.testing.assert_close(vectors, expected, atol=1e-5, rtol=1e-5)


def test_fresh_network_says_what_the_card_says(fresh: Network) -> None:
    states, mask = prompts([3, 6], seed=0)
    capability = candidates(4, seed=0)

    with torch.inference_mode():
        logits = fresh(states, mask, capability)
        attention = fresh.attention(fresh.last(states, mask)).exp()

    level, lines = capability[:, 0], capability[:, 1 : 1 + TASKS]
    torch.testing.assert_close(attention.sum(dim=1), torch.ones(2))
    torch.testing.assert_close(logits, level + 0.5 * attention @ lines.T, atol=1e-6, rtol=1e-5)


@given(levels=st.lists(st.floats(-3, 3, width=32), min_size=2, max_size=6), seed=SEEDS)
def test_fresh_network_orders_even_cards_by_their_level(fresh: Network, levels: list[float], seed: int) -> None:
    capability = torch.zeros(len(levels), CAPABILITY)
    capability[:, 0] = torch.tensor(levels)

    with torch.inference_mode():
        logits = fresh(*prompts([5], seed), capability)

    torch.testing.assert_close(logits[0], torch.tensor(levels), atol=1e-6, rtol=0)


def test_reading_of_the_card_by_hand(fresh: Network) -> None:
    network = fresh
    capability = torch.zeros(1, CAPABILITY)
    capability[0, :6] = torch.tensor([0.5, 1.0, -1.0, 2.0, 0.0, 0.0])
    with torch.no_grad():
        network.reader.weight.zero_()
        network.reader.bias.copy_(torch.tensor([0.0, 0.0, 0.0, -99.0, -99.0]))
        network.ability.weight.fill_(2.0)
        network.ability.bias.fill_(0.25)
        network.difficulty.bias.fill_(-0.125)

        logits = network.read_card(torch.randn(1, WIDTH, generator=torch.manual_seed(0)), capability)

    told = 0.5 * (1.0 - 1.0 + 2.0) / 3
    assert logits.item() == pytest.approx(told + 2.0 * 0.5 + 0.25 - 0.125)


def test_soft_tokens_are_as_long_as_the_inquiry_and_stand_before_it(make_network: Callable[..., Network]) -> None:
    network = make_network(SHAPES["middle layer, four tokens"])

    with torch.inference_mode():
        blocks = network._blocks(candidates(3, seed=0))

    assert blocks.shape == (3, 5, WIDTH)
    torch.testing.assert_close(blocks[:, :4].norm(dim=-1), network.inquiry.norm().expand(3, 4))
    torch.testing.assert_close(blocks[:, 4], network.inquiry.expand(3, WIDTH))


@pytest.mark.parametrize("entry_layer", [-1, 3])
def test_entry_outside_the_language_model_is_refused(make_network: Callable[..., Network], entry_layer: int) -> None:
    with pytest.raises(ValueError, match=f"entry_layer {entry_layer} is outside the 3 layers"):
        make_network(replace(SHAPES["last layer"], entry_layer=entry_layer))


def stage_two(network: Network) -> dict[str, bool]:
    """Go two steps from a fresh network with adapters; return which parameters the second step reaches."""
    states, mask = prompts([3, 6], seed=0)
    learning = [value for value in network.parameters() if value.requires_grad]
    for _ in range(2):
        network.zero_grad()
        logits = network(states, mask, candidates(3, seed=0))
        functional.binary_cross_entropy_with_logits(logits, torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])).backward()
        with torch.no_grad():
            for value in learning:
                value -= 0.1 * value.grad if value.grad is not None else 0.0
    return {name: value.grad is not None and bool(value.grad.any()) for name, value in network.named_parameters()}


@pytest.mark.parametrize("entry_layer", [0, 1, 2])
def test_gradients_of_stage_two_reach_all_of_ours_and_the_adapters_and_nothing_else(
    make_network: Callable[..., Network], entry_layer: int
) -> None:
    network = make_network(Shape(TASKS, CAPABILITY, entry_layer, soft_tokens=2), lively=False)
    with torch.no_grad():
        network.inquiry.normal_(generator=torch.manual_seed(0))
    adapters.inject(network, rank=2, seed=0)

    reached = {name for name, touched in stage_two(network).items() if touched}

    ours = {name for name, _ in network.named_parameters() if name.split(".")[0] in OURS}
    lora = {name for name, _ in network.named_parameters() if "lora_" in name}
    assert len(lora) == 4 * (3 - entry_layer)
    assert reached == ours | lora


def test_gradients_of_stage_one_reach_only_what_reads_cards(make_network: Callable[..., Network]) -> None:
    network = make_network(SHAPES["last layer"])
    vectors = torch.randn(3, WIDTH, generator=torch.manual_seed(0))

    network.read_card(vectors, candidates(2, seed=0)).pow(2).sum().backward()

    reached = {name.split(".")[0] for name, value in network.named_parameters() if value.grad is not None}
    assert reached == {"reader", "trust", "ability", "difficulty", "connector", "correction"}
