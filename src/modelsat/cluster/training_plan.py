"""Whether a run's training settings can train together: recipe, backbone, ranks, GPUs and nodes.

Each setting may be within its bounds and the run still fail at its fine-tuning step, after all steps before it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelsat.cluster import launch_torchrun
from modelsat.errors import InputError
from modelsat.settings import RetrainSettings

PACKAGED_TOKENS = 512
"""Tokens that the packaged backbone reads at once."""
VOLUME = "/mnt/modelsat"
"""Where the pods of all steps and of a TrainJob mount the volume `modelsat-work`."""


def check(chosen: Mapping[str, Any], recipe: Mapping[str, Any] | None = None) -> str:
    """Return in a few words how a run would train.

    Args:
        chosen: Settings of the run by name; those left out have their defaults.
        recipe: Settings of its recipe; None reads them.

    Raises:
        InputError: It cannot train so; all faults are named at once.
    """
    settings = RetrainSettings(**chosen)
    found = faults(settings, recipe_of(settings.train_recipe) if recipe is None else recipe)
    if found:
        raise InputError("; and ".join(found))
    where = f"on {settings.train_nodes} nodes of a TrainJob" if settings.train_nodes else "in the step's own pod"
    return f"recipe {settings.train_recipe}, {settings.train_ranks} ranks {where}"


def recipe_of(name: str) -> dict[str, Any]:
    """Return the settings of a recipe; none of a file that only the training's own pod has.

    Raises:
        InputError: There is no such recipe, or a value is out of bounds.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and not path.is_file():
        return {}
    settings: dict[str, Any] = launch_torchrun.resolve(name)["settings"]
    return settings


def faults(settings: RetrainSettings, recipe: Mapping[str, Any]) -> list[str]:
    """Return in one sentence each why these settings cannot train; none where they can.

    Args:
        settings: Of the run.
        recipe: Settings of its recipe; empty where they are not known.
    """
    return [*_of_backbone(settings, recipe), *_of_gpus(settings), *_of_nodes(settings)]


def tokens(recipe: Mapping[str, Any]) -> int:
    """Return how many tokens a recipe makes a language model read at once; 0 where it does not say."""
    prompt, card = int(recipe.get("max_tokens", 0)), int(recipe.get("card_tokens", 0))
    return prompt + card if recipe.get("capability") == "text" else max(prompt, card)


def _of_backbone(settings: RetrainSettings, recipe: Mapping[str, Any]) -> list[str]:
    if settings.train_backbone:
        return []
    name, encoder = settings.train_recipe, recipe.get("capability_encoder")
    if encoder:
        return [
            f"train_recipe {name!r} needs train_backbone, the folder of a language model, with {encoder!r} relative to "
            "it: name one on the volume, or take recipe 'auto', which trains the packaged model on CPUs and GPUs"
        ]
    if tokens(recipe) > PACKAGED_TOKENS:
        return [
            f"train_recipe {name!r} reads {tokens(recipe)} tokens at once and the packaged backbone {PACKAGED_TOKENS}: "
            "name another one as train_backbone, or take recipe 'auto'"
        ]
    return []


def _of_gpus(settings: RetrainSettings) -> list[str]:
    limit = settings.train_gpu_limit.strip()
    if not limit.isdigit():
        return [f"train_gpu_limit is {settings.train_gpu_limit!r}: write a number of GPUs, 0 for none"]
    gpus, name = (
        (settings.train_node_gpus, "train_node_gpus") if settings.train_nodes else (int(limit), "train_gpu_limit")
    )
    if gpus and settings.train_ranks > gpus:
        return [
            f"train_ranks is {settings.train_ranks} and {name} {gpus}: each rank needs a GPU of its own, so set "
            f"train_ranks to {gpus} or less"
        ]
    return []


def _of_nodes(settings: RetrainSettings) -> list[str]:
    found = []
    if settings.train_node_gpus and not settings.train_nodes:
        found.append(
            f"train_node_gpus is {settings.train_node_gpus} and train_nodes 0: set train_nodes for a TrainJob, or "
            "train_gpu_limit for the step's own pod"
        )
    if settings.train_nodes and settings.train_gpu_limit.strip() not in ("", "0"):
        found.append(
            f"train_gpu_limit is {settings.train_gpu_limit!r} and train_nodes {settings.train_nodes}: the step's own "
            "pod would hold GPUs that a TrainJob does not use; set train_gpu_limit to 0"
        )
    if settings.train_nodes and not Path(settings.train_work_root).is_relative_to(VOLUME):
        found.append(
            f"train_work_root {settings.train_work_root!r} is not on {VOLUME}, the volume that the pods of a TrainJob "
            f"share: name a folder below {VOLUME}"
        )
    return found
