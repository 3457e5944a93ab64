"""What a trained bundle carries for serving: the mix to expect, and what was scored on the aptitude test."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from modelsat.aptitude import instructions
from modelsat.bundle.bundle import Bundle
from modelsat.challenger.predictions import prediction_rows
from modelsat.data import splits
from modelsat.data.collection import Collection
from modelsat.evaluation.table import CHALLENGER
from modelsat.steps import finetune


def test_bundle_carries_the_expected_mix_and_the_answers_of_the_aptitude_test(
    make_collection: Callable[..., Collection], texts_in: Callable[..., list[str]], make_bundle: Callable[..., Bundle]
) -> None:
    """`adder` is chosen on three of four held-out prompts; every question of the test was put to all three."""
    parts = ((splits.TRAIN, 8), (splits.VALIDATION, 2), (splits.TEST, 4))
    texts = [text for split, n in parts for text in texts_in(split, n, "Add the numbers")]
    scores = np.random.default_rng(0).integers(0, 2, (len(texts), 3))
    collected = make_collection(scores, texts, ("adder", "allround", "speller"))
    taught = instructions.build(collected, tasks=1, questions=4)
    names = taught.names
    said = np.full((4, 3), 0.1, dtype=np.float32)
    said[:, names.index("adder")] = [0.9, 0.9, 0.9, 0.0]
    said[3, names.index("speller")] = 0.9
    made = replace(
        make_bundle(dict.fromkeys(names, 0.5), lineage={"mean_score": {}, "run_id": "r"}),
        aptitude_test=taught.aptitude_test,
    )

    carried = finetune._with_expectations(made, prediction_rows(CHALLENGER, said, list("abcd"), ""), taught)

    known = {(row["candidate"], row["prompt_id"]): row["score"] for row in collected.scores.to_pylist()}
    assert carried.answers.num_rows > 0
    ids = taught.aptitude_test["prompt_id"].to_pylist()
    assert carried.lineage == {
        "mean_score": {},
        "run_id": "r",
        "expected_share": {name: {"adder": 0.75, "speller": 0.25}.get(name, 0.0) for name in names},
    }
    assert {(row["candidate"], row["position"]): row["score"] for row in carried.answers.to_pylist()} == {
        (name, place): known[name, prompt_id] for place, prompt_id in enumerate(ids) for name in names
    }


def test_predictions_name_the_bundle_that_was_written_after_them() -> None:
    told = prediction_rows("challenger", np.zeros((2, 1), dtype=np.float32), ["a", "b"], "")

    named = finetune._with_digest(told, "digest")

    assert named["bundle_digest"].to_pylist() == ["digest"] * 2
    assert named.drop(["bundle_digest"]).equals(told.drop(["bundle_digest"]))
