"""The merge rule in every case: what is kept, what is out and named, and that the order of files never decides."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsat.data import collection, contracts
from modelsat.data.collection import Collection, collect, merge
from modelsat.data.readers.harvest import Harvest, reject, rejects_table
from modelsat.errors import InputError
from modelsat.text import rendering

PROMPTS = {"p": "Why is the sky blue?", "q": "Why is grass green?"}
PROMPTS_CSV = "prompt_id,benchmark,prompt\np,colours,Why is the sky blue?\nq,colours,Why is grass green?\n"


def harvest(
    *scores: dict[str, Any],
    prompts: dict[str, str] = PROMPTS,
    candidates: tuple[dict[str, object], ...] = (),
    **rest: Any,
) -> Harvest:
    """Make a harvest; each score needs a candidate, a prompt_id, a score and a source_uri."""
    common = {
        "benchmark": "colours",
        "task": "colours",
        "metric": "accuracy",
        "harness": "by hand",
        "source_row": 1,
        "source_digest": "digest",
        "collected_at": pa.scalar(0, pa.timestamp("us", tz="UTC")).as_py(),
    }
    named = {str(score["candidate"]): {"candidate": score["candidate"]} for score in scores}
    return Harvest(
        scores=contracts.from_rows([{**common, **score} for score in scores], contracts.SCORES),
        prompts=contracts.from_rows(
            [
                {
                    "prompt_id": prompt_id,
                    "stem_digest": rendering.stem_digest(text),
                    "benchmark": "colours",
                    "task": "colours",
                    "prompt": text,
                }
                for prompt_id, text in prompts.items()
            ],
            contracts.PROMPTS,
        ),
        candidates=contracts.from_rows(
            list({**named, **{str(c["candidate"]): c for c in candidates}}.values()), contracts.CANDIDATES
        ),
        rejects=rest.pop("rejects", rejects_table([])),
        **rest,
    )


def score(value: float | None, uri: str, version: str | None = None, **key: Any) -> dict[str, Any]:
    return {"candidate": "a", "prompt_id": "p", "score": value, "source_uri": uri, "harness_version": version} | key


def kept(merged: Collection) -> list[tuple[object, ...]]:
    return [(row["candidate"], row["prompt_id"], row["score"], row["source_uri"]) for row in merged.scores.to_pylist()]


def reasons(merged: Collection) -> list[str]:
    return merged.rejects["reason"].to_pylist()


def write_source(folder: Path, scores: str, prompts: str = PROMPTS_CSV, models: str = "") -> str:
    folder.mkdir(parents=True)
    (folder / "prompts.csv").write_text(prompts)
    (folder / "scores.csv").write_text(scores)
    if models:
        (folder / "models.csv").write_text(models)
    return str(folder)


def test_equal_scores_found_twice_are_one_row_and_counted() -> None:
    merged = merge([harvest(score(1.0, "x.csv", source_row=4)), harvest(score(1.0, "y.csv", source_row=9))])

    assert kept(merged) == [("a", "p", 1.0, "x.csv")]
    assert merged.rejects.num_rows == 0
    assert merged.notes == (
        "candidate 'a' has the same score twice on 1 prompt, first in x.csv row 4 and y.csv row 9; each is counted "
        "once [score-repeated]",
    )


def test_first_of_many_scores_found_twice_is_named_whatever_the_order_of_files() -> None:
    x = harvest(*(score(1.0, "x", prompt_id=name, source_row=row) for row, name in enumerate("rqp", start=1)))
    y = harvest(*(score(1.0, "y", prompt_id=name, source_row=row) for row, name in enumerate("qr", start=1)))
    said = "the same score twice on 2 prompts, first in x row 2 and y row 1"

    assert [said in merge(order).notes[0] for order in ([x, y], [y, x])] == [True, True]


def test_rows_of_one_file_are_named_together() -> None:
    merged = merge([harvest(score(1.0, "x", source_row=9), score(1.0, "x", source_row=4))])

    assert "first in x rows 4 and 9; each is counted once" in merged.notes[0]


def test_scores_that_differ_by_rounding_are_equal() -> None:
    merged = merge([harvest(score(2 / 3, "x.csv")), harvest(score(0.666667, "y.csv"))])

    assert kept(merged) == [("a", "p", 2 / 3, "x.csv")]


def test_conflicting_scores_are_both_out_and_named() -> None:
    merged = merge([harvest(score(1.0, "x.csv", source_row=4)), harvest(score(0.0, "y.csv", source_row=9))])

    assert merged.scores.num_rows == 0
    assert [(row["source_uri"], row["source_row"], row["value"]) for row in merged.rejects.to_pylist()] == [
        ("x.csv", 4, "1.0"),
        ("y.csv", 9, "0.0"),
    ]
    assert set(reasons(merged)) == {
        "candidate 'a' has different scores for prompt 'p' (1.0 in x.csv row 4 and 0.0 in y.csv row 9); "
        "keep the right one"
    }


def test_two_of_three_agreeing_do_not_outvote_the_third() -> None:
    merged = merge([harvest(score(value, uri)) for value, uri in ((1.0, "x"), (1.0, "y"), (0.0, "z"))])

    assert merged.scores.num_rows == 0
    assert merged.rejects.num_rows == 3


def test_conflict_on_one_prompt_leaves_the_others() -> None:
    one = harvest(score(1.0, "x"), score(1.0, "x", prompt_id="q"))
    merged = merge([one, harvest(score(0.0, "y"), score(1.0, "y", prompt_id="q"))])

    assert kept(merged) == [("a", "q", 1.0, "x")]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("0.4.2", "0.4.3"),
        ("0.4.9", "0.4.10"),
        ("0.4.9", "0.4.9.2"),
        ("0.4.13", "1.0"),
        (None, "0.4.0"),
        ("", "0.4.0"),
        ("3e2f1abc9", "0.4.0"),
        ("0123456", "0.4.0"),
    ],
)
def test_newest_harness_wins(older: str | None, newer: str) -> None:
    merged = merge([harvest(score(1.0, "x.csv", newer)), harvest(score(0.0, "y.csv", older))])

    assert kept(merged) == [("a", "p", 1.0, "x.csv")]
    assert merged.rejects.num_rows == 0


def test_older_scores_that_differ_are_noted_with_their_versions() -> None:
    merged = merge(
        [
            harvest(score(1.0, "x", "0.4.3"), score(1.0, "x", "0.4.3", prompt_id="q")),
            harvest(score(0.0, "y", "0.4.2", source_row=7), score(0.0, "y", "0.4.2", prompt_id="q")),
        ]
    )

    assert merged.notes == (
        "candidate 'a' has scores of by hand 0.4.2 and of by hand 0.4.3 that differ on 2 prompts, first in x row 1 "
        "and y row 7; those of by hand 0.4.3 are used, remove the others to silence this [scores-superseded]",
    )


def test_older_scores_that_agree_are_the_same_score_twice() -> None:
    merged = merge([harvest(score(1.0, "y", "0.4.3")), harvest(score(1.0, "x", "0.4.2"))])

    assert merged.notes == (
        "candidate 'a' has the same score twice on 1 prompt, first in y row 1 and x row 1; each is counted once "
        "[score-repeated]",
    )


def test_conflict_within_the_newest_version_is_out_whatever_the_older_says() -> None:
    merged = merge(
        [harvest(score(v, u, h)) for v, u, h in ((1.0, "x", "0.4.3"), (0.0, "y", "0.4.3"), (1.0, "z", "0.4.2"))]
    )

    assert merged.scores.num_rows == 0
    assert sorted(merged.rejects["source_uri"].to_pylist()) == ["x", "y"]


def test_of_one_version_the_run_over_more_prompts_wins() -> None:
    whole = harvest(score(1.0, "whole"), score(1.0, "whole", prompt_id="q"))
    partial = harvest(score(0.0, "partial"))

    assert kept(merge([whole, partial])) == [("a", "p", 1.0, "whole"), ("a", "q", 1.0, "whole")]


def test_remark_on_a_source_without_a_version_is_readable() -> None:
    merged = merge([harvest(score(1.0, "x", "0.4.3")), harvest(score(0.0, "y"))])

    assert "None" not in merged.notes[0]


def test_different_metrics_of_one_prompt_are_different_scores() -> None:
    merged = merge([harvest(score(1.0, "x", metric="exact")), harvest(score(0.0, "y", metric="letter"))])

    assert merged.scores.num_rows == 2
    assert merged.rejects.num_rows == 0


@pytest.mark.parametrize("value", [None, float("nan")])
def test_missing_scores_found_twice_are_one_row(value: float | None) -> None:
    merged = merge([harvest(score(value, "x")), harvest(score(value, "y"))])

    assert merged.scores.num_rows == 1


def test_candidates_without_scores_are_left_out_and_noted() -> None:
    merged = merge([harvest(score(1.0, "x"), candidates=({"candidate": "idle"},))], ["data"])

    assert merged.candidates["candidate"].to_pylist() == ["a"]
    assert merged.notes == (
        "candidate 'idle' is listed in 'data' but has no scores, so it is left out; add its results or remove its "
        "row [candidate-without-scores]",
    )


def test_facts_on_a_candidate_complete_each_other() -> None:
    merged = merge(
        [
            harvest(score(1.0, "x"), candidates=({"candidate": "a", "price_in": 2.0},)),
            harvest(score(1.0, "y"), candidates=({"candidate": "a", "family": "f"},)),
        ]
    )

    (row,) = merged.candidates.to_pylist()
    assert (row["price_in"], row["family"], row["price_out"]) == (2.0, "f", None)


def test_order_of_sources_never_decides_a_price() -> None:
    cheap = harvest(score(1.0, "x"), candidates=({"candidate": "a", "price_in": 1.0},))
    dear = harvest(score(1.0, "y"), candidates=({"candidate": "a", "price_in": 9.0},))

    assert merge([cheap, dear]).candidates.equals(merge([dear, cheap]).candidates)


def test_prompt_that_stands_twice_is_one_prompt() -> None:
    merged = merge([harvest(score(1.0, "x")), harvest(score(0.5, "y", candidate="b"))])

    assert merged.prompts["prompt_id"].to_pylist() == ["p", "q"]
    assert merged.rejects.num_rows == 0


def test_prompt_that_stands_twice_in_other_typography_is_one_prompt() -> None:
    merged = merge([harvest(score(1.0, "x")), harvest(score(1.0, "y"), prompts={"p": "why is the SKY blue"})])

    assert merged.prompts["prompt_id"].to_pylist() == ["p", "q"]
    assert merged.rejects.num_rows == 0


def test_prompt_id_of_two_questions_is_rejected_and_named() -> None:
    merged = merge([harvest(score(1.0, "x")), harvest(score(1.0, "y"), prompts={"p": "Why is snow white?"})])

    assert reasons(merged) == ["prompt id 'p' names different questions; give each question an id of its own"] * 2
    assert merged.rejected_share > 0


def test_order_of_sources_never_decides_which_question_stays() -> None:
    one, other = harvest(score(1.0, "x")), harvest(score(1.0, "y"), prompts={"p": "Why is snow white?"})

    assert merge([one, other]).digest() == merge([other, one]).digest()


def test_order_of_sources_never_decides_which_spelling_stays() -> None:
    one, other = harvest(score(1.0, "x")), harvest(score(1.0, "y"), prompts={"p": "why is the SKY blue"})

    assert merge([one, other]).prompts.equals(merge([other, one]).prompts)


AGE = {None: 0, "3e2f1ab": 0, "0.4.2": 1, "0.4.10": 2}
ROWS = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from("pq"), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from(list(AGE))
    ),
    min_size=1,
    max_size=8,
)


def single_rows(rows: list[tuple[str, str, float, str | None]]) -> list[Harvest]:
    return [
        harvest(score(value, f"{i:02d}.csv", version, candidate=candidate, prompt_id=prompt_id))
        for i, (candidate, prompt_id, value, version) in enumerate(rows)
    ]


@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_files_never_matters(rows: list[tuple[str, str, float, str | None]], random: Any) -> None:
    harvests = single_rows(rows)
    shuffled = random.sample(harvests, len(harvests))

    one, other = merge(harvests), merge(shuffled)

    assert one.scores.equals(other.scores)
    assert one.candidates.equals(other.candidates)
    assert one.digest() == other.digest()
    assert sorted(one.notes) == sorted(other.notes)
    assert one.rejects.sort_by("source_uri").equals(other.rejects.sort_by("source_uri"))


@given(ROWS)
def test_every_key_is_kept_once_or_named_as_a_conflict(rows: list[tuple[str, str, float, str | None]]) -> None:
    merged = merge(single_rows(rows))

    keys = [(row["candidate"], row["prompt_id"]) for row in merged.scores.to_pylist()]
    files = {f"{i:02d}.csv": (row[0], row[1]) for i, row in enumerate(rows)}
    conflicts = {files[uri] for uri in merged.rejects["source_uri"].to_pylist()}
    assert len(keys) == len(set(keys))
    assert set(keys) | conflicts == {(row[0], row[1]) for row in rows}
    assert not set(keys) & conflicts


@given(ROWS)
def test_kept_score_is_one_of_the_newest_version(rows: list[tuple[str, str, float, str | None]]) -> None:
    merged = merge(single_rows(rows))

    for row in merged.scores.to_pylist():
        ages = [AGE[v] for c, p, _, v in rows if (c, p) == (row["candidate"], row["prompt_id"])]
        assert AGE[row["harness_version"]] == max(ages)


@given(st.permutations(range(4)))
def test_digest_does_not_depend_on_when_and_from_where(order: list[int]) -> None:
    rows = [score(i / 4, f"here/{i}", candidate=f"c{i}") for i in range(4)]
    moved = [row | {"source_uri": f"there/{i}", "source_row": 7} for i, row in enumerate(rows)]
    one = merge([harvest(*rows)])
    other = merge([harvest(*(moved[i] for i in order))])

    later = pa.array(
        [t + timedelta(days=1) for t in other.scores["collected_at"].to_pylist()],
        contracts.SCORES.field("collected_at").type,
    )
    other = replace(
        other, scores=other.scores.set_column(other.scores.column_names.index("collected_at"), "collected_at", later)
    )
    assert one.digest() == other.digest()


def test_digest_changes_with_a_score_a_question_and_a_candidate() -> None:
    base = merge([harvest(score(1.0, "x"))])
    others = [
        merge([harvest(score(0.5, "x"))]),
        merge([harvest(score(1.0, "x"), prompts={**PROMPTS, "q": "Why is snow white?"})]),
        merge([harvest(score(1.0, "x", candidate="b"))]),
        merge([harvest(score(1.0, "x", metric="other"))]),
    ]

    assert len({base.digest(), *(other.digest() for other in others)}) == 5


def test_no_scores_are_an_empty_collection() -> None:
    merged = merge([harvest()])

    assert merged.counts() == {"scores": 0, "prompts": 2, "candidates": 0, "benchmarks": 1, "rejected_rows": 0}
    assert merged.rejected_share == 0.0


def test_source_without_prompts_is_collected_so_that_it_can_be_reported(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", "prompt_id,a\np,1\n", prompts="prompt_id\np\n")

    collected = collect([source])

    assert collected.prompts.num_rows == 0
    assert collected.rejected_share == 1.0


def test_rejected_share_counts_rows() -> None:
    rows = [score(1.0, "x", prompt_id=f"p{i}") for i in range(8)]
    rejects = rejects_table([reject("x", "no number", 9), reject("x", "no number", 10)])

    merged = merge([harvest(*rows, rejects=rejects)])

    assert merged.rejected_share == pytest.approx(0.2)


def test_rejected_file_is_everything() -> None:
    rows = [score(1.0, "x", prompt_id=f"p{i}") for i in range(8)]

    merged = merge([harvest(*rows, rejects=rejects_table([reject("y", "the file is damaged")]))])

    assert merged.rejected_share == 1.0


def test_licences_and_notes_of_all_sources_travel_along() -> None:
    merged = merge(
        [
            harvest(score(1.0, "x"), licences=("MIT",), notes=("one",)),
            harvest(score(1.0, "y"), licences=("MIT", "CC-BY-4.0"), notes=("other",)),
        ]
    )

    assert merged.licences == ("MIT", "CC-BY-4.0")
    assert merged.notes[:2] == ("one", "other")


def test_written_collection_is_read_back(golden: Collection, tmp_path: Path) -> None:
    golden = replace(golden, notes=("a note",), licences=("MIT",))

    golden.write(tmp_path / "collection")
    back = Collection.read(tmp_path / "collection")

    assert back == golden
    assert back.digest() == golden.digest()


def test_collection_replaces_the_one_before_whole(golden: Collection, tmp_path: Path) -> None:
    (tmp_path / "collection").mkdir()
    (tmp_path / "collection" / "stale").touch()

    golden.write(tmp_path / "collection")

    assert not (tmp_path / "collection" / "stale").exists()


def test_absent_collection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"collection\.json' does not exist"):
        Collection.read(tmp_path)


def test_no_sources_are_refused() -> None:
    with pytest.raises(InputError, match="no sources were given; name at least one folder or s3:// prefix"):
        collect([])


def test_source_that_nobody_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")

    with pytest.raises(InputError, match="holds no benchmark results that modelsat can read; it looks for scores"):
        collect([str(tmp_path)])


def test_folder_and_s3_give_the_same_collection(tmp_path: Path, bucket: str) -> None:
    source = write_source(tmp_path / "source", "prompt_id,a,b\np,1,0\nq,0,1\n")
    for path in Path(source).iterdir():
        collection.storage.create(f"s3://{bucket}/results/{path.name}", path.read_bytes())

    one, other = collect([source]), collect([f"s3://{bucket}/results"])

    assert one.digest() == other.digest()
    assert other.scores["source_uri"].to_pylist() == [f"s3://{bucket}/results/scores.csv"] * 4


def test_order_of_sources_never_matters(tmp_path: Path) -> None:
    sources = [
        write_source(tmp_path / "one", "prompt_id,a,b\np,1,0\nq,0,1\n"),
        write_source(tmp_path / "two", "prompt_id,a,c\np,1,1\nq,1,1\n"),
        write_source(tmp_path / "three", "prompt_id,b\np,0\n"),
    ]

    collected = [collect(order) for order in itertools.permutations(sources)]

    assert len({each.digest() for each in collected}) == 1
    assert all(
        each.scores.select(["candidate", "prompt_id", "score", "source_uri"]).equals(
            collected[0].scores.select(["candidate", "prompt_id", "score", "source_uri"])
        )
        for each in collected
    )
    assert kept(collected[0])[0] == ("a", "p", 1.0, f"{sources[0]}/scores.csv")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("ci_mini", {"scores": 6000, "prompts": 600, "candidates": 10, "benchmarks": 5}),
        ("zeroeval", {"scores": 157_931, "prompts": 4200, "candidates": 42, "benchmarks": 5}),
        ("mmlupro", {"scores": 222_831, "prompts": 8299, "candidates": 27, "benchmarks": 1}),
        ("mmlu_helm", {"scores": 112_818, "prompts": 9706, "candidates": 17, "benchmarks": 1}),
    ],
)
def test_real_results_are_collected_without_rejects(
    collect_real: Callable[[str], Collection], name: str, counts: dict[str, int]
) -> None:
    assert collect_real(name).counts() == counts | {"rejected_rows": 0}


@pytest.mark.real_data
def test_candidate_means_of_real_results_are_those_of_their_readme(collect_real: Callable[[str], Collection]) -> None:
    means = collect_real("ci_mini").scores.group_by("candidate").aggregate([("score", "mean")]).to_pydict()
    mean = dict(zip(means["candidate"], means["score_mean"], strict=True))
    assert mean["o1-mini-2024-09-12"] == pytest.approx(0.8717, abs=5e-5)
    assert sum(mean.values()) / 10 == pytest.approx(0.6853, abs=5e-5)
