"""The FLOPs that utilisation is reckoned with are those that torch counts."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import Phi3Config, Phi3Model


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("training_speed")


@pytest.mark.parametrize("length", [16, 64])
def test_flops_of_a_token_are_those_that_torch_counts(speed: ModuleType, length: int) -> None:
    # Eager attention, since torch counts the other kind on GPUs alone.
    config = Phi3Config(**speed.TINY, **speed.HEADS, **speed.SPECIAL, attn_implementation="eager")
    model = Phi3Model(config).train()

    with FlopCounterMode(display=False) as counter:
        ids = torch.zeros(3, length, dtype=torch.long)
        model(ids, use_cache=False).last_hidden_state.sum().backward()

    assert speed.model_flops(config, length) * ids.numel() == counter.get_total_flops()


def test_phi_3_mini_multiplies_a_token_by_3_6_billion_weights(speed: ModuleType) -> None:
    config = Phi3Config(**speed.PHI_3_MINI, **speed.HEADS, **speed.SPECIAL)

    assert speed.parameters(config) == 3_623_878_656


def test_device_whose_peak_is_not_known_asks_for_it(speed: ModuleType) -> None:
    assert speed.peak_teraflops("NVIDIA H100 80GB HBM3") == 989.4
    with pytest.raises(SystemExit, match="'NVIDIA T4' is not known here; name its TFLOP/s with --peak"):
        speed.peak_teraflops("NVIDIA T4")
