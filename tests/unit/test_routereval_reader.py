"""RouterEval's pools become one collection, in which every candidate answered every prompt once."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelsat.data import splits
from modelsat.data.collection import collect
from modelsat.data.readers import Harvest, routereval, routereval_pools
from modelsat.errors import InputError
from modelsat.io import storage

N = {"train": 4, "val": 1, "test": 2}
ONES = {"ada": 1.0, "bob": 0.0, "cid": 0.5}

Write = Callable[..., Path]


def pool(columns: dict[str, float], **changes: Any) -> dict[str, Any]:
    """A pool whose candidates score the same on all prompts."""
    row = list(columns.values())
    data = {f"{split}_score": np.tile(row, (n, 1)) for split, n in N.items()}
    return {"data": data | changes, "model": np.asarray(list(columns))}


def dataset(pools: dict[str, dict[int, dict[str, Any]]] | None = None) -> dict[str, Any]:
    """A file in the published layout: seven prompts, of which position 2 validates and 0 and 5 test."""
    positions = {"train": [1, 3, 4, 6], "val": [2], "test": [0, 5]}
    return {
        **(pools or {"easy": {3: {"all_strong": pool(ONES)}}}),
        "split_index": {f"{split}_indices": np.asarray(rows) for split, rows in positions.items()},
        "embedding": {f"{split}_embed": np.full((n, 768), 0.1, np.float32) for split, n in N.items()},
        "prompt": {
            f"{split}_prompt": np.asarray([f"What is {i} + {i}?" for i in rows]) for split, rows in positions.items()
        },
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file of RouterEval and returns its path."""

    def write_file(content: Any, name: str = "gsm8k") -> Path:
        path = tmp_path / f"{name}_router_dataset.pkl"
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
        return path

    return write_file


def read(folder: Path) -> Harvest:
    return routereval.read(storage.snapshot(str(folder), folder))


def cells(harvest: Harvest) -> dict[tuple[str, str], float]:
    return {(row["candidate"], row["prompt_id"]): row["score"] for row in harvest.scores.to_pylist()}


@pytest.mark.parametrize(
    ("names", "is_claimed"),
    [
        (["gsm8k_router_dataset.pkl"], True),
        (["README.md", "harness_truthfulqa_mc_0_router_dataset.pkl"], True),
        (["leaderboard_old.pkl"], False),
        (["scores.csv", "prompts.csv"], False),
        ([], False),
    ],
)
def test_folder_is_claimed_where_it_holds_pools(names: list[str], is_claimed: bool) -> None:
    assert routereval.claims(names) is is_claimed


def test_candidates_of_all_pools_are_read_once_for_every_prompt(write: Write, tmp_path: Path) -> None:
    path = write(
        dataset(
            {
                "easy": {3: {"all_strong": pool(ONES), "all_weak": pool({"cid": 0.5, "dan": 0.0, "eve": 0.25})}},
                "hard": {10: {"strong_to_weak": pool({"ada": 1.0, "fay": 1.0})}},
            }
        )
    )

    harvest = read(tmp_path)

    assert harvest.candidates["candidate"].to_pylist() == ["ada", "bob", "cid", "dan", "eve", "fay"]
    assert harvest.scores.num_rows == len(cells(harvest)) == 6 * 7
    by_candidate = {candidate: score for (candidate, _), score in cells(harvest).items()}
    assert by_candidate == ONES | {"dan": 0.0, "eve": 0.25, "fay": 1.0}
    assert harvest.rejects.num_rows == 0
    row = harvest.scores.to_pylist()[0]
    assert (row["benchmark"], row["task"], row["harness"], row["metric"]) == ("gsm8k", "gsm8k", "routereval", "score")
    assert (row["source_uri"], row["source_digest"]) == (str(path), storage.file_digest(path))


def test_prompt_is_known_by_its_position_in_the_benchmark(write: Write, tmp_path: Path) -> None:
    write(dataset())

    prompts = read(tmp_path).prompts.to_pylist()

    assert {row["prompt_id"]: row["prompt"] for row in prompts} == {
        f"gsm8k/{i}": f"What is {i} + {i}?" for i in range(7)
    }


def test_scores_belong_to_the_prompts_of_their_split(write: Write, tmp_path: Path) -> None:
    content = dataset()
    content["easy"][3]["all_strong"]["data"]["test_score"] = np.asarray([[0.1, 0.2, 0.3], [0.4, 0.6, 0.7]])
    write(content)

    found = cells(read(tmp_path))

    assert [found["bob", f"gsm8k/{i}"] for i in (0, 5, 1)] == pytest.approx([0.2, 0.6, 0.0])


def test_prompts_may_be_a_plain_list(write: Write, tmp_path: Path) -> None:
    content = dataset()
    content["prompt"] = {key: found.tolist() for key, found in content["prompt"].items()}
    write(content)

    assert read(tmp_path).prompts.num_rows == 7


def test_score_that_two_pools_contradict_is_left_out_and_named(write: Write, tmp_path: Path) -> None:
    changed = pool({"ada": 1.0, "eve": 1.0}, val_score=np.asarray([[0.0, 1.0]]))
    write(dataset({"easy": {3: {"all_strong": pool(ONES)}}, "hard": {10: {"all_weak": changed}}}))

    harvest = read(tmp_path)

    assert ("ada", "gsm8k/2") not in cells(harvest)
    assert cells(harvest)["eve", "gsm8k/2"] == 1.0
    (row,) = harvest.rejects.to_pylist()
    assert (row["source_row"], row["field"]) == (5, "ada")
    assert row["reason"] == "two pools give candidate 'ada' different scores for the prompt; keep the right one"


