"""Code, recipe and results name the commit that they come from, where they come from one."""

import subprocess
from pathlib import Path

import pytest

from modelsat import __version__
from modelsat.io.checkout import Commit, commit_of
from modelsat.steps import provenance


def git(folder: Path, *command: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    return subprocess.run(["git", "-C", str(folder), *who, *command], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with committed results and a recipe, and an ignored folder."""
    folder = tmp_path / "project"
    for name in ("results", ".run"):
        (folder / name).mkdir(parents=True)
    (folder / "results" / "scores.csv").write_text("prompt_id,a,b\n")
    (folder / "recipe.yaml").write_text("epochs: 1\n")
    (folder / ".gitignore").write_text(".run\n")
    (folder / ".run" / "scores.csv").write_text("prompt_id,a,b\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "results")
    return folder


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD").strip()


def test_files_of_a_checkout_are_at_its_commit(checkout: Path) -> None:
    assert commit_of(checkout / "results") == Commit(head(checkout), changed=False)
    assert commit_of(checkout / "recipe.yaml") == Commit(head(checkout), changed=False)


def test_changed_or_new_files_are_said_to_differ_and_those_elsewhere_do_not_matter(checkout: Path) -> None:
    (checkout / "results" / "more.csv").write_text("prompt_id,c\n")

    changed = commit_of(checkout / "results")
    assert changed == Commit(head(checkout), changed=True)
    assert changed.changes == ("results/more.csv",)
    assert commit_of(checkout / "recipe.yaml") == Commit(head(checkout), changed=False)


def test_what_git_ignores_or_does_not_know_has_no_commit(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()

    assert commit_of(checkout / ".run") is None
    assert commit_of(tmp_path / "plain") is None
    assert commit_of(tmp_path / "nowhere" / "at-all") is None


def test_checkout_of_a_hook_that_runs_this_is_not_taken_for_that_of_the_files(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").mkdir()
    monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(checkout))

    assert commit_of(tmp_path / "plain") is None


def test_machine_without_git_knows_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert commit_of(checkout / "results") is None


def test_run_names_version_commits_and_sources(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(provenance.REVISION, "0" * 40 + "-dirty")
    (checkout / "recipe.yaml").write_text("epochs: 2\n")

    tags = provenance.tags([str(checkout / "results"), "s3://bucket/scores"], str(checkout / "recipe.yaml"))

    assert tags == {
        "modelsat.version": __version__,
        "modelsat.sources": f"{checkout / 'results'}, s3://bucket/scores",
        "modelsat.sources_commit": f"{checkout / 'results'}: {head(checkout)}",
        "modelsat.recipe_commit": f"{head(checkout)} with changes",
        "mlflow.source.git.commit": "0" * 40,
        "mlflow.source.git.dirty": "true",
    }


def test_tags_without_any_checkout_leave_commits_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv(provenance.REVISION, "unknown")

    assert provenance.tags([str(tmp_path)], "cpu") == {
        "modelsat.version": __version__,
        "modelsat.sources": str(tmp_path),
    }
