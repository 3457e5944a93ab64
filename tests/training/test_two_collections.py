"""Two collections without a common prompt or candidate: one training, and the pool of the larger one is served."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modelsat.aptitude import cards
from modelsat.aptitude import instructions as capability_instructions
from modelsat.aptitude.instructions import Instructions
from modelsat.challenger import lexical, narrowed
from modelsat.data import splits
from modelsat.data.collection import Collection, collect
from training import finetune as training
from training.recipe import Recipe


@pytest.fixture(scope="module")
def halves(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Candidates by folder: six with 160 prompts, six others with 80 further ones."""
    folder = tmp_path_factory.mktemp("two")
    prompts, scores = collection.prompts.to_pandas(), collection.scores.to_pandas()
    names = sorted(collection.candidates["candidate"].to_pylist())
    found = {}
    for place, (rows, own) in {"large": (slice(0, 160), names[::2]), "small": (slice(160, 240), names[1::2])}.items():
        (folder / place).mkdir()
        table = prompts.iloc[rows]
        told = {"prompt_id": table["prompt_id"], "benchmark": table["benchmark"], "category": table["task"]}
        pd.DataFrame(told | {"prompt": table["prompt"]}).to_csv(folder / place / "prompts.csv", index=False)
        kept = scores[scores["prompt_id"].isin(table["prompt_id"]) & scores["candidate"].isin(own)]
        kept.pivot(index="prompt_id", columns="candidate", values="score").to_csv(folder / place / "scores.csv")
        found[str(folder / place)] = own
    return found


@pytest.fixture(scope="module")
def instructions(halves: dict[str, list[str]]) -> Instructions:
    return capability_instructions.build(collect(list(halves)))


def test_every_candidate_has_a_line_for_every_task(instructions: Instructions) -> None:
    asked = instructions.cards.to_pandas().groupby("candidate")["n"]
    accuracies = cards.accuracies(instructions.cards, instructions.names, instructions.test.tasks)

    # What was never asked is what the zoo makes likely; each collection asked its own candidates alone.
    assert accuracies.shape == (12, len(instructions.test.tasks))
    assert np.isfinite(accuracies).all()
    assert (asked.sum() > 0).all()
    assert (asked.sum() < instructions.aptitude_test.num_rows).all()


def test_one_capability_encoder_reads_the_cards_of_both(
    instructions: Instructions, backbone: Path, halves: dict[str, list[str]]
) -> None:
    targets = instructions.part(splits.TRAIN).targets
    network, capability, _ = training.build(instructions, backbone, Recipe(entry_layer=1, max_tokens=32))

    assert capability.shape == (12, network.connector.in_features)
    # A prompt teaches what candidates of its own collection did with it, and nothing of the others.
    own, other = (np.isin(instructions.names, names) for names in halves.values())
    ran = ~np.isnan(targets)
    assert (ran[:, own].any(axis=1) != ran[:, other].any(axis=1)).all()
    assert ran[:, own].any()
    assert ran[:, other].any()


def test_pool_of_the_larger_collection_is_served_and_the_other_one_teaches(
    halves: dict[str, list[str]], instructions: Instructions, backbone: Path, tmp_path: Path
) -> None:
    facts = lexical.prepare(dict, backbone, tmp_path)

    made = lexical.assemble(instructions, facts, tmp_path, {"max_tokens": 32})
    served, pool = narrowed.narrow(made, instructions)

    large, small = halves.values()
    assert sorted(served.names) == sorted(pool.served) == large
    assert sorted(pool.withheld) == small
    known = sum(len(instructions.part(split).ids) for split in (splits.TRAIN, splits.VALIDATION))
    assert [row["prompts"] for row in made.bundle.lineage["members"]] == [known] * 3
