"""What is kept on disk is what would be computed, and merged adapters say what they said beside the layer."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from modelsat import errors
from modelsat.routers.model_sat.network import Network, Shape
from modelsat.text.encoder import Encoder
from training import adapters, states
from training.states import States

WIDTH, TASKS, CAPABILITY = 32, 5, 16
TRAIN = 5
LENGTHS = [3, 9, 1, 9, 4, 6, 2]
SHAPE = Shape(TASKS, CAPABILITY, entry_layer=1, soft_tokens=2)


@pytest.fixture(scope="module")
def network(make_network: Callable[..., Network]) -> Network:
    return make_network(SHAPE)


@pytest.fixture(scope="module")
def ids() -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(4, 99, size).tolist() for size in LENGTHS]


class Counting(torch.nn.Module):
    """A network that counts the prompts that enter it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network, self.inquiry, self.entered = network, network.inquiry, 0
        self.lower, self.upper, self.shape = network.lower, network.upper, network.shape

    def walk(self, input_ids: torch.Tensor, mask: torch.Tensor) -> Iterator[torch.Tensor]:
        self.entered += len(input_ids)
        return self.network.walk(input_ids, mask)


def held(found: States) -> np.ndarray:
    """Return the states that are on disk."""
    return np.fromfile(found.hidden, np.float16).astype(np.float32)


def together(network: Network, ids: list[list[int]], folder: Path, ranks: int) -> States:
    """Encode with several ranks, each of which waits where ranks wait for each other."""
    barrier = threading.Barrier(ranks, timeout=20)
    found: dict[int, States] = {}

    def work(rank: int) -> None:
        found[rank] = states.encode(network, ids, TRAIN, folder, "key", rank, ranks, lambda: barrier.wait() and None)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == list(range(ranks))
    return found[ranks - 1]


def test_states_on_disk_are_those_of_each_prompt_alone(network: Network, ids: list[list[int]], tmp_path: Path) -> None:
    kept = states.encode(network, ids, TRAIN, tmp_path, "key")

    hidden, mask = kept.batch(np.arange(TRAIN))
    with torch.inference_mode():
        for i, row in enumerate(ids[:TRAIN]):
            alone = network.enter(torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long))[0]
            torch.testing.assert_close(hidden[i, : len(row)], alone, atol=1e-3, rtol=1e-3)
            assert mask[i].tolist() == [1] * len(row) + [0] * (9 - len(row))


def test_scores_from_states_on_disk_are_those_from_the_prompts(
    network: Network, ids: list[list[int]], tmp_path: Path
) -> None:
    capability = torch.randn(4, CAPABILITY, generator=torch.manual_seed(0))
    kept = states.encode(network, ids, TRAIN, tmp_path, "key")

    with torch.inference_mode():
        cached = network(*kept.batch(np.array([1, 4])), capability)
        input_ids, mask = states._padded([ids[1], ids[4]])
        computed = network(network.enter(input_ids, mask), mask, capability)

    torch.testing.assert_close(cached, computed, atol=1e-2, rtol=1e-3)


def test_vectors_are_those_of_the_sentence_encoder(
    make_network: Callable[..., Network], backbone: Path, tmp_path: Path
) -> None:
    texts = ["What is 12 + 30?", "Spell the word harbour.", "Yes?"]
    encoder = Encoder(backbone)
    ids = encoder.tokenizer(texts)["input_ids"]

    vectors = states.encode(make_network(SHAPE), ids, 1, tmp_path, "key").vectors

    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(unit, encoder.encode(texts), atol=1e-6)


@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_several_ranks_leave_what_one_leaves(
    network: Network, ids: list[list[int]], tmp_path: Path, ranks: int
) -> None:
    one = states.encode(network, ids, TRAIN, tmp_path / "one", "key")
    several = together(network, ids, tmp_path / "several", ranks)

    np.testing.assert_allclose(held(several), held(one), atol=2e-3)
    np.testing.assert_allclose(several.vectors, one.vectors, atol=1e-5)
    assert several.lengths.tolist() == LENGTHS[:TRAIN]


def test_states_of_the_same_key_are_computed_once(network: Network, ids: list[list[int]], tmp_path: Path) -> None:
    counting = Counting(network)

    first = states.encode(counting, ids, TRAIN, tmp_path, "key")
    hidden = held(first)
    second = states.encode(counting, ids, TRAIN, tmp_path, "key")

    assert counting.entered == len(ids)
    np.testing.assert_array_equal(hidden, held(second))
    np.testing.assert_array_equal(first.vectors, second.vectors)


def spoil_key(folder: Path) -> None:
    (folder / "states.json").write_text('{"key": "another"}')


def spoil_manifest(folder: Path) -> None:
    (folder / "states.json").write_text("[]")


def drop_manifest(folder: Path) -> None:
    (folder / "states.json").unlink()


def drop_hidden(folder: Path) -> None:
    (folder / "hidden.f16").unlink()


def truncate_vectors(folder: Path) -> None:
    file = folder / states.MEANS
    file.write_bytes(file.read_bytes()[:-4])


