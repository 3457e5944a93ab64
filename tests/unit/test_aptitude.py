"""The aptitude test: which questions are chosen, never from held-out prompts, and always the same ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsat.aptitude import balanced_order, frozen_test
from modelsat.aptitude.frozen_test import AptitudeTest
from modelsat.data import contracts, score_matrix, splits
from modelsat.data.collection import Collection, merge
from modelsat.data.readers.harvest import Harvest
from modelsat.errors import InputError

TOPICS = ("apple orchard harvest", "steam engine piston", "violin sonata chord", "glacier moraine valley")
MakeCollection = Callable[..., Collection]


@pytest.fixture(scope="module")
def two_benchmarks(make_collection: MakeCollection) -> Collection:
    """600 prompts in two benchmarks, 400 and 200, of four topics; four candidates answer at random."""
    rng = np.random.default_rng(0)
    texts = [f"Tell me about {TOPICS[i % 4]} number {i}" for i in range(600)]
    benchmarks = ["small" if i % 3 == 0 else "large" for i in range(600)]
    return make_collection(rng.integers(0, 2, (600, 4)), texts, ("a", "b", "c", "d"), benchmarks)


@pytest.fixture(scope="module")
def sixty_categories(make_collection: MakeCollection) -> Collection:
    """60 categories, the first ten of 10 prompts, the others of 40; two candidates."""
    category = [i // 10 if i < 100 else 10 + (i - 100) // 40 for i in range(2100)]
    texts = [f"Word{category[i]} question {i}" for i in range(2100)]
    scores = [[1, i % 2] for i in range(2100)]
    return make_collection(scores, texts, ("a", "b"), ["benchmark"] * 2100, [f"category-{c:02d}" for c in category])


def training_stems(collection: Collection) -> set[str]:
    stems = collection.prompts["stem_digest"].to_pylist()
    return {stem for stem, part in zip(stems, splits.assign(stems), strict=True) if part == splits.TRAIN}


def questions(test: AptitudeTest) -> list[tuple[str, str]]:
    return list(zip(test.table["task"].to_pylist(), test.table["prompt_id"].to_pylist(), strict=True))


def solved_share(collection: Collection) -> dict[str, float]:
    ids = collection.prompts["prompt_id"].to_pylist()
    table = score_matrix.matrix(collection.scores, ids, collection.candidates["candidate"].to_pylist())
    return dict(zip(ids, table.mean(axis=1).tolist(), strict=True))


def test_questions_keep_their_gold_answers_and_options(two_benchmarks: Collection) -> None:
    n = two_benchmarks.prompts.num_rows
    letters = ["ABCD"[i % 4] for i in range(n)]
    prompts = two_benchmarks.prompts
    for name, column in {"answer": letters, "scorer": ["letter"] * n, "choices": [["w", "x", "y", "z"]] * n}.items():
        place = prompts.column_names.index(name)
        prompts = prompts.set_column(place, prompts.schema.field(place), [column])

    test = frozen_test.choose(replace(two_benchmarks, prompts=prompts), tasks=6, questions=90)

    gold = dict(zip(prompts["prompt_id"].to_pylist(), letters, strict=True))
    for row in test.table.to_pylist():
        assert (row["answer"], row["scorer"]) == (gold[row["prompt_id"]], "letter")
        assert row["choices"] == ["w", "x", "y", "z"]
        assert row["category"] == row["benchmark"]


def test_questions_are_training_prompts_only(two_benchmarks: Collection) -> None:
    test = frozen_test.choose(two_benchmarks, tasks=6, questions=90)

    assert set(splits.assign(test.table["stem_digest"].to_pylist())) == {splits.TRAIN}


@pytest.mark.parametrize("wanted", [1, 7, 100, 100_000])
def test_never_more_than_a_quarter_of_the_training_questions(two_benchmarks: Collection, wanted: int) -> None:
    test = frozen_test.choose(two_benchmarks, questions=wanted)

    assert 1 <= test.table.num_rows <= min(wanted, len(training_stems(two_benchmarks)) / 4)


def test_large_tasks_are_halved_by_topic_until_there_are_enough(two_benchmarks: Collection) -> None:
    test = frozen_test.choose(two_benchmarks, tasks=6, questions=90)

    assert sorted(test.tasks) == ["large #1", "large #2", "large #3", "large #4", "small #1", "small #2"]
    assert test.story == (f"2 categories, the large ones split by topic into 6 tasks; {test.table.num_rows} questions")


def test_halving_stops_where_tasks_would_become_too_small(two_benchmarks: Collection) -> None:
    test = frozen_test.choose(two_benchmarks, tasks=50, questions=1000)

    counts = len(training_stems(two_benchmarks)) / frozen_test.SMALLEST_TASK
    assert 4 <= len(test.tasks) <= counts


def test_halves_of_a_task_are_about_different_things(make_collection: MakeCollection) -> None:
    texts = [f"{TOPICS[i % 2]} number {i}" for i in range(400)]
    collection = make_collection(np.tile([[1, 0]], (400, 1)), texts, ("a", "b"))

    test = frozen_test.choose(collection, tasks=2, questions=100)

    about_apples = [
        np.mean([row["text"].startswith("apple") for row in test.table.to_pylist() if row["task"] == task])
        for task in test.tasks
    ]
    assert sorted(about_apples) == pytest.approx([0.0, 1.0], abs=0.1)


def test_category_of_a_part_is_that_of_the_whole(two_benchmarks: Collection) -> None:
    test = frozen_test.choose(two_benchmarks, tasks=6, questions=90)

    assert dict(zip(test.tasks, test.categories, strict=True)) == {
        **{f"large #{i}": "large" for i in range(1, 5)},
        **{f"small #{i}": "small" for i in range(1, 3)},
    }


@pytest.mark.parametrize(("pair", "name"), [(("mmlu", "law"), "mmlu/law"), (("gsm", "gsm"), "gsm")])
def test_task_is_called_by_benchmark_and_category(pair: tuple[str, str], name: str) -> None:
    assert frozen_test.category_of(*pair) == name


def test_largest_fifty_of_sixty_categories_stay(sixty_categories: Collection) -> None:
    test = frozen_test.choose(sixty_categories)

    assert sorted(test.tasks) == [f"benchmark/category-{i:02d}" for i in range(10, 60)]
    assert test.story.startswith("the 50 largest of 60 categories; ")


def test_every_beginning_holds_each_task_in_proportion(two_benchmarks: Collection) -> None:
    test = frozen_test.choose(two_benchmarks, tasks=2, questions=90)
    training = training_stems(two_benchmarks)
    rows = two_benchmarks.prompts.to_pylist()
    share = np.mean([row["benchmark"] == "small" for row in rows if row["stem_digest"] in training])

    order = np.asarray(test.table["task"].to_pylist()) == "small"

    for n in (16, 32, 64, len(order)):
        assert order[:n].mean() == pytest.approx(share, abs=1.5 / n)


@pytest.mark.parametrize("n", [16, 64])
def test_every_beginning_is_as_hard_for_each_candidate_as_all_training_prompts(
    two_benchmarks: Collection, n: int
) -> None:
    """Of random questions, scores on 16 stray by 12.5 points and on 64 by 6, one standard deviation."""
    ids = [
        row["prompt_id"]
        for row in two_benchmarks.prompts.to_pylist()
        if row["stem_digest"] in training_stems(two_benchmarks)
    ]
    names = two_benchmarks.candidates["candidate"].to_pylist()
    test = frozen_test.choose(two_benchmarks, tasks=2, questions=90)

    everywhere = score_matrix.matrix(two_benchmarks.scores, ids, names).mean(axis=0)
    asked = score_matrix.matrix(two_benchmarks.scores, test.table["prompt_id"].to_pylist()[:n], names)

    assert np.abs(asked.mean(axis=0) - everywhere).max() < 0.75 / n + 0.01


def test_questions_that_nobody_solves_have_their_share(make_collection: MakeCollection) -> None:
    """A fifth is beyond all candidates: a test without these could not tell who would solve them."""
    texts = [f"{TOPICS[i % 4]} number {i}" for i in range(1000)]
    scores = [[0, 0, 0] if i % 5 == 0 else [1, i % 2, i % 3 == 0] for i in range(1000)]
    collection = make_collection(scores, texts, ("a", "b", "c"))

    asked = frozen_test.choose(collection, questions=100).table["prompt_id"].to_pylist()

    solved = solved_share(collection)
    training = training_stems(collection)
    rows = [row for row in collection.prompts.to_pylist() if row["stem_digest"] in training]
    share = np.mean([solved[row["prompt_id"]] == 0 for row in rows])
    for n in (20, 50, 100):
        assert np.mean([solved[prompt_id] == 0 for prompt_id in asked[:n]]) == pytest.approx(share, abs=1.5 / n)


def test_question_that_stands_twice_is_asked_once(make_collection: MakeCollection) -> None:
    texts = [f"{TOPICS[i // 2 % 4]} {i // 2}{'!' * (i % 2)}" for i in range(200)]
    collection = make_collection(np.tile([[1, 0]], (200, 1)), texts, ("a", "b"))

    stems = frozen_test.choose(collection, questions=1000).table["stem_digest"].to_pylist()

    assert len(stems) == len(set(stems))
    assert len(stems) <= len(training_stems(collection)) / 4


def test_every_task_has_five_keywords(two_benchmarks: Collection) -> None:
    test = frozen_test.choose(two_benchmarks, tasks=6, questions=90)

    assert len(test.keywords) == len(test.tasks) == 6
    assert all(len(words) == 5 and all(words) for words in test.keywords)
    assert {"violin", "sonata", "chord"} & {word for words in test.keywords for word in words}


def test_task_without_words_is_known_by_its_name(make_collection: MakeCollection) -> None:
    texts = [f"{i} + {i * 7}" for i in range(100)]
    collection = make_collection(np.tile([[1, 0]], (100, 1)), texts, ("a", "b"), ["sums"] * 100)

    (words,) = frozen_test.choose(collection).keywords

    assert len(words) == 5


def test_texts_of_the_same_words_are_no_fault(make_collection: MakeCollection) -> None:
    texts = [f"Compute sum {i} {i * 7}" for i in range(100)]

    test = frozen_test.choose(make_collection(np.tile([[1, 0]], (100, 1)), texts, ("a", "b")))

    assert test.table.num_rows > 0


def test_text_of_a_question_is_what_a_router_sees(make_collection: MakeCollection, two_benchmarks: Collection) -> None:
    with_choices = two_benchmarks.prompts.to_pylist()
    prompts = contracts.from_rows([row | {"choices": ["yes", "no"]} for row in with_choices], contracts.PROMPTS)

    test = frozen_test.choose(replace(two_benchmarks, prompts=prompts), questions=10)

    assert all(text.endswith("\nA. yes\nB. no") for text in test.table["text"].to_pylist())


def test_positions_count_through_the_test(two_benchmarks: Collection) -> None:
    test = frozen_test.choose(two_benchmarks, tasks=6, questions=90)

    assert test.table["position"].to_pylist() == list(range(test.table.num_rows))


def test_a_stronger_stranger_is_read_off_the_first_64_questions(
    collect_real: Callable[[str], Collection],
) -> None:
    """The best of mmlupro, before a zoo whose best is 9 points below: one standard deviation of 64 answers is 4."""
    found = collect_real("mmlupro")
    names = found.candidates["candidate"].to_pylist()
    ids = found.prompts["prompt_id"].to_pylist()
    everything = score_matrix.matrix(found.scores, ids, names)
    level = np.nanmean(everything, axis=0)
    best = int(level.argmax())
    zoo = [name for name, one in zip(names, level, strict=True) if one < level[best] - 0.05]
    kept = np.isin(found.scores["candidate"].to_pylist(), zoo)
    known = np.isin(found.candidates["candidate"].to_pylist(), zoo)
    test = frozen_test.choose(
        replace(found, scores=found.scores.filter(kept), candidates=found.candidates.filter(known))
    )

    place = {prompt_id: row for row, prompt_id in enumerate(ids)}
    rows = [place[prompt_id] for prompt_id in test.table["prompt_id"].to_pylist()]
    scores = everything[rows, best]

    assert float(np.nanmean(scores[:64])) == pytest.approx(level[best], abs=0.08)
    assert float(np.nanmean(scores)) == pytest.approx(level[best], abs=0.025)


def test_version_names_the_questions(two_benchmarks: Collection) -> None:
    one, same, other = (frozen_test.choose(two_benchmarks, 4, n) for n in (80, 80, 40))

    assert one.version == same.version != other.version
    assert set(one.table["version"].to_pylist()) == {one.version}
    assert one.version.startswith("apt-fair-")


def test_test_of_an_earlier_version_is_in_no_fair_order(two_benchmarks: Collection) -> None:
    now = frozen_test.choose(two_benchmarks, 4, 80)
    earlier = now.table.drop_columns("version").add_column(0, "version", pa.array(["apt-0123456789ab"] * 80))

    assert now.in_fair_order
    assert not frozen_test.AptitudeTest(earlier, "").in_fair_order
    assert not frozen_test.AptitudeTest(now.table.slice(0, 0), "").in_fair_order


@settings(max_examples=5)
@given(st.randoms(use_true_random=False))
def test_order_in_which_files_are_read_never_changes_the_test(two_benchmarks: Collection, random: object) -> None:
    order = np.random.default_rng(random.randrange(2**32))
    parts = np.array_split(order.permutation(600), 3)
    ids = two_benchmarks.prompts["prompt_id"].to_pylist()
    harvests = [
        Harvest(
            two_benchmarks.scores.filter(
                np.isin(two_benchmarks.scores["prompt_id"].to_pylist(), [ids[i] for i in part])
            ),
            two_benchmarks.prompts.take(part),
            two_benchmarks.candidates,
            two_benchmarks.rejects,
        )
        for part in parts
    ]

    one, other = frozen_test.choose(two_benchmarks, 6, 90), frozen_test.choose(merge(harvests), 6, 90)

    assert one.table.equals(other.table)


def test_order_of_the_rows_never_changes_the_test(two_benchmarks: Collection) -> None:
    order = np.random.default_rng(0).permutation(600)

    shuffled = replace(two_benchmarks, prompts=two_benchmarks.prompts.take(order))

    assert frozen_test.choose(two_benchmarks, 6, 90).table.equals(frozen_test.choose(shuffled, 6, 90).table)


def test_too_few_training_prompts_are_refused(
    make_collection: MakeCollection, texts_in: Callable[..., list[str]]
) -> None:
    collection = make_collection([[1, 0]] * 3, texts_in(splits.TRAIN, 3, "Question"), ("a", "b"))

    with pytest.raises(InputError, match="only 3 training prompts were collected, too few for an aptitude test"):
        frozen_test.choose(collection)


def test_outcomes_come_back_from_their_table_by_name_and_position() -> None:
    known = np.array([[1.0, np.nan], [np.nan, np.nan], [0.5, 0.0]])

    table = frozen_test.answers(known, ["ada", "bob"])

    np.testing.assert_array_equal(frozen_test.outcomes(table, ["bob", "new", "ada"], 3)[:, [2, 0]], known)
    assert np.isnan(frozen_test.outcomes(table, ["new"], 3)).all()


def test_beginning_ends_where_more_than_one_in_ten_is_left_out() -> None:
    answered = np.ones(40, dtype=bool)
    answered[[3, 20, 21]] = False
    answered[24:] = False
    answered[[30, 39]] = True

    # 19 of the first 21 are answered, which is more than nine in ten, and 19 of 22, which is less.
    assert np.flatnonzero(balanced_order.beginning(answered)).tolist() == [0, 1, 2, *range(4, 20)]


def test_answers_without_a_beginning_are_no_fair_sample() -> None:
    assert not balanced_order.beginning(np.arange(10) > 4).any()
    assert not balanced_order.beginning(np.zeros(0, dtype=bool)).any()


def test_order_by_some_of_many_candidates_is_fair_to_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balanced_order, "MOST_MEASURED", 12)
    rng = np.random.default_rng(0)
    chance = 1 / (1 + np.exp(rng.normal(0, 1.5, 800)[:, None] - rng.normal(0, 1, 80)))
    outcomes = (rng.random(chance.shape) < chance).astype(np.float32)

    traits = balanced_order.traits(outcomes, np.zeros(800, dtype=np.int64))
    fair = balanced_order.order(traits, 80)

    def error(rows: np.ndarray) -> float:
        return float(np.abs(outcomes[rows].mean(axis=0) - outcomes.mean(axis=0)).mean())

    # One task, ten strata of difficulty, and the outcomes of those that were measured.
    assert traits.shape == (800, 1 + 10 + 12)
    assert error(fair) < np.mean([error(rng.permutation(800)[:80]) for _ in range(50)])
