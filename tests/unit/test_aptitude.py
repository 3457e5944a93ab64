"""The aptitude test: which questions are chosen, never from held-out prompts, and always the same ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsat.aptitude import frozen_test
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
    """60 categories of 20 prompts; candidates agree on everything in the first ten and differ in the others."""
    texts = [f"Word{i // 20} question {i}" for i in range(1200)]
    tasks = [f"category-{i // 20:02d}" for i in range(1200)]
    scores = [[1, 1] if i < 200 else [1, 0] for i in range(1200)]
    return make_collection(scores, texts, ("a", "b"), ["benchmark"] * 1200, tasks)


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

    assert test.tasks == ["large #1", "large #2", "large #3", "large #4", "small #1", "small #2"]
    assert (
        test.story
        == f"2 categories, the large ones split by topic into 6 tasks; {test.table.num_rows} questions, 15 a task"
    )


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

    assert test.categories == ["large"] * 4 + ["small"] * 2


@pytest.mark.parametrize(("pair", "name"), [(("mmlu", "law"), "mmlu/law"), (("gsm", "gsm"), "gsm")])
def test_task_is_called_by_benchmark_and_category(pair: tuple[str, str], name: str) -> None:
    assert frozen_test.category_of(*pair) == name


def test_most_discriminative_fifty_of_sixty_categories_stay(sixty_categories: Collection) -> None:
    test = frozen_test.choose(sixty_categories)

    assert test.tasks == [f"benchmark/category-{i:02d}" for i in range(10, 60)]
    assert test.story.startswith("the 50 of 60 categories with the most discriminative questions; ")


def test_every_task_has_equally_many_questions(sixty_categories: Collection) -> None:
    test = frozen_test.choose(sixty_categories)

    per_task = {test.table["task"].to_pylist().count(task) for task in test.tasks}
    assert per_task == {int(len(training_stems(sixty_categories)) / 4) // 50}


def test_questions_that_half_of_the_candidates_solve_come_first(two_benchmarks: Collection) -> None:
    test = frozen_test.choose(two_benchmarks, tasks=2, questions=60)
    share = solved_share(two_benchmarks)

    value = [share[prompt_id] * (1 - share[prompt_id]) for _, prompt_id in questions(test)]
    chosen = {prompt_id for _, prompt_id in questions(test)}
    training = training_stems(two_benchmarks)
    for task in test.tasks:
        mine = [v for v, (name, _) in zip(value, questions(test), strict=True) if name == task]
        left = [
            share[row["prompt_id"]] * (1 - share[row["prompt_id"]])
            for row in two_benchmarks.prompts.to_pylist()
            if row["benchmark"] == task and row["stem_digest"] in training and row["prompt_id"] not in chosen
        ]
        assert mine == sorted(mine, reverse=True)
        assert min(mine) >= max(left)


def test_question_that_few_candidates_answered_counts_less(
    make_collection: MakeCollection, texts_in: Callable[..., list[str]]
) -> None:
    nan = float("nan")
    answered = [[1, 0, 1, 0]]
    texts = [text for topic in TOPICS for text in texts_in(splits.TRAIN, 2, topic)]

    collection = make_collection([*([[1, 0, nan, nan]] * 7), *answered], texts, ("a", "b", "c", "d"))

    assert [prompt for _, prompt in questions(frozen_test.choose(collection, questions=1))] == ["p0007"]


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


def test_every_task_is_asked_once_before_any_is_asked_twice(
    two_benchmarks: Collection, sixty_categories: Collection
) -> None:
    for collection, tasks in ((two_benchmarks, 6), (sixty_categories, 50)):
        test = frozen_test.choose(collection, tasks)
        order = test.table["task"].to_pylist()

        rounds = [order[i : i + len(test.tasks)] for i in range(0, len(order), len(test.tasks))]
        assert len(rounds) > 1
        assert all(asked == test.tasks for asked in rounds)


def test_version_names_the_questions(two_benchmarks: Collection) -> None:
    one, same, other = (frozen_test.choose(two_benchmarks, 4, n) for n in (80, 80, 40))

    assert one.version == same.version != other.version
    assert set(one.table["version"].to_pylist()) == {one.version}
    assert one.version.startswith("apt-")


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