@pytest.mark.parametrize("harm", [spoil_key, spoil_manifest, drop_manifest, drop_hidden, truncate_vectors])
@pytest.mark.parametrize("ranks", [1, 2])
def test_states_that_are_not_complete_or_not_these_are_computed_again(
    network: Network, ids: list[list[int]], tmp_path: Path, harm: Callable[[Path], None], ranks: int
) -> None:
    first = states.encode(network, ids, TRAIN, tmp_path, "key")
    hidden, vectors = held(first), first.vectors
    harm(tmp_path)

    counting = Counting(network)
    again = together(counting, ids, tmp_path, ranks)

    assert counting.entered == len(ids)
    np.testing.assert_allclose(held(again), hidden, atol=2e-3)
    np.testing.assert_allclose(again.vectors, vectors, atol=1e-5)


def test_encoding_that_is_cut_off_does_not_count_as_done(
    network: Network, ids: list[list[int]], tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    states.encode(network, ids, TRAIN, tmp_path, "key")
    (tmp_path / "hidden.f16").unlink()
    with pytest.raises(KeyboardInterrupt):
        states.encode(network, ids, TRAIN, tmp_path, "key", progress=stop)

    counting = Counting(network)
    states.encode(counting, ids, TRAIN, tmp_path, "key")

    assert counting.entered == len(ids)


def test_progress_ends_with_all_prompts(network: Network, ids: list[list[int]], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    states.encode(network, ids, TRAIN, tmp_path, "key", progress=lambda *pair: seen.append(pair))

    assert seen[-1] == (len(ids), len(ids))


def test_states_that_do_not_fit_on_the_disk_end_in_a_sentence(
    network: Network, mount_disk: Callable[[str], Path]
) -> None:
    ids = [[5] * 64] * 64

    with pytest.raises(errors.ResourceError, match="the disk is full"):
        states.encode(network, ids, 64, mount_disk("size=64k"), "key")


def test_filler_stands_for_the_first_prompt_and_is_as_long(tmp_path: Path) -> None:
    np.arange(6, dtype=np.float16).tofile(tmp_path / "hidden.f16")
    kept = States(np.array([2, 1]), tmp_path / "hidden.f16", np.zeros((2, 1, 2), dtype=np.float32))

    hidden, mask = kept.batch(np.array([1, -1]))

    assert hidden.tolist() == [[[4, 5], [0, 0]], [[0, 1], [2, 3]]]
    assert mask.tolist() == [[1, 0], [1, 1]]


def adapted(make_network: Callable[..., Network], rank: int, seed: int = 0, lively: bool = True) -> Network:
    network = make_network(SHAPE)
    adapters.inject(network, rank, seed)
    if lively:
        generator = torch.manual_seed(seed)
        with torch.no_grad():
            for name, value in network.named_parameters():
                if "lora_B" in name:
                    value.normal_(std=0.2, generator=generator)
    return network


def scores(network: Network, seed: int) -> torch.Tensor:
    generator = torch.manual_seed(seed)
    hidden, capability = torch.randn(2, 6, WIDTH, generator=generator), torch.randn(3, CAPABILITY, generator=generator)
    with torch.inference_mode():
        return network(hidden, torch.tensor([[1] * 6, [1] * 4 + [0] * 2]), capability)


def test_fresh_adapters_change_no_score(make_network: Callable[..., Network]) -> None:
    torch.testing.assert_close(
        scores(adapted(make_network, 4, lively=False), 0), scores(make_network(SHAPE), 0), atol=0, rtol=0
    )


@pytest.mark.parametrize("rank", [1, 4, 40])
@given(seed=st.integers(0, 2**31 - 1))
def test_merged_adapters_score_as_adapters_beside_the_layer(
    make_network: Callable[..., Network], rank: int, seed: int
) -> None:
    network = adapted(make_network, rank, seed)
    beside = scores(network, seed)

    merged = scores(adapters.merged(network), seed)

    torch.testing.assert_close(merged, beside, atol=1e-4, rtol=1e-4)
    assert (merged - scores(make_network(SHAPE), seed)).abs().max() > 1e-3


def test_merged_network_is_one_that_knows_nothing_of_adapters(
    make_network: Callable[..., Network], tmp_path: Path
) -> None:
    network = adapters.merged(adapted(make_network, 4))
    save_file(network.state_dict(), tmp_path / "network.safetensors")

    plain = make_network(SHAPE, lively=False)
    plain.load_state_dict(load_file(tmp_path / "network.safetensors"), strict=True)

    assert not [name for name in network.state_dict() if "lora" in name or "base_layer" in name]
    torch.testing.assert_close(scores(plain, 0), scores(network, 0), atol=0, rtol=0)


def test_adapters_sit_on_query_and_value_of_the_upper_layers_alone(make_network: Callable[..., Network]) -> None:
    network = adapted(make_network, 4)

    places = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name, _ in network.named_parameters() if "lora_" in name}
    layers = {".".join(name.split(".")[:2]) for name, _ in network.named_parameters() if "lora_" in name}
    assert places == {"query", "value"}
    assert layers == {"upper.0", "upper.1"}


def test_language_model_rests_below_the_adapters(make_network: Callable[..., Network]) -> None:
    network = adapted(make_network, 4)

    learning = [name for name, value in network.named_parameters() if value.requires_grad]
    language_model = [name for name in learning if name.startswith(("embeddings.", "lower.", "upper."))]
    assert all("lora_" in name for name in language_model)
    assert len(learning) > len(language_model) == 8


def test_one_seed_gives_one_start(make_network: Callable[..., Network]) -> None:
    first, again, other = (adapted(make_network, 4, seed, lively=False).state_dict() for seed in (0, 0, 1))

    drawn = [name for name in first if "lora_A" in name]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in drawn)
