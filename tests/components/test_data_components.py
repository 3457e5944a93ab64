"""Collect, validate and build instructions, as KFP calls them: artifacts in, artifacts and scalars out."""

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.build_instructions import build_instructions
from components.collect_scores import collect_scores
from components.read_sources import read_sources
from components.share_sources import share_sources
from components.validate_scores import validate_scores
from modelsat.aptitude.instructions import Instructions
from modelsat.bundle import champions
from modelsat.bundle.bundle import Bundle, publish
from modelsat.data import collection
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.io import storage

Artifact = Callable[..., Any]


def collect(artifact: Artifact, *sources: str, kept: str = "") -> tuple[str, dict[str, Any]]:
    outputs = {
        "scores": artifact(dsl.Dataset, "scores"),
        "report": artifact(dsl.HTML, "collected"),
        "metrics": artifact(dsl.Metrics, "metrics"),
    }
    return collect_scores.python_func(list(sources), kept=kept, **outputs), outputs


def validate(artifact: Artifact, scores: Path, store: Path, **limits: float) -> tuple[bool, str, str, dict[str, float]]:
    report, metrics = artifact(dsl.HTML, "validated"), artifact(dsl.Metrics, "checks")
    valid, sentence = validate_scores.python_func(
        scores=artifact(dsl.Dataset, "in", scores),
        champion_store=str(store),
        max_rejected_share=limits.get("max_rejected_share", 0.0),
        max_drift=limits.get("max_drift", 0.1),
        report=report,
        metrics=metrics,
    )
    return valid, sentence, Path(report.path).read_text(encoding="utf-8"), metrics.metadata


def spoil(source: Path, into: Path, cell: str) -> Path:
    """Copy a sample and write `cell` into the first candidate's score of the first prompt, in line 2."""
    shutil.copytree(source, into)
    header, first, *rest = (into / "scores.csv").read_text(encoding="utf-8").splitlines()
    prompt_id, _, *others = first.split(",")
    (into / "scores.csv").write_text("\n".join([header, ",".join([prompt_id, cell, *others]), *rest, ""]))
    return into


def test_collecting_writes_tables_page_and_counts(artifact: Artifact, small_sample: Path) -> None:
    sentence, outputs = collect(artifact, str(small_sample))

    tables = Collection.read(Path(outputs["scores"].path))
    assert sentence == "3,760 scores of 12 candidates on 320 prompts (2 % not run)"
    assert tables.counts() == outputs["metrics"].metadata
    assert outputs["metrics"].metadata["benchmarks"] == 4
    assert outputs["metrics"].metadata["rejected_rows"] == 0
    assert sentence in Path(outputs["report"].path).read_text(encoding="utf-8")