def test_missing_score_is_missing_and_not_zero(write: Write, tmp_path: Path) -> None:
    write(dataset({"easy": {3: {"all_strong": pool({"ada": 1.0, "bob": 0.0}, val_score=np.asarray([[np.nan, 0.0]]))}}}))

    harvest = read(tmp_path)

    assert ("ada", "gsm8k/2") not in cells(harvest)
    assert ("bob", "gsm8k/2") in cells(harvest)
    assert harvest.rejects.num_rows == 0


def test_candidate_with_an_unusable_name_is_rejected_alone(write: Write, tmp_path: Path) -> None:
    write(dataset({"easy": {3: {"all_strong": pool({"ada": 1.0, "b o b": 0.0})}}}))

    harvest = read(tmp_path)

    assert harvest.candidates["candidate"].to_pylist() == ["ada"]
    assert harvest.rejects["value"].to_pylist() == ["'b o b'"]


def test_pools_with_too_many_scores_are_left_out_with_a_note(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routereval, "MOST_SCORES", 4 * 7)
    large = pool({"dan": 1.0, "eve": 1.0, "fay": 1.0, "gus": 1.0})
    write(dataset({"hard": {1000: {"all_weak": large}}, "easy": {3: {"all_strong": pool(ONES)}}}))

    harvest = read(tmp_path)

    assert harvest.candidates["candidate"].to_pylist() == list(ONES)
    (note,) = harvest.notes
    assert note.startswith("the pool 'all_weak' of 4 candidates in ")
    assert "is left out, since the file's scores would be more than 28" in note


def test_damaged_file_is_rejected_whole_and_the_others_are_read(write: Write, tmp_path: Path) -> None:
    write(dataset())
    damaged = write(pickle.dumps(dataset())[:-40], "arc")

    harvest = read(tmp_path)

    assert harvest.candidates.num_rows == 3
    (row,) = harvest.rejects.to_pylist()
    assert (row["source_uri"], row["source_row"]) == (str(damaged), None)
    assert "is damaged or no pickle of arrays" in row["reason"]


def changed(*keys: Any, to: Any = None) -> dict[str, Any]:
    content: Any = dataset()
    below = content
    for key in keys[:-1]:
        below = below[key]
    if to is None:
        del below[keys[-1]]
    else:
        below[keys[-1]] = to
    return content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (changed("prompt"), "has no 'prompt'"),
        (changed("prompt", "val_prompt"), "['prompt'] has no 'val_prompt'"),
        (changed("prompt", "val_prompt", to=[1]), "['prompt']['val_prompt'] is no list of texts"),
        (changed("split_index", "val_indices", to=[1, 2]), "['val_indices'] has the shape (2,), expected (1,)"),
        (changed("embedding", "val_embed", to=np.zeros(768)), "['val_embed'] has the shape (768,), expected (1, -1)"),
        (changed("easy", 3, "all_strong", "model"), "['easy'][3]['all_strong'] has no 'model'"),
        (changed("easy", 3, "all_strong", "model", to=["ada"]), "has the shape (4, 3), expected (4, 1)"),
        (
            changed("easy", 3, "all_strong", "data", "test_score", to=[["a", "b", "c"]]),
            "['data']['test_score'] is no array of numbers",
        ),
        (changed("easy", 3, to=[]), "['easy'][3] holds no keys"),
        (changed("easy"), "has no pools in 'easy' or 'hard'"),
        ([1, 2], "has no 'prompt'"),
    ],
)
def test_other_layout_is_told_with_the_keys_that_lead_to_it(write: Write, content: Any, told: str) -> None:
    with pytest.raises(InputError, match="copy it again from its source") as fault:
        routereval_pools.read(write(content))

    assert told in str(fault.value)


def test_pools_are_in_the_order_of_their_size_with_scores_by_split(write: Write) -> None:
    hard = {10: {"all_strong": pool(ONES | {"dan": 0.5})}}
    path = write(dataset({"hard": hard, "easy": {3: {"strong_to_weak": pool(ONES)}}}), "harness_truthfulqa_mc_0")

    found = routereval_pools.read(path)

    assert found.name == "harness_truthfulqa_mc_0"
    assert [(one.kind, one.candidates) for one in found.pools] == [
        ("strong_to_weak", ("ada", "bob", "cid")),
        ("all_strong", ("ada", "bob", "cid", "dan")),
    ]
    assert {split: scores.shape for split, scores in found.pools[0].scores.items()} == {
        splits.TRAIN: (4, 3),
        splits.VALIDATION: (1, 3),
        splits.TEST: (2, 3),
    }
    assert found.prompts[splits.TEST].texts == ["What is 0 + 0?", "What is 5 + 5?"]
    assert found.prompts[splits.TEST].positions.tolist() == [0, 5]
    assert found.prompts[splits.TRAIN].vectors.shape == (4, 768)


def test_folder_is_collected_like_any_other(write: Write, tmp_path: Path) -> None:
    write(dataset())

    collection = collect([str(tmp_path)])

    counts = {"scores": 21, "prompts": 7, "candidates": 3, "benchmarks": 1, "rejected_rows": 0}
    assert collection.counts() == counts
    assert collection.notes == ()
