"""All prompts of a folder as held-out prompts: who judges, who is left out, and what reference lines may know."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modelsat.bundle import bundle, seen_prompts
from modelsat.bundle.bundle import Bundle
from modelsat.data import splits
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation import arena, comparison
from modelsat.text.rendering import stem_digest

NAMES = ("ada", "bob")
TEXTS = [f"How much is {i} times {i + 1}?" for i in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results on 60 prompts, of which `ada` answers every second one and `bob` every third."""
    into = tmp_path / "new benchmark"
    into.mkdir()
    rows = [f"q{i},{int(i % 2 == 0)},{int(i % 3 == 0)}" for i in range(60)]
    (into / "scores.csv").write_text("prompt_id,ada,bob\n" + "\n".join(rows))
    prompts = [f"q{i},sums,sums,{text}" for i, text in enumerate(TEXTS)]
    (into / "prompts.csv").write_text("prompt_id,benchmark,category,prompt\n" + "\n".join(prompts))
    return into


def write(made: Bundle, learned: list[str], into: Path) -> str:
    record = seen_prompts.table([stem_digest(text) for text in learned])
    replace(made, seen_prompts=record).write(into)
    return str(into)


@pytest.fixture
def router(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle({"ada": 0.9, "bob": 0.1}, lineage={"trained_on": list(NAMES), "sources": ["elsewhere"]})


def test_every_prompt_judges_a_router_that_learned_from_none_of_them(
    router: Bundle, folder: Path, tmp_path: Path
) -> None:
    uri = write(router, ["Something else?"], tmp_path / "router")
    told: list[str] = []

    found = comparison.compare([str(folder)], [uri], tmp_path, progress=told.append, all_held_out=True)

    assert found.evaluation.prompts == 60
    assert found.evaluation.line("router").accuracy.value == pytest.approx(0.5)
    assert not any("left out" in line for line in told)


def test_prompts_that_a_router_learned_from_are_left_out_and_counted(
    router: Bundle, folder: Path, tmp_path: Path
) -> None:
    uri = write(router, TEXTS[:20], tmp_path / "router")
    told: list[str] = []

    found = comparison.compare([str(folder)], [uri], tmp_path, progress=told.append, all_held_out=True)

    assert found.arena.prompt_ids == [f"q{i}" for i in range(20, 60)]
    assert "note: router learned from 20 of the 60 prompts; these are left out [prompts-seen]" in told
    assert found.remarks == ("router learned from 20 of the 60 prompts; these are left out [prompts-seen]",)


def test_router_that_learned_from_all_prompts_cannot_be_judged_on_them(
    router: Bundle, folder: Path, tmp_path: Path
) -> None:
    uri = write(router, TEXTS, tmp_path / "router")

    with pytest.raises(InputError, match="all 60 prompts were trained on or place a newcomer"):
        comparison.compare([str(folder)], [uri], tmp_path, all_held_out=True)


def test_router_without_a_record_says_what_it_was_trained_on(router: Bundle, folder: Path, tmp_path: Path) -> None:
    uri = write(router, [], tmp_path / "router")
    told: list[str] = []

    comparison.compare([str(folder)], [uri], tmp_path, progress=told.append, all_held_out=True)

    assert any("keeps no record of its training prompts" in line and "elsewhere" in line for line in told)


def test_rival_has_nothing_to_learn_from_where_all_prompts_judge(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'knn' learns from the training prompts of these results"):
        comparison.compare([str(folder)], ["knn"], tmp_path, all_held_out=True)


def test_record_travels_with_the_bundle_and_holds_no_text(router: Bundle, tmp_path: Path) -> None:
    write(router, TEXTS[:3], tmp_path / "router")

    loaded = bundle.read(tmp_path / "router")

    seen = seen_prompts.seen(loaded, [stem_digest(text) for text in TEXTS[:5]])
    assert seen.tolist() == [True, True, True, False, False]
    assert "times" not in (tmp_path / "router" / "seen_prompts.parquet").read_bytes().decode("latin-1")


def test_best_single_of_a_prompt_is_chosen_on_prompts_of_other_folds(
    make_collection: Callable[..., Collection],
) -> None:
    stems = [stem_digest(text) for text in TEXTS]
    own = splits.folds(stems, 5) == 0
    # `ada` is right in fold 0 alone, `bob` elsewhere: whoever knew fold 0 would choose `ada` there.
    truth = np.column_stack([own, ~own]).astype(float)

    found = arena.build(make_collection(truth, TEXTS, NAMES), None)

    assert 0 < own.sum() < 30
    assert len(found.prompt_ids) == 60
    assert {found.candidates[i] for i in found.best_single[own]} == {"bob"}
    assert found.prior[own][:, 0].tolist() == [0.0] * own.sum()