def test_collecting_from_s3_gives_the_tables_of_the_folder_and_fetches_them_once(
    artifact: Artifact,
    small_sample: Path,
    collected: Path,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for path in small_sample.iterdir():
        storage.create(f"s3://{bucket}/results/{path.name}", path.read_bytes())

    first, _ = collect(artifact, f"s3://{bucket}/results", kept=str(tmp_path / "kept"))
    monkeypatch.delattr(storage, "snapshot")
    again, outputs = collect(artifact, f"s3://{bucket}/results", kept=str(tmp_path / "kept"))

    assert "; the first collection here, " in first
    assert "; the same as the last collection, " in again

    from_s3, from_folder = Collection.read(Path(outputs["scores"].path)), Collection.read(collected)
    assert from_s3.digest() == from_folder.digest()
    assert from_s3.sources == (f"s3://{bucket}/results",)
    assert from_s3.scores["source_uri"].unique().to_pylist() == [f"s3://{bucket}/results/scores.csv"]


def test_collecting_from_a_folder_and_s3_at_once_counts_what_is_equal_once(
    artifact: Artifact, small_sample: Path, bucket: str
) -> None:
    for path in small_sample.iterdir():
        storage.create(f"s3://{bucket}/{path.name}", path.read_bytes())

    sentence, outputs = collect(artifact, str(small_sample), f"s3://{bucket}")

    assert sentence.startswith("3,760 scores of 12 candidates on 320 prompts")
    assert "the same score twice" in Path(outputs["report"].path).read_text(encoding="utf-8")


def test_results_that_other_tasks_have_read_are_merged_to_the_same_tables(
    artifact: Artifact, small_sample: Path, collected: Path
) -> None:
    (share,) = share_sources.python_func([str(small_sample)], 3)
    harvest = artifact(dsl.Dataset, "harvest")
    said = read_sources.python_func(share["sources"], harvest)
    outputs = [artifact(kind, name) for kind, name in ((dsl.Dataset, "s"), (dsl.HTML, "page"), (dsl.Metrics, "m"))]

    sentence = collect_scores.python_func([str(small_sample)], *outputs, harvests=[harvest])

    assert said == "3,760 scores in 1 source"
    assert sentence == "3,760 scores of 12 candidates on 320 prompts (2 % not run)"
    assert Collection.read(Path(outputs[0].path)).digest() == Collection.read(collected).digest()


def test_collecting_nothing_leaves_no_output_behind(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(InputError, match=r"empty' holds no files; name"):
        collect(artifact, str(tmp_path / "empty"))

    assert list((tmp_path / "outputs").iterdir()) == []


def test_untouched_sample_is_valid(artifact: Artifact, collected: Path, tmp_path: Path) -> None:
    valid, sentence, page, metrics = validate(artifact, collected, tmp_path / "champions")

    assert valid
    assert "checks passed" in sentence
    assert sentence in html.unescape(page)
    assert metrics["expectations"] == 20
    assert metrics["failed_expectations"] == 1  # the candidate without a price, a warning


def test_bad_score_is_found_and_shown_with_its_file_and_line(
    artifact: Artifact, small_sample: Path, tmp_path: Path
) -> None:
    bad = spoil(small_sample, tmp_path / "bad", "85")
    _, outputs = collect(artifact, str(bad))

    valid, sentence, page, metrics = validate(artifact, Path(outputs["scores"].path), tmp_path / "champions")

    assert not valid
    assert "Every score lies in [0, 1] does not hold for 1 row," in sentence
    assert f"{bad}/scores.csv row 2" in sentence
    assert "rescale percentages" in sentence
    assert f"{bad}/scores.csv" in page
    assert "The run stops here" in page
    assert metrics["failed_expectations"] == 3  # the range, the mean that it drives beyond 1, the missing price


def test_unreadable_rows_are_tolerated_up_to_the_share_that_was_asked_for(
    artifact: Artifact, small_sample: Path, tmp_path: Path
) -> None:
    _, outputs = collect(artifact, str(spoil(small_sample, tmp_path / "bad", "none at all")))
    scores = Path(outputs["scores"].path)

    strict, sentence, page, _ = validate(artifact, scores, tmp_path / "champions")
    lenient, *_ = validate(artifact, scores, tmp_path / "champions", max_rejected_share=0.01)

    assert not strict
    assert "scores.csv row 2: the score of 'sim-generalist-large' is not a number" in sentence
    assert "none at all" in page
    assert lenient


def test_drift_is_measured_against_the_data_of_the_champion(
    artifact: Artifact, collected: Path, tmp_path: Path, make_bundle: Callable[..., Bundle]
) -> None:
    summary = {"sim-generalist-large": {"sample-code": [80, 0.2]}}
    make_bundle({"sim-generalist-large": 0.5}, lineage={"summary": summary}).write(tmp_path / "bundle")
    uri = publish(tmp_path / "bundle", str(tmp_path / "bundles"))
    champions.promote(str(tmp_path / "champions"), uri, uri.rpartition("/")[2], "router/1", "run", "promoted", 0)

    moved, sentence, *_ = validate(artifact, collected, tmp_path / "champions")
    allowed, *_ = validate(artifact, collected, tmp_path / "champions", max_drift=1.0)

    assert not moved
    assert "moved by more than 10% since the champion's data" in sentence
    assert "'sim-generalist-large'" in sentence
    assert allowed


def test_instructions_hold_no_outcome_of_a_held_out_prompt(artifact: Artifact, collected: Path) -> None:
    outputs = {
        "instructions": artifact(dsl.Dataset, "instructions"),
        "report": artifact(dsl.Markdown, "preview"),
        "metrics": artifact(dsl.Metrics, "metrics"),
    }

    story = build_instructions.python_func(artifact(dsl.Dataset, "in", collected), 16, 160, **outputs)

    built = Instructions.read(Path(outputs["instructions"].path))
    assert story == built.facts["story"]
    assert built.counts() == outputs["metrics"].metadata
    assert set(built.instructions["split"].to_pylist()) == {"train", "validation"}
    assert Path(outputs["report"].path).read_text(encoding="utf-8").count("### ") == 3
    assert built.facts["data_digest"] == Collection.read(collected).digest()


def test_instructions_of_one_prompt_are_refused_before_anything_is_written(
    artifact: Artifact, make_collection: Callable[..., collection.Collection], tmp_path: Path
) -> None:
    make_collection([[0, 1]], ["only question"], ("a", "b")).write(tmp_path / "one")
    names = {"instructions": dsl.Dataset, "report": dsl.Markdown, "metrics": dsl.Metrics}
    outputs = {name: artifact(kind, name) for name, kind in names.items()}

    with pytest.raises(InputError):
        build_instructions.python_func(artifact(dsl.Dataset, "in", tmp_path / "one"), 50, 1000, **outputs)

    assert list((tmp_path / "outputs").iterdir()) == []


def test_counts_are_numbers_that_kfp_can_show(artifact: Artifact, small_sample: Path) -> None:
    _, outputs = collect(artifact, str(small_sample))

    assert json.loads(json.dumps(outputs["metrics"].metadata)) == outputs["metrics"].metadata
