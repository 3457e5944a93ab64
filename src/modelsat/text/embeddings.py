"""Prompt vectors, computed once and cached in a folder under the digest of texts, backbone and window."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from modelsat.io.atomic import atomic_file
from modelsat.io.storage import file_digest
from modelsat.text.backbone import WEIGHTS, default_backbone
from modelsat.text.rendering import digest

MAX_TOKENS = 256
LAYERS = (2, 4, 6)
"""Layers of MiniLM: rivals read the last one, as published; fusion reads all."""


def vectors(
    texts: Sequence[str],
    cache: Path,
    backbone: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return unit vectors of prompts, one per layer of `LAYERS`, float32 (texts, layers, width); known ones are kept.

    Args:
        texts: Rendered prompts.
        cache: Folder that keeps vectors.
        backbone: Folder of the encoder; None takes the packaged MiniLM.
        progress: Called with (prompts done, prompts in all).
    """
    folder = backbone or default_backbone()
    key = digest("\x00".join([file_digest(folder / WEIGHTS), str(MAX_TOKENS), *map(str, LAYERS), *texts]))
    path = cache / f"{key}.npy"
    if path.is_file():
        return np.asarray(np.load(path, allow_pickle=False))
    # The encoder comes with torch, which vectors that are kept do without.
    from modelsat.text.encoder import Encoder

    encoded = Encoder(folder, MAX_TOKENS, LAYERS).encode(texts, progress)
    cache.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as beside, beside.open("wb") as file:
        np.save(file, encoded, allow_pickle=False)
    return encoded
