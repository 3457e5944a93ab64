"""Changes of a bundle and what they are worth, around a constant router whose choices are known by heart."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelsat.aptitude import frozen_test
from modelsat.bundle import bundle, champions, opening
from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts, splits
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation.gate import GateRules
from modelsat.evaluation.verdict import GateOutcome
from modelsat.io import storage
from modelsat.onboarding import change as changes
from modelsat.onboarding import evidence as gathered
from modelsat.onboarding import order as orders
from modelsat.onboarding import shadow
from modelsat.onboarding.asking import AskingSettings
from modelsat.onboarding.change import ANSWERS_AT, Action, Change
from modelsat.policy.promise import Promise
from modelsat.routers.constant import Constant
from modelsat.routers.router import Prediction
from modelsat.steps import onboard
from modelsat.text import rendering

MakeCollection = Callable[..., Collection]
TextsIn = Callable[[str, int, str], list[str]]
ADD = Change(Action.ADD, "new")


@pytest.fixture
def questions(texts_in: TextsIn) -> list[str]:
    """Text of 80 aptitude questions."""
    return texts_in(splits.TRAIN, 80, "Aptitude")


@pytest.fixture
def parent(make_bundle: Callable[..., Bundle], questions: list[str], tmp_path: Path) -> Bundle:
    """Bundle that gives `ada` everything; its test has one task, and so have the cards."""
    test: list[dict[str, object]] = [
        {
            "version": "v1",
            "task": "sums",
            "category": "sums",
            "keywords": ["sum"] * 5,
            "position": i,
            "prompt_id": f"q{i:03d}",
            "stem_digest": rendering.stem_digest(text),
            "text": text,
        }
        for i, text in enumerate(questions)
    ]
    card = {"test_version": "v1", "task": "sums", "n": 80}
    cards: list[dict[str, object]] = [
        {"candidate": name, "accuracy": level, "shrunken_accuracy": level, **card}
        for name, level in (("ada", 0.5), ("bob", 0.4))
    ]
    facts = {"mean_score": {"ada": 0.5, "bob": 0.4}, "trained_on": ["ada", "bob"], "data_digest": "d", "sources": []}
    made = make_bundle({"ada": 0.5, "bob": 0.4}, {"ada": 2.0, "bob": 1.0}, test, cards, lineage=facts)
    return made.write(tmp_path / "parent")


@pytest.fixture
def own(make_collection: MakeCollection, questions: list[str]) -> Callable[[float], Collection]:
    """Return a function that makes answers of `new`, so many of the 80 right, spread evenly."""

    def make(right: float) -> Collection:
        scores = np.floor(np.arange(1, 81) * right) - np.floor(np.arange(80) * right)
        return make_collection(scores, questions, ("new",))

    return make


def test_strong_newcomer_takes_the_traffic_and_its_gain_is_measured_on_its_own_answers(
    parent: Bundle, own: Callable[[float], Collection]
) -> None:
    known = own(0.9)
    made = changes.apply(parent, ADD, known, {})

    found = shadow.compare(parent, made, known, ADD)

    assert (found.where, found.prompts) == ("aptitude questions", 80)
    assert 20 <= found.scored <= 80
    assert (found.before, found.after) == ({"ada": 1.0}, {"new": 1.0})
    assert found.gain is not None
    assert found.gain.value == pytest.approx(0.9 - 0.5, abs=0.1)
    assert found.loss_bound == 0.0
    assert shadow.judge(found, ADD, 0.02).outcome is GateOutcome.PROMOTED


def test_hard_questions_take_nothing_from_a_lead_that_is_kept_on_them(
    parent: Bundle, own: Callable[[float], Collection]
) -> None:
    # On all prompts `ada` scores 0.8, on the questions 0.5; the newcomer scores 0.6 there, so 0.9 is expected of it.
    ada = frozen_test.answers(np.arange(80)[:, None] % 2.0, ["ada"])
    easier = replace(
        parent,
        router=Constant(parent.names, np.array([0.8, 0.7])),
        answers=ada,
        lineage=parent.lineage | {"mean_score": {"ada": 0.8, "bob": 0.7}},
    )
    known = own(0.6)

    found = shadow.compare(easier, changes.apply(easier, ADD, known, {}), known, ADD)

    assert found.after == {"new": 1.0}
    assert found.gain is not None
    assert found.gain.value == pytest.approx(0.6 - 0.5, abs=0.05)


def test_weak_newcomer_is_let_in_and_gets_nothing(parent: Bundle, own: Callable[[float], Collection]) -> None:
    known = own(0.2)
    made = changes.apply(parent, ADD, known, {})

    found = shadow.compare(parent, made, known, ADD)

    assert found.after == {"ada": 1.0, "new": 0.0}
    assert found.loss_bound == 0.0
    verdict = shadow.judge(found, ADD, 0.0)
    assert (verdict.outcome, verdict.warning) == (GateOutcome.PROMOTED, "")
    assert made.names == ("ada", "bob", "new")


def test_outcomes_on_held_out_prompts_decide_where_they_are_known(
    parent: Bundle, own: Callable[[float], Collection], make_collection: MakeCollection, texts_in: TextsIn
) -> None:
    known = own(0.9)
    texts = texts_in(splits.TEST, 100, "Held out")
    truth = np.column_stack([np.ones(100), np.zeros(100), np.arange(100) % 2])
    outcomes = make_collection(truth, texts, ("ada", "bob", "new"), prompt_ids=[f"t{i}" for i in range(100)])
    made = changes.apply(parent, ADD, known, {})

    found = shadow.compare(parent, made, gathered.merged([known, outcomes]), ADD)

    assert (found.where, found.scored, found.basis) == ("held-out prompts", 100, "outcomes on held-out prompts")
    assert found.gain is not None
    assert found.gain.value == pytest.approx(-0.5)
    verdict = shadow.judge(found, ADD, 0.02)
    assert verdict.outcome is GateOutcome.KEPT
    assert "more than 2.0 points might be lost" in verdict.reason
    assert found.choices.to_pylist()[0] == {"prompt_id": "t0", "before": "ada", "after": "new"}


def test_bound_leaves_room_below_the_gain() -> None:
    # Mean 0.05, standard error 0.05: 1.645 of them below lie at -0.032.
    gain, bound = shadow._measured(np.array([0.5] * 55 + [-0.5] * 45), GateRules())

    assert gain.value == pytest.approx(0.05)
    assert bound == pytest.approx(0.032, abs=0.01)
    assert shadow._measured(np.full(60, 0.2), GateRules())[1] == 0.0


def test_removed_candidate_leaves_no_trace_in_the_tables(parent: Bundle) -> None:
    made = changes.apply(parent, Change(Action.REMOVE, "ada"), None, {})

    assert made.names == ("bob",)
    assert made.candidates["candidate"].to_pylist() == ["bob"]
    assert set(made.cards["candidate"].to_pylist()) == {"bob"}
    assert made.lineage["mean_score"] == {"bob": 0.4}
    assert made.lineage["trained_on"] == ["bob"]
    np.testing.assert_allclose(made.success_probability(["x"]), [[0.4]], rtol=1e-5)


def test_removal_says_who_takes_over_and_is_carried_out(parent: Bundle) -> None:
    change = Change(Action.REMOVE, "ada")
    made = changes.apply(parent, change, None, {})

    found = shadow.compare(parent, made, gathered.nothing(), change)

    assert (found.before, found.after, found.gain) == ({"ada": 1.0}, {"bob": 1.0}, None)
    verdict = shadow.judge(found, change, 0.0)
    assert verdict.outcome is GateOutcome.PROMOTED
    assert verdict.reason == "ada gives up 100 % of 80 aptitude questions: what that is worth is not known"


def test_new_prices_replace_old_ones_and_nothing_else(parent: Bundle) -> None:
    made = changes.apply(parent, Change(Action.REPRICE, "ada"), None, {"price_in": 0.5, "price_out": 0.25})

    row, other = made.candidates.to_pylist()
    assert (row["price_in"], row["price_out"]) == (0.5, 0.25)
    assert other == parent.candidates.to_pylist()[1]
    np.testing.assert_array_equal(made.success_probability(["x"]), parent.success_probability(["x"]))


class Dear(Constant):
    """Expects every answer to cost 5 USD, as it learned at old prices, until it forgets that."""

    cost = (5.0, 5.0)

    def read(self, texts: Sequence[str]) -> Prediction:
        return replace(super().read(texts), cost_usd=np.tile(self.cost, (len(texts), 1)))

    def forgetting_cost(self, column: int) -> "Dear":
        made = Dear(self.candidates, self.probabilities)
        made.cost = tuple(np.nan if i == column else usd for i, usd in enumerate(self.cost))
        return made


def test_new_prices_are_what_a_candidate_is_expected_to_cost_whatever_was_paid(parent: Bundle) -> None:
    paid = {"ada": {"usd": 0.4, "over_list": None}, "bob": {"usd": 0.3, "over_list": None}}
    dear = replace(
        parent, router=Dear(parent.names, np.array([0.5, 0.4])), lineage=parent.lineage | {"paid": paid}, digest=""
    )

    made = changes.apply(dear, Change(Action.REPRICE, "ada"), None, {"price_in": 1000.0, "price_out": 0.0})

    # 800 tokens at 1,000 USD per million are 0.8 USD; what is known of `bob` stays.
    assert made.pool.cost(np.array([800.0]), made.reading(["x"]).cost_usd)[0] == pytest.approx([0.8, 5.0])
    assert made.lineage["paid"] == {"bob": paid["bob"]}


@pytest.mark.parametrize(("action", "candidate"), [(Action.REPRICE, "ada"), (Action.REMOVE, "bob")])
def test_bundle_of_an_earlier_version_falls_back_on_its_best_single_candidate_and_the_verdict_says_so(
    parent: Bundle, action: Action, candidate: str
) -> None:
    promised = Promise("ada", 0.2, 0.003, 0.95, 0.0, 0.0, 0.5, 100)
    balanced = replace(parent, lineage=parent.lineage | {"promise": promised.as_json()})
    change = Change(action, candidate)
    made = changes.apply(balanced, change, None, {"price_in": 0.5, "price_out": 0.25})

    verdict = shadow.judge(shadow.compare(balanced, made, gathered.nothing(), change), change, 0.0)

    assert balanced.promise == promised
    assert made.promise == replace(promised, cost_weight=None, cost_share=1.0, prompts=0)
    assert "; by default (auto) the best single candidate, ada, answers until the router is trained" in verdict.reason


def test_catalogue_tells_facts_of_a_newcomer(parent: Bundle, own: Callable[[float], Collection]) -> None:
    made = changes.apply(parent, ADD, own(0.9), {"candidate": "new", "price_in": 3.0, "revision": "7"})

    row = made.candidates.to_pylist()[-1]
    assert (row["candidate"], row["price_in"], row["revision"]) == ("new", 3.0, "7")


def test_bundle_remembers_what_was_changed(parent: Bundle, own: Callable[[float], Collection]) -> None:
    known = own(0.9)

    record = changes.apply(parent, ADD, known, {}).lineage["onboarding"]

    assert record["parent"] == parent.digest
    assert (record["candidate"], record["test"], record["answers"]) == ("new", "v1", known.digest())


def test_bundle_remembers_where_answers_are_until_their_candidate_goes(
    parent: Bundle, own: Callable[[float], Collection]
) -> None:
    behind = replace(parent, lineage=parent.lineage | {"sources": ["behind"]})
    answers = replace(own(0.9), sources=("behind", "answers/new"))

    came = changes.apply(behind, ADD, answers, {})
    gone = changes.apply(came, Change(Action.REMOVE, "new"), None, {})

    assert came.lineage[ANSWERS_AT] == {"new": ["answers/new"]}
    assert came.lineage["sources"] == ["behind"]
    assert gone.lineage[ANSWERS_AT] == {}


@pytest.mark.parametrize(
    ("change", "known", "facts", "sentence"),
    [
        (Change(Action.ADD, "ada"), "ada", {}, "candidate 'ada' is routed to already, as 'ada'"),
        (Change(Action.ADD, "org/ada"), "ada", {}, "candidate 'org/ada' is routed to already, as 'ada'"),
        (Change(Action.REPRICE, "b"), "bob", {"price_in": 1.0, "price_out": 1.0}, "the prices of 'bob' are those of"),
    ],
)
def test_change_that_is_made_already_is_left(
    parent: Bundle, change: Change, known: str | None, facts: dict[str, Any], sentence: str
) -> None:
    done = changes.left_to_do(parent, change, known, facts)

    assert done.startswith(sentence)


def test_candidate_that_is_removed_already_is_left_and_a_name_that_never_was_is_an_error(parent: Bundle) -> None:
    gone = changes.apply(parent, Change(Action.REMOVE, "ada"), None, {})

    assert changes.left_to_do(gone, Change(Action.REMOVE, "ada"), None, {}) == "candidate 'ada' is removed already"
    with pytest.raises(InputError, match=r"no candidate 'bobb' is routed to \(similar names: bob\), so none can be"):
        changes.left_to_do(parent, Change(Action.REMOVE, "bobb"), None, {})


def test_last_candidate_cannot_be_removed(parent: Bundle) -> None:
    alone = changes.apply(parent, Change(Action.REMOVE, "ada"), None, {})

    with pytest.raises(InputError, match="'bob' is the only candidate left"):
        changes.left_to_do(alone, Change(Action.REMOVE, "bob"), "bob", {})


def test_same_change_has_the_same_key_and_other_answers_another(
    parent: Bundle, own: Callable[[float], Collection]
) -> None:
    def key(right: float, **facts: object) -> str:
        return changes.run_key(parent, ADD, own(right), facts)

    assert key(0.9) == key(0.9)
    assert len({key(0.9), key(0.8), key(0.9, price_in=1.0), changes.run_key(parent, ADD, None, {})}) == 4


def test_results_are_read_under_the_names_of_the_champion(
    parent: Bundle, make_collection: MakeCollection, questions: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    rows = [f"q{i},{i % 2},1" for i in range(80)]
    (folder / "scores.csv").write_text("prompt_id,org/new,org/ada\n" + "\n".join(rows))
    prompts = [f"q{i},sums,sums,{text}" for i, text in enumerate(questions)]
    (folder / "prompts.csv").write_text("prompt_id,benchmark,category,prompt\n" + "\n".join(prompts))
    (folder / "models.csv").write_text("model,aliases\norg/new,\norg/ada,ada\n")

    found = gathered.gather(parent, ADD, [str(folder)], [str(tmp_path / "gone")], {"aliases": ["org/new"]})

    assert sorted(found.candidates["candidate"].to_pylist()) == ["ada", "new"]
    assert gathered.only(found, ["new"]).scores.num_rows == 80
    assert any("not within reach" in note for note in found.notes)


def test_source_without_the_candidate_says_whom_it_holds(
    parent: Bundle, own: Callable[[float], Collection], questions: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "scores.csv").write_text("prompt_id,eve\nq0,1\n")
    (folder / "prompts.csv").write_text(f"prompt_id,benchmark,category,prompt\nq0,sums,sums,{questions[0]}\n")

    with pytest.raises(InputError, match="holds no answer of candidate 'new', but of eve"):
        gathered.gather(parent, ADD, [str(folder)], [], {})


def test_order_comes_back_from_its_file_with_dates_and_parent(parent: Bundle, tmp_path: Path) -> None:
    store = str(tmp_path / "champions")
    champions.promote(store, str(tmp_path / "parent"), parent.digest, "router/1", "run", "promoted", 0)
    (tmp_path / "catalogue.yaml").write_text(
        "- {candidate: new, revision: r2, release_date: 2026-11-24, price_in: 1.5, aliases: [newest]}\n"
    )

    placed = orders.place("newest", "add", str(tmp_path / "catalogue.yaml"), store)
    placed.write(tmp_path / "order.json")

    assert orders.read(tmp_path / "order.json") == placed
    assert (placed.change, placed.epoch, placed.done) == (Change(Action.ADD, "new", "r2"), 1, "")
    with opening.opened_champion(placed, with_router=False) as loaded:
        assert loaded.digest == parent.digest


def test_names_and_facts_are_taken_from_the_catalogue_once(
    parent: Bundle, questions: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, listed, results = str(tmp_path / "champions"), tmp_path / "catalogue.yaml", tmp_path / "results"
    champions.promote(store, str(tmp_path / "parent"), parent.digest, "router/1", "run", "promoted", 0)
    listed.write_text("- {candidate: new, price_in: 1.5, aliases: [org/new]}\n")
    results.mkdir()
    rows = "\n".join(f"q{i},{int(i % 5 > 0)}" for i in range(80))
    (results / "scores.csv").write_text(f"prompt_id,org/new\n{rows}\n")
    prompts = "\n".join(f"q{i},sums,sums,{text}" for i, text in enumerate(questions))
    (results / "prompts.csv").write_text(f"prompt_id,benchmark,category,prompt\n{prompts}\n")
    looked_at: list[str] = []
    read = storage.read
    monkeypatch.setattr(storage, "read", lambda uri: looked_at.append(uri) or read(uri))

    order = orders.place("org/new", "add", str(listed), store)
    listed.unlink()
    sources = onboard.Sources([str(results)], [], "", tmp_path / "work")
    onboard.gather(order, sources, AskingSettings(), tmp_path / "taken")
    refusal, _ = onboard.validate(order, tmp_path / "taken", 0, False, tmp_path / "checks.html")
    onboard.admit(order, tmp_path / "taken", tmp_path / "router", tmp_path / "card.html")
    judged = onboard.compare(order, tmp_path / "taken", tmp_path / "router", 0.05)

    onboard.write_pages(judged, order, *(tmp_path / name for name in ("shadow.html", "choices.parquet", "result.json")))

    assert looked_at.count(str(listed)) == 1
    assert (refusal, judged.promotes) == ("", True)
    told = json.loads((tmp_path / "result.json").read_text())
    assert [line["name"] for line in told["yardsticks"]["lines"]][2:] == ["always ada", "always new"]
    assert told["metrics"]["always_newcomer_gain_over_best_single"] == told["yardsticks"]["over_best"]["value"] > 0
    assert (told["yardsticks"]["observed"], told["verdict"]["warning"]) == (False, "")
    row = bundle.read(tmp_path / "router").candidates.to_pylist()[-1]
    assert (row["candidate"], row["price_in"], row["aliases"]) == ("new", 1.5, ["org/new"])


@pytest.mark.parametrize("given", ["ada", "org/ada"])
def test_candidate_that_the_champion_knows_by_another_name_is_ordered_by_that(
    parent: Bundle, tmp_path: Path, given: str
) -> None:
    store = str(tmp_path / "champions")
    champions.promote(store, str(tmp_path / "parent"), parent.digest, "router/1", "run", "promoted", 0)
    (tmp_path / "catalogue.yaml").write_text("- {candidate: org/ada, price_in: 1.5, aliases: [ada]}\n")

    reprice, add = (
        orders.place(given, action, str(tmp_path / "catalogue.yaml"), store) for action in ("reprice", "add")
    )

    assert (reprice.change.candidate, reprice.done) == ("ada", "")
    assert add.done == "candidate 'org/ada' is routed to already, as 'ada'"


def test_order_without_champion_says_what_to_do_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no champion yet; train a first router"):
        orders.place("new", "add", "", str(tmp_path / "champions"))


def test_unknown_action_is_named() -> None:
    with pytest.raises(InputError, match="action 'adopt' is none of add, remove, reprice"):
        changes.of("adopt", "new")


def test_change_that_moves_others_is_refused(parent: Bundle, own: Callable[[float], Collection]) -> None:
    made = changes.apply(parent, ADD, own(0.9), {})
    moved = replace(made, calibration=bundle.Calibration(2.0, 0.0))

    with pytest.raises(InputError, match="moves probabilities of other candidates"):
        shadow.compare(parent, moved, own(0.9), ADD)


def test_changed_bundle_can_be_written_and_read(
    parent: Bundle, own: Callable[[float], Collection], tmp_path: Path
) -> None:
    made = changes.apply(parent, ADD, own(0.9), {})
    removed = changes.apply(made, Change(Action.REMOVE, "ada"), None, {}).write(tmp_path / "removed")

    loaded = bundle.read(tmp_path / "removed")

    assert loaded.digest == removed.digest
    assert loaded.names == ("bob", "new")
    assert contracts.conform(loaded.candidates, contracts.CANDIDATES).equals(loaded.candidates)
