"""Newcomers are admitted to a bundle by their answers to its frozen test, without training."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from modelsat.bundle import admission, ranking
from modelsat.bundle.bundle import Bundle
from modelsat.data import catalogue, contracts, splits
from modelsat.data.collection import Collection
from modelsat.evaluation import arena, scoring
from modelsat.routers.constant import Constant
from modelsat.routers.profile import Profile
from modelsat.text.rendering import stem_digest

NAN = float("nan")
QUESTIONS = ["What is 1 + 1?", "What is 2 + 2?", "Spell the word cat", "Spell the word dog"]
IDS = ["s1", "s2", "w1", "w2"]
MakeCollection = Callable[..., Collection]
TextsIn = Callable[..., list[str]]


class Recorder(Constant):
    """Keeps the profile of the newcomers that it was given last."""

    seen: Profile

    def admit(self, newcomers: Profile) -> Constant:
        self.seen = newcomers
        return super().admit(newcomers)


class Doubtful(Constant):
    """Doubts the candidates from the third on."""

    @property
    def doubt(self) -> np.ndarray:
        return np.where(np.arange(len(self.candidates)) < 2, 0.0, 0.2)

    def admit(self, newcomers: Profile) -> Constant:
        return Doubtful([*self.candidates, *newcomers.names], np.append(self.probabilities, newcomers.means))


@pytest.fixture
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    """Two candidates with cards of mean 0.8 and 0.4 and mean scores of 0.7 and 0.3."""
    cards = [
        ("ada", "sums", 1.0, 0.9),
        ("ada", "words", 0.5, 0.7),
        ("bob", "sums", 0.5, 0.6),
        ("bob", "words", 0.0, 0.2),
    ]
    return make_bundle(
        {"ada": 0.7, "bob": 0.3},
        aptitude_test=[
            {
                "version": "apt-1",
                "task": task,
                "category": task,
                "keywords": [task] * 5,
                "position": i,
                "prompt_id": IDS[i],
                "stem_digest": stem_digest(QUESTIONS[i]),
                "text": QUESTIONS[i],
            }
            for i, task in enumerate(["sums", "sums", "words", "words"])
        ],
        cards=[
            {
                "candidate": name,
                "test_version": "apt-1",
                "task": task,
                "accuracy": accuracy,
                "n": 2,
                "shrunken_accuracy": shrunken,
            }
            for name, task, accuracy, shrunken in cards
        ],
        lineage={"mean_score": {"ada": 0.7, "bob": 0.3}, "trained_on": ["ada", "bob"]},
        digest="digest",
    )


@pytest.fixture
def recorder(bundle: Bundle) -> tuple[Bundle, Recorder]:
    """The bundle around a router that records what it is told of newcomers."""
    router = Recorder(bundle.names, np.array([0.7, 0.3]))
    return replace(bundle, router=router), router


def alias(collection: Collection, name: str, *aliases: str) -> Collection:
    """Return the collection with other names for one candidate."""
    told = contracts.from_rows([{"candidate": name, "aliases": list(aliases)}], contracts.CANDIDATES)
    return catalogue.enrich(collection, told)


def answers(
    make: MakeCollection, scores: list[list[float]], names: tuple[str, ...] = ("new",), ids: list[str] = IDS
) -> Collection:
    return make(scores, QUESTIONS, names, prompt_ids=ids, prices=[5.0] * len(names))


def card(bundle: Bundle, name: str) -> list[tuple[str, float | None, int]]:
    return [(r["task"], r["accuracy"], r["n"]) for r in bundle.cards.to_pylist() if r["candidate"] == name]


def test_newcomer_stands_behind_those_that_were_known(bundle: Bundle, make_collection: MakeCollection) -> None:
    admitted = admission.admit(bundle, answers(make_collection, [[1], [1], [0], [1]]))

    assert admitted.names == ("ada", "bob", "new")
    assert admitted.candidates["candidate"].to_pylist() == ["ada", "bob", "new"]
    assert admitted.candidates["price_in"].to_pylist() == [None, None, 5.0]
    assert card(admitted, "new") == [("sums", 1.0, 2), ("words", 0.5, 2)]
    assert card(admitted, "ada") == card(bundle, "ada")


def test_columns_of_the_old_candidates_do_not_change(bundle: Bundle, make_collection: MakeCollection) -> None:
    admitted = admission.admit(bundle, answers(make_collection, [[1], [1], [0], [1]]))

    np.testing.assert_array_equal(admitted.success_probability(["x"])[:, :2], bundle.success_probability(["x"]))


def test_admitted_bundle_is_another_bundle(bundle: Bundle, make_collection: MakeCollection) -> None:
    admitted = admission.admit(bundle, answers(make_collection, [[1], [1], [0], [1]]))

    assert (bundle.digest, admitted.digest) == ("digest", "")
    assert admitted.lineage["trained_on"] == ["ada", "bob"]
    assert admitted.aptitude_test is bundle.aptitude_test


@pytest.mark.parametrize(("version", "fair"), [("apt-1", False), ("apt-fair-1", True)])
def test_router_is_told_whether_the_test_is_in_a_fair_order(
    recorder: tuple[Bundle, Recorder], make_collection: MakeCollection, version: str, fair: bool
) -> None:
    bundle, router = recorder
    test = bundle.aptitude_test.drop_columns("version").add_column(0, "version", pa.array([version] * 4))

    admission.admit(replace(bundle, aptitude_test=test), answers(make_collection, [[1], [1], [0], [1]]))

    assert router.seen.in_fair_order is fair


def test_nobody_new_changes_nothing(bundle: Bundle, make_collection: MakeCollection) -> None:
    assert admission.admit(bundle, answers(make_collection, [[0], [0], [0], [0]], ("ada",))) is bundle


def test_known_candidate_keeps_its_card_whatever_was_collected(bundle: Bundle, make_collection: MakeCollection) -> None:
    admitted = admission.admit(bundle, answers(make_collection, [[0, 1]] * 4, ("ada", "new")))

    assert card(admitted, "ada") == [("sums", 1.0, 2), ("words", 0.5, 2)]
    assert admitted.names == ("ada", "bob", "new")


def test_newcomer_without_answers_gets_the_card_that_the_zoo_makes_likely(
    bundle: Bundle, make_collection: MakeCollection
) -> None:
    admitted = admission.admit(bundle, answers(make_collection, [[NAN]] * 4))

    shrunken = [row["shrunken_accuracy"] for row in admitted.cards.to_pylist() if row["candidate"] == "new"]
    assert card(admitted, "new") == [("sums", None, 0), ("words", None, 0)]
    assert shrunken == pytest.approx([(3 + 0.5) / 5, (1 + 0.5) / 5])


def test_expected_mean_is_read_off_the_zoo(bundle: Bundle, make_collection: MakeCollection) -> None:
    admitted = admission.admit(bundle, answers(make_collection, [[NAN]] * 4))

    level = (0.7 + 0.3) / 2
    expected = 0.5 + 1.0 * (level - (0.8 + 0.4) / 2)
    assert admitted.lineage["mean_score"] == pytest.approx({"ada": 0.7, "bob": 0.3, "new": expected})
    assert admitted.success_probability(["x"])[0, 2] == pytest.approx(expected)


def test_better_answers_are_expected_to_score_more(bundle: Bundle, make_collection: MakeCollection) -> None:
    scores = [[1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0]]

    admitted = admission.admit(bundle, answers(make_collection, scores, ("best", "middle", "worst")))

    mean = admitted.lineage["mean_score"]
    assert 0 <= mean["worst"] < mean["middle"] < mean["best"] <= 1


def test_answers_are_found_by_their_question_where_ids_differ(bundle: Bundle, make_collection: MakeCollection) -> None:
    scores = [[1], [1], [0], [1]]

    by_id = admission.admit(bundle, answers(make_collection, scores))
    by_question = admission.admit(bundle, answers(make_collection, scores, ids=["a", "b", "c", "d"]))

    assert by_question.cards.equals(by_id.cards)


def test_answers_to_other_questions_do_not_count(bundle: Bundle, make_collection: MakeCollection) -> None:
    collection = make_collection([[1], [1]], ["What is 9 + 9?", QUESTIONS[0]], ("new",), prompt_ids=["x", "s1"])

    assert card(admission.admit(bundle, collection), "new") == [("sums", 1.0, 1), ("words", None, 0)]


def test_id_of_another_question_does_not_count(bundle: Bundle, make_collection: MakeCollection) -> None:
    collection = make_collection([[1]], ["Who painted the Mona Lisa, and in which year?"], ("new",), prompt_ids=["s1"])

    assert card(admission.admit(bundle, collection), "new") == [("sums", None, 0), ("words", None, 0)]


def test_order_of_newcomers_in_the_collection_is_kept(bundle: Bundle, make_collection: MakeCollection) -> None:
    collection = answers(make_collection, [[1, 0]] * 4, ("zoe", "abe"))

    admitted = admission.admit(bundle, collection)

    assert admitted.names == ("ada", "bob", "zoe", "abe")
    assert admitted.candidates["candidate"].to_pylist() == list(admitted.names)


def test_admitting_one_by_one_or_together_gives_the_same_cards(bundle: Bundle, make_collection: MakeCollection) -> None:
    together = admission.admit(bundle, answers(make_collection, [[1, 0], [1, 1], [0, 1], [1, 0]], ("new", "other")))

    alone = admission.admit(bundle, answers(make_collection, [[1], [1], [0], [1]]))

    assert card(alone, "new") == card(together, "new")
    assert alone.lineage["mean_score"]["new"] == pytest.approx(together.lineage["mean_score"]["new"])


def test_bundle_of_one_candidate_expects_the_mean_of_the_card(
    bundle: Bundle, make_collection: MakeCollection, make_bundle: Callable[..., Bundle]
) -> None:
    single = make_bundle({"ada": 0.7}, lineage={"mean_score": {"ada": 0.7}})
    single = replace(single, aptitude_test=bundle.aptitude_test, cards=bundle.cards.slice(0, 2))

    admitted = admission.admit(single, answers(make_collection, [[NAN]] * 4))

    shrunken = [row["shrunken_accuracy"] for row in admitted.cards.to_pylist() if row["candidate"] == "new"]
    assert admitted.lineage["mean_score"]["new"] == pytest.approx(sum(shrunken) / 2)


def test_admitted_bundle_follows_the_contracts(bundle: Bundle, make_collection: MakeCollection) -> None:
    admitted = admission.admit(bundle, answers(make_collection, [[1], [1], [0], [1]]))

    assert contracts.conform(admitted.cards, contracts.CARDS).equals(admitted.cards)
    assert contracts.conform(admitted.candidates, contracts.CANDIDATES).equals(admitted.candidates)


def test_profile_holds_the_answers_in_the_frozen_order(
    recorder: tuple[Bundle, Recorder], make_collection: MakeCollection
) -> None:
    bundle, router = recorder
    scores = [[1, 0.5], [0, NAN], [NAN, 1]]

    admission.admit(bundle, make_collection(scores, [QUESTIONS[i] for i in (3, 0, 1)], ("zoe", "abe")))

    assert router.seen.names == ("zoe", "abe")
    np.testing.assert_array_equal(router.seen.answers, [[0, NAN], [NAN, 1], [NAN, NAN], [1, 0.5]])
    assert router.seen.accuracies.shape == (2, 2)


@pytest.mark.parametrize("questions", [0, 1, 3, 4, 99])
def test_newcomer_is_asked_the_first_questions_only(
    recorder: tuple[Bundle, Recorder], make_collection: MakeCollection, texts_in: TextsIn, questions: int
) -> None:
    bundle, router = recorder
    texts = [*QUESTIONS, *texts_in(splits.TRAIN, 2, "Another question")]

    admitted = admission.admit(bundle, make_collection([[1]] * 6, texts, ("new",)), questions)

    asked = [1.0] * min(questions, 4) + [NAN] * max(4 - questions, 0)
    np.testing.assert_array_equal(router.seen.answers[:, 0], asked)
    assert (list(router.seen.texts), router.seen.scores.size) == ([], 0)
    assert [n for _, _, n in card(admitted, "new")] == [min(questions, 2), min(max(questions - 2, 0), 2)]


def test_first_questions_are_those_of_the_frozen_order_whatever_the_order_of_the_collection(
    recorder: tuple[Bundle, Recorder], make_collection: MakeCollection
) -> None:
    bundle, router = recorder
    backwards = make_collection([[0], [0], [0], [1]], QUESTIONS[::-1], ("new",), prompt_ids=["d", "c", "b", "a"])

    admission.admit(bundle, backwards, questions=1)

    np.testing.assert_array_equal(router.seen.answers, [[1], [NAN], [NAN], [NAN]])


def test_other_labelled_questions_enter_the_profile_and_held_out_ones_never_do(
    recorder: tuple[Bundle, Recorder], make_collection: MakeCollection, texts_in: TextsIn
) -> None:
    bundle, router = recorder
    kinds = (splits.TRAIN, splits.TEST, splits.VALIDATION)
    train, test, validation = (texts_in(split, 3, "Another question") for split in kinds)
    scores = [[1], [0], [0.25], [0.5], [0.75], [1], [1], [1], [0.125], [NAN], [0]]

    admission.admit(bundle, make_collection(scores, [*QUESTIONS[:2], *train, *test, *validation], ("new",)))

    assert list(router.seen.texts) == [*train, validation[0], validation[2]]
    np.testing.assert_array_equal(router.seen.scores[:, 0], [0.25, 0.5, 0.75, 0.125, 0])
    np.testing.assert_array_equal(router.seen.answers[:2, 0], [1, 0])


def test_other_questions_are_told_as_a_router_reads_them(
    recorder: tuple[Bundle, Recorder], make_collection: MakeCollection, texts_in: TextsIn
) -> None:
    bundle, router = recorder
    (text,) = texts_in(splits.TRAIN, 1, "Another question")
    collection = make_collection([[1]], [text], ("new",))
    rows = [row | {"choices": ["yes", "no"]} for row in collection.prompts.to_pylist()]

    admission.admit(bundle, replace(collection, prompts=contracts.from_rows(rows, contracts.PROMPTS)))

    assert list(router.seen.texts) == [f"{text}\nA. yes\nB. no"]


def test_of_very_many_other_questions_a_sample_is_taken(
    recorder: tuple[Bundle, Recorder],
    make_collection: MakeCollection,
    texts_in: TextsIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "MOST_OTHER_QUESTIONS", 5)
    bundle, router = recorder
    texts = texts_in(splits.TRAIN, 20, "Another question")
    collection = make_collection(np.arange(20) / 20, texts, ("new",))

    admission.admit(bundle, collection)
    first = router.seen
    admission.admit(bundle, collection)

    taken = [texts.index(text) for text in first.texts]
    assert len(taken) == 5
    assert taken == sorted(set(taken))
    np.testing.assert_allclose(first.scores[:, 0], np.array(taken) / 20, rtol=1e-6)
    assert list(router.seen.texts) == list(first.texts)


def held_out(make: MakeCollection, texts_in: TextsIn, names: tuple[str, ...]) -> Collection:
    """Return a collection with prompts to train on and two to be judged by."""
    texts = [*texts_in(splits.TRAIN, 3, "Question"), *texts_in(splits.TEST, 2, "Question")]
    return make(np.ones((5, len(names))), texts, names)


def test_scores_land_in_the_column_of_the_candidate_that_bears_the_alias(
    bundle: Bundle, make_collection: MakeCollection, texts_in: TextsIn
) -> None:
    collection = held_out(make_collection, texts_in, ("bob", "org/ada"))
    collection = alias(collection, "org/ada", "ada")
    recording = replace(bundle, router=Recorder(bundle.names, np.array([0.7, 0.3])))

    scored, *_ = scoring.score(recording, collection, arena.build(collection), collection.candidates)

    np.testing.assert_allclose(scored, [[0.3, 0.7]] * 2, rtol=1e-5)
    assert not hasattr(recording.router, "seen")


def test_newcomer_is_scored_by_answers_from_elsewhere(
    bundle: Bundle, make_collection: MakeCollection, texts_in: TextsIn
) -> None:
    collection = held_out(make_collection, texts_in, ("bob", "stranger", "new", "ada"))
    elsewhere = answers(make_collection, [[1], [1], [1], [1]])

    scored, *_ = scoring.score(bundle, elsewhere, arena.build(collection), collection.candidates)

    expected = admission.admit(bundle, elsewhere).success_probability(["x"])[0]
    np.testing.assert_allclose(scored, [[expected[1], 0, expected[2], expected[0]]] * 2, rtol=1e-6)


def test_terms_of_choice_come_in_the_order_of_the_arena(
    bundle: Bundle, make_collection: MakeCollection, texts_in: TextsIn
) -> None:
    doubtful = replace(bundle, router=Doubtful(bundle.names, np.array([0.7, 0.3])))
    collection = held_out(make_collection, texts_in, ("new", "stranger", "bob"))
    own = answers(make_collection, [[1]] * 4)

    _, terms, _ = scoring.score(doubtful, own, arena.build(collection), collection.candidates)

    np.testing.assert_allclose(terms.uncertainty_margin, [0.2, 0, 0])
    assert terms.allowed.tolist() == [[True, False, True]] * 2
    # `new` gets what the zoo makes likely of its answers, `bob` keeps its own mean, and of `stranger` none is known.
    expected = admission.admit(doubtful, own).lineage["mean_score"]
    assert terms.mean_score.tolist() == [expected["new"], 0, 0.3]


def test_served_bundle_answers_with_its_own_candidates_and_never_with_an_admitted_one(
    bundle: Bundle, make_collection: MakeCollection, texts_in: TextsIn
) -> None:
    """`new` is admitted for the evaluation and may lead there; `ada` leads among those that the bundle serves."""
    collection = held_out(make_collection, texts_in, ("bob", "new", "ada"))
    elsewhere = answers(make_collection, [[1]] * 4)
    arena_ = arena.build(collection)

    found = scoring.score(bundle, elsewhere, arena_, collection.candidates)

    assert found.served == ["ada", "ada"]
    assert found.served == ranking.route(bundle, arena_.texts).model


def test_prompt_that_no_candidate_reads_is_answered_with_none(bundle: Bundle) -> None:
    rows = [row | {"context_length": 10} for row in bundle.candidates.to_pylist()]
    short = replace(bundle, candidates=contracts.from_rows(rows, contracts.CANDIDATES))

    assert scoring.served(short, ["x" * 40, "x" * 44], np.full((2, 2), 0.5)) == ["ada", ""]


def test_arena_of_strangers_has_no_scores(bundle: Bundle, make_collection: MakeCollection, texts_in: TextsIn) -> None:
    collection = held_out(make_collection, texts_in, ("x", "y"))
    nobody_new = answers(make_collection, [[1]] * 4, ("ada",))

    scored, *_ = scoring.score(bundle, nobody_new, arena.build(collection), collection.candidates)

    np.testing.assert_array_equal(scored, np.zeros((2, 2)))


def test_fewer_questions_reach_the_newcomer_that_is_scored(
    recorder: tuple[Bundle, Recorder], make_collection: MakeCollection, texts_in: TextsIn
) -> None:
    bundle, router = recorder
    collection = held_out(make_collection, texts_in, ("ada", "new"))

    scoring.score(
        bundle, answers(make_collection, [[1]] * 4), arena.build(collection), collection.candidates, questions=2
    )

    np.testing.assert_array_equal(router.seen.answers[:, 0], [1, 1, NAN, NAN])
