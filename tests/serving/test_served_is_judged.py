"""What is judged is what is served: choices, shares and costs of the verdict are those of the endpoint.

On results in which some candidates were run on a part of the prompts only: made by hand, and real ones.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from endpoint_process import Endpoint

from modelsat.aptitude import instructions as capability_instructions
from modelsat.aptitude.instructions import Instructions
from modelsat.bundle import bundle as bundles
from modelsat.bundle import champions, ranking
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.champions import Champion
from modelsat.challenger import narrowed
from modelsat.challenger.predictions import prediction_rows
from modelsat.data import splits
from modelsat.data.collection import Collection
from modelsat.evaluation import contest as contests
from modelsat.evaluation import table
from modelsat.evaluation.contest import Contest
from modelsat.evaluation.table import CHALLENGER
from modelsat.evaluation.verdict import GateOutcome
from modelsat.onboarding import evidence as gathered
from modelsat.onboarding import shadow
from modelsat.onboarding.change import Action, Change, apply, left_to_do
from modelsat.routers.constant import Constant
from modelsat.routers.knn import Knn
from modelsat.steps import evaluate
from modelsat.text.encoder import Encoder

NAN = float("nan")
PROMPTS = 400
"""Prompts of a real set that the tests take."""


@dataclass(frozen=True)
class Assembled:
    """A challenger of all candidates, as training assembles it, and its validation prompts."""

    bundle: Bundle
    validation: np.ndarray
    outcomes: np.ndarray


@dataclass(frozen=True)
class Judged:
    """The bundle that is served, the one before candidates were withheld, and the verdict."""

    folder: Path
    bundle: Bundle
    whole: Bundle
    contest: Contest


def assemble(built: Instructions, backbone: Path) -> Assembled:
    """Assemble a router of the three nearest training prompts over a tiny random BERT."""
    train, validation = built.part(splits.TRAIN), built.part(splits.VALIDATION)
    encoder = Encoder(backbone, max_tokens=64)
    router = Knn(built.names, encoder, encoder.encode(train.texts), train.targets, 3)
    means = np.nan_to_num(np.nanmean(train.targets, axis=0))
    bundle = Bundle(
        router=router,
        candidates=built.candidates,
        aptitude_test=built.aptitude_test,
        cards=built.cards,
        lineage={
            "mean_score": dict(zip(built.names, map(float, means), strict=True)),
            "tokens_out": built.facts["tokens_out"],
            "summary": built.facts["summary"],
            "trained_on": list(built.names),
            "data_digest": built.facts["data_digest"],
        },
    )
    return Assembled(bundle, bundle.success_probability(validation.texts), validation.targets)


def judge(collection: Collection, backbone: Path, folder: Path, champion: Champion | None = None) -> Judged:
    """Train, withhold, predict and judge as the pipeline does."""
    built = capability_instructions.build(collection, 16, 160)
    assembled = assemble(built, backbone)
    served, _ = narrowed.narrow(assembled, built)
    written = served.write(folder / "bundle")
    test = built.part(splits.TEST)
    told = prediction_rows(CHALLENGER, written.success_probability(test.texts), test.ids, written.digest)
    return Judged(folder / "bundle", written, assembled.bundle, contests.run(collection, written, told, champion))


def patchy(make_collection: Callable[..., Collection], n: int = 320) -> Collection:
    """Two benchmarks of `n` prompts. `sprinter` was not run on one of them and is the best on the other."""
    rng = np.random.default_rng(0)
    texts = [f"Add {i // 20} and {i % 20}." for i in range(n)]
    texts += [f"Spell word {i // 20} backwards {i % 20} times." for i in range(n)]
    chances = np.asarray([[0.8, 0.4, 0.6, 0.95]] * n + [[0.3, 0.7, 0.6, 0.0]] * n)
    scores = (rng.random(chances.shape) < chances).astype(float)
    scores[n:, 3] = NAN
    return make_collection(
        scores,
        texts,
        ("adder", "speller", "allround", "sprinter"),
        benchmarks=["sums"] * n + ["words"] * n,
        prices=(1.0, 2.0, 4.0, 50.0),
    )


def part_of(collection: Collection, prompts: int) -> Collection:
    """Return the results on some prompts, drawn at random."""
    rows = np.sort(np.random.default_rng(0).permutation(collection.prompts.num_rows)[:prompts])
    taken = collection.prompts.take(pa.array(rows))
    inside = pc.is_in(collection.scores["prompt_id"], value_set=taken["prompt_id"].combine_chunks())
    return replace(collection, prompts=taken, scores=collection.scores.filter(inside))


def answers(endpoint: Endpoint, texts: list[str], **parameters: float) -> tuple[list[str], list[float | None]]:
    """Return what the endpoint chooses for each prompt, asked one by one, and what it expects that to cost."""
    replies = [endpoint.infer([text], parameters or None) for text in texts]
    assert {reply.status for reply in replies} == {200}
    return [r.output("model")[0] for r in replies], [r.output("expected_cost_usd")[0] for r in replies]


def assert_served_as_judged(judged: Judged, endpoint: Endpoint) -> None:
    arena, evaluation = judged.contest.arena, judged.contest.evaluation
    chosen, cost = answers(endpoint, arena.texts)
    decisions = evaluate.decisions_table(judged.contest)

    assert decisions[f"{CHALLENGER}: chosen"].to_pylist() == chosen
    assert decisions[f"{CHALLENGER}: served"].to_pylist() == chosen
    told = evaluate.as_json(judged.contest)
    assert {k: v for k, v in told["served"]["shares"].items() if v} == pytest.approx(
        {name: count / len(chosen) for name, count in Counter(chosen).items()}
    )
    assert set(told["served"]["shares"]) == set(judged.bundle.names)
    if None not in cost:
        assert told["served"]["cost_usd_per_1k"] == pytest.approx(1000 * np.mean(np.asarray(cost)), rel=1e-5)
        assert told["metrics"]["cost_usd_per_1k_queries"] == told["served"]["cost_usd_per_1k"]

    columns = [arena.candidates.index(name) for name in judged.bundle.names]
    probabilities = np.zeros(arena.truth.shape, np.float32)
    probabilities[:, columns] = judged.bundle.success_probability(arena.texts)
    weighted = table.chosen(arena, probabilities, evaluation.terms[CHALLENGER], 0.3)
    assert [arena.candidates[i] for i in weighted] == answers(endpoint, arena.texts, cost_weight=0.3)[0]


def test_patchy_candidate_is_withheld_and_everything_else_is_served_as_judged(
    make_collection: Callable[..., Collection],
    tiny_backbone: Path,
    start_endpoint: Callable[..., Endpoint],
    tmp_path: Path,
) -> None:
    judged = judge(patchy(make_collection), tiny_backbone, tmp_path)

    assert judged.bundle.names == ("adder", "speller", "allround")
    assert "sprinter" in {
        judged.whole.names[i] for i in judged.whole.success_probability(judged.contest.arena.texts).argmax(1)
    }
    assert judged.contest.evaluation.unjudged == {CHALLENGER: 0.0}
    assert_served_as_judged(judged, start_endpoint("--bundle", str(judged.folder)))


def test_withheld_candidate_comes_in_as_a_newcomer_does(
    make_collection: Callable[..., Collection],
    tiny_backbone: Path,
    start_endpoint: Callable[..., Endpoint],
    tmp_path: Path,
) -> None:
    """Its outcomes on held-out prompts are known where it was run, and they decide."""
    collection = patchy(make_collection)
    judged = judge(collection, tiny_backbone, tmp_path)
    change = Change(Action.ADD, "sprinter")
    assert left_to_do(judged.bundle, change, None, {}) == ""

    changed = apply(judged.bundle, change, gathered.only(collection, ["sprinter"]), {}).write(tmp_path / "changed")
    found = shadow.compare(judged.bundle, changed, collection, change)
    verdict = shadow.judge(found, change, max_loss=0.05)

    assert changed.names == ("adder", "speller", "allround", "sprinter")
    assert changed.lineage["withheld"] == {}
    assert changed.pool.seen_in_training.tolist() == [True, True, True, False]
    assert (found.where, found.basis) == ("held-out prompts", "outcomes on held-out prompts")
    assert verdict.outcome is GateOutcome.PROMOTED
    endpoint = start_endpoint("--bundle", str(tmp_path / "changed"))
    sums = [text for text in judged.contest.arena.texts if text.startswith("Add")]
    assert answers(endpoint, sums)[0] == ranking.route(bundles.read(tmp_path / "changed"), sums).model
    assert "sprinter" in answers(endpoint, sums)[0]


def test_champion_that_serves_what_was_not_run_is_compared_where_its_choices_can_be_judged(
    make_collection: Callable[..., Collection], tiny_backbone: Path, tmp_path: Path
) -> None:
    """A champion of before serves `sprinter` everywhere; half of the prompts say what that is worth.

    Where those are fewer than the gate needs, the challenger is compared with the best single candidate.
    """
    collection, few = patchy(make_collection), patchy(make_collection, 120)
    whole = judge(collection, tiny_backbone, tmp_path / "whole").whole
    always = replace(whole, router=Constant(whole.names, np.float32([0.1, 0.1, 0.1, 0.9]))).write(tmp_path / "always")
    uri = bundles.publish(tmp_path / "always", str(tmp_path / "store"))
    champions.promote(str(tmp_path / "champions"), uri, always.digest, "router/1", "earlier run", "promoted", 0)

    champion = champions.current(str(tmp_path / "champions"))

    held = judge(collection, tiny_backbone, tmp_path, champion).contest
    decisions = evaluate.decisions_table(held)

    ran = ~np.isnan(held.arena.truth[:, held.arena.candidates.index("sprinter")])
    assert 0 < ran.mean() < 1
    assert held.evaluation.unjudged[contests.CHAMPION] == pytest.approx(1 - ran.mean())
    assert set(decisions["champion: served"].to_pylist()) == set(decisions["champion: chosen"].to_pylist())
    assert [score is not None for score in decisions["champion: score"].to_pylist()] == ran.tolist()
    assert held.verdict.prompts == ran.sum()
    share = f"{100 * (1 - ran.mean()):.1f} % of the choices of the champion cannot be judged"
    assert share in held.sentence()
    assert share in evaluate.as_json(held)["verdict"]["sentence"]
    too_few = judge(few, tiny_backbone, tmp_path / "few", champion).contest.verdict
    assert too_few.against.startswith("best single, since the results judge too few of the champion's choices")
    assert too_few.outcome is not GateOutcome.DO_NOT_ROUTE


@pytest.mark.parametrize("name", ["zeroeval", "mmlu_helm"])
def test_real_results_with_patchy_candidates_are_served_as_judged(
    name: str,
    collect_real: Callable[[str], Collection],
    tiny_backbone: Path,
    start_endpoint: Callable[..., Endpoint],
    tmp_path: Path,
) -> None:
    judged = judge(part_of(collect_real(name), PROMPTS), tiny_backbone, tmp_path)

    elsewhere = judged.whole.success_probability(judged.contest.arena.texts).argmax(axis=1)
    assert {judged.whole.names[i] for i in elsewhere} & judged.contest.withheld.keys()
    assert judged.contest.evaluation.unjudged == {CHALLENGER: 0.0}
    assert_served_as_judged(judged, start_endpoint("--bundle", str(judged.folder)))


def test_two_real_sources_with_different_candidates_are_served_as_judged(
    collect_real: Callable[[str], Collection],
    tiny_backbone: Path,
    start_endpoint: Callable[..., Endpoint],
    tmp_path: Path,
) -> None:
    """Routers choose among all served candidates on every prompt, of whichever source it is."""
    parts = [part_of(collect_real(name), n) for name, n in (("zeroeval", PROMPTS), ("mmlu_helm", 60))]
    seen = parts[0].candidates["candidate"].combine_chunks()
    others = parts[1].candidates.filter(pc.invert(pc.is_in(parts[1].candidates["candidate"], value_set=seen)))
    both = replace(
        parts[0],
        scores=pa.concat_tables([part.scores for part in parts]),
        prompts=pa.concat_tables([part.prompts for part in parts]),
        candidates=pa.concat_tables([parts[0].candidates, others]),
        sources=tuple(uri for part in parts for uri in part.sources),
    )
    judged = judge(both, tiny_backbone, tmp_path)

    assert judged.contest.evaluation.unjudged[CHALLENGER] <= 0.15
    assert_served_as_judged(judged, start_endpoint("--bundle", str(judged.folder)))
