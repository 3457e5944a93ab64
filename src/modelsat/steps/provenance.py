"""Where code, recipe and results of a run came from, as tags of its MLflow run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import modelsat
from modelsat import __version__
from modelsat.io import storage
from modelsat.io.checkout import Commit, commit_of

REVISION = "MODELSAT_REVISION"
"""Variable of our images: the commit that they were built from, `-dirty` at its end where files differed."""
_TAG_CHARACTERS = 5000


def tags(sources: Sequence[str], recipe: str = "") -> dict[str, str]:
    """Return version, commits and sources of a run; a commit is missing where there is none.

    Args:
        sources: Folders or `s3://` prefixes with results.
        recipe: Name or path of the training recipe; one that comes with modelsat has the commit of its code.
    """
    code = _built() or commit_of(Path(modelsat.__file__).parent)
    recipe_file = Path(recipe)
    of_recipe = commit_of(recipe_file) if recipe_file.suffix in (".yaml", ".yml") else None
    of_sources = {uri: commit_of(uri) for uri in sources if not storage.is_s3(uri)}
    found = {
        "modelsat.version": __version__,
        "modelsat.sources": ", ".join(sources),
        "modelsat.sources_commit": _listed(of_sources),
        "modelsat.recipe_commit": str(of_recipe or ""),
        # MLflow's own names, which its pages show.
        "mlflow.source.git.commit": code.revision if code else "",
        "mlflow.source.git.dirty": str(code.changed).lower() if code else "",
    }
    return {name: value[:_TAG_CHARACTERS] for name, value in found.items() if value}


def _built() -> Commit | None:
    revision = os.environ.get(REVISION, "")
    if revision in ("", "unknown"):
        return None
    return Commit(revision.removesuffix("-dirty"), revision.endswith("-dirty"))


def _listed(commits: Mapping[str, Commit | None]) -> str:
    return ", ".join(f"{uri}: {commit}" for uri, commit in commits.items() if commit)
