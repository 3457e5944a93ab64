"""Checks settings and asks every external service for a sign of life before any expensive work starts."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelsat import settings
from modelsat.bundle import champions
from modelsat.cluster import training_plan
from modelsat.errors import InputError, ModelsatError, ResourceError
from modelsat.io import mlflow_server, storage
from modelsat.io.atomic import write_text
from modelsat.text.backbone import WEIGHTS

_NEEDED_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Prerequisite:
    """One thing that has to be there: what was asked, whether it answered, what it said or what to do."""

    title: str
    holds: bool
    detail: str


def run(
    chosen: Mapping[str, Any],
    sources: Sequence[str],
    tracking_uri: str,
    champion_store: str,
    bundle_store: str,
    work_root: str,
    report: Path,
) -> tuple[bool, str, dict[str, int]]:
    """Check everything and write the page, Markdown.

    Args:
        chosen: As of `check`, like the next five.
        sources: Likewise.
        tracking_uri: Likewise.
        champion_store: Likewise.
        bundle_store: Likewise.
        work_root: Likewise.
        report: Receives what was checked and what it said.

    Returns:
        Whether everything is there, all faults in one sentence, and counts of checks.
    """
    found = check(chosen, sources, tracking_uri, champion_store, bundle_store, work_root)
    write_text(report, page(found))
    failed = sum(not item.holds for item in found)
    return not failed, sentence(found), {"checks_passed": len(found) - failed, "checks_failed": failed}


def check(
    chosen: Mapping[str, Any],
    sources: Sequence[str],
    tracking_uri: str,
    champion_store: str,
    bundle_store: str,
    work_root: str,
) -> tuple[Prerequisite, ...]:
    """Check settings, sources, MLflow, stores and disk.

    Args:
        chosen: Settings of the run by name (`modelsat.settings`), those that have bounds.
        sources: Folders or `s3://` prefixes with results.
        tracking_uri: MLflow server.
        champion_store: Champion records.
        bundle_store: Router bundles.
        work_root: Folder for training.
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("settings", lambda: f"{len(settings.check(chosen))} within their bounds"),
        ("training", _training(chosen, work_root)),
        *((f"results at {source}", _source(source)) for source in sources),
        (f"MLflow at {tracking_uri}", lambda: f"version {mlflow_server.check(tracking_uri)}"),
        (f"champion records at {champion_store}", _champion(champion_store)),
        (f"bundle store at {bundle_store}", lambda: f"{len(storage.names(bundle_store))} files at the top"),
        (f"disk at {work_root}", _disk(work_root)),
    ]
    return tuple(_ask(title, question) for title, question in checks)


def sentence(found: Sequence[Prerequisite]) -> str:
    """Return all faults in one sentence, or that there are none."""
    faults = [item.detail for item in found if not item.holds]
    return "; and ".join(faults) if faults else f"{len(found)} prerequisites hold"


def page(found: Sequence[Prerequisite]) -> str:
    """Return a Markdown table of what was asked."""
    rows = "\n".join(f"| {item.title} | {'holds' if item.holds else '**missing**'} | {item.detail} |" for item in found)
    return f"| prerequisite | result | detail |\n|---|---|---|\n{rows}\n"


def _ask(title: str, question: Callable[[], str]) -> Prerequisite:
    try:
        return Prerequisite(title, True, question())
    except ModelsatError as error:
        return Prerequisite(title, False, str(error))


def _source(uri: str) -> Callable[[], str]:
    return lambda: f"{storage.count(uri):,} files"


def _champion(store: str) -> Callable[[], str]:
    def ask() -> str:
        champion = champions.current(store)
        if champion is None:
            return "no champion yet"
        gone = champions.missing(store)
        note = f"; records of epochs {', '.join(map(str, gone))} were deleted" if gone else ""
        return f"champion of epoch {champion.epoch}, {champion.model}{note}"

    return ask


def _training(chosen: Mapping[str, Any], work_root: str) -> Callable[[], str]:
    def ask() -> str:
        # Bounds are the check before this one, which has named what breaks them.
        try:
            settings.check(chosen)
        except InputError:
            return "not asked: the settings are out of their bounds"
        recipe = training_plan.recipe_of(_on_volume(settings.RetrainSettings(**chosen).train_recipe))
        told = training_plan.check({**chosen, "train_work_root": work_root}, recipe)
        return f"{told}, {_backbone(str(chosen.get('train_backbone', '')), recipe.get('capability_encoder', ''))}"

    return ask


def _on_volume(recipe: str) -> str:
    """Return the recipe's name; a file on the volume has to be there, since all steps mount it."""
    path = Path(recipe)
    if path.suffix in (".yaml", ".yml") and path.is_relative_to(training_plan.VOLUME) and not path.is_file():
        raise InputError(f"there is no recipe {recipe!r} on the volume; copy it there or name one of modelsat's")
    return recipe


def _backbone(named: str, encoder: str) -> str:
    """Return what is known of the folders that training reads; those outside the volume only its own image has."""
    if not named:
        return "the packaged backbone"
    folders = [Path(named), *([Path(named) / encoder] if encoder else [])]
    for folder in folders:
        if not folder.is_dir() and not Path(named).is_relative_to(training_plan.VOLUME):
            return f"backbone {named} as the training image has it"
        missing = [name for name in ("config.json", WEIGHTS) if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"the folder {str(folder)!r} of train_backbone has no {missing[0]}: copy the model there, with its "
                "weights in one safetensors file"
            )
    return f"backbone {named}"


def _disk(work_root: str) -> Callable[[], str]:
    def ask() -> str:
        folder = Path(work_root)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the folder {work_root!r} cannot be made ({error.strerror}); name another one for training"
            ) from error
        free = shutil.disk_usage(folder).free
        if free < _NEEDED_BYTES:
            raise ResourceError(f"{work_root!r} has {free // 2**20} MiB free, training needs 2048; free some space")
        return f"{free // 2**30} GiB free"

    return ask
