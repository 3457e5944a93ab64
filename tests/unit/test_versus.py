"""The ten days of `make versus`: the book, the world, the local models, and the rival's choice, by hand."""

import csv
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelsat.data.collection import Collection, collect

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PARTS = ("book", "page", "rival", "traffic", "upstreams", "world")


@pytest.fixture(scope="module")
def versus() -> Iterator[SimpleNamespace]:
    """Import the parts as a script does, and forget them after."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield SimpleNamespace(**{name: importlib.import_module(f"versus.{name}") for name in PARTS})
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def day(versus: SimpleNamespace, ours: list[float | None], rival: list[float | None]) -> Any:
    """Return a day with answers of such scores, None for lost requests; ours cost 4 dollars, the rival's 1."""

    def answers(scores: list[float | None]) -> list[Any]:
        answer, lost = versus.traffic.Answer, versus.traffic.Answer.lost()
        return [lost if score is None else answer(score, "small") for score in scores]

    best = ("small", [1.0] * len(ours), 2.0)
    return versus.book.Day("a day", {"ours": answers(ours), "rival": answers(rival)}, {"ours": 4.0, "rival": 1.0}, best)


def test_lost_request_counts_as_lost_and_scores_nothing(versus: SimpleNamespace) -> None:
    row = day(versus, [1.0, None, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5]).row()

    assert (row["ours"]["lost"], row["rival"]["lost"]) == (1, 0)
    assert (row["ours"]["accuracy"], row["rival"]["accuracy"], row["best single"]["accuracy"]) == (75.0, 50.0, 100.0)
    assert row["difference"][0] == 25.0


def test_dollars_are_per_thousand_requests(versus: SimpleNamespace) -> None:
    row = day(versus, [1.0, 1.0], [1.0, 1.0]).row()

    assert (row["ours"]["dollars"], row["rival"]["dollars"], row["best single"]["dollars"]) == (2000, 500, 1000)


def test_all_days_weigh_by_their_requests(versus: SimpleNamespace) -> None:
    total = versus.book.total([day(versus, [1.0], [0.0]), day(versus, [0.0, 0.0, 0.0], [0.0, 0.0, 0.0])])

    assert (total["requests"], total["ours"]["accuracy"], total["rival"]["accuracy"]) == (4, 25.0, 0.0)
    assert total["ours"]["dollars"] == 2000


def test_page_names_the_days_on_which_knn_is_enough(versus: SimpleNamespace) -> None:
    equal, better = day(versus, [1.0, 0.0], [1.0, 0.0]).row(), day(versus, [1.0, 1.0], [1.0, None]).row()
    worse = day(versus, [0.0, 0.0], [1.0, 1.0]).row()
    days = [equal | {"title": "even"}, better | {"title": "won"}, worse | {"title": "lost"}]

    said = versus.page.verdict({"days": days})

    assert "Ours was surely better, or lost fewer requests: won." in said
    assert "The rival was surely better, or lost fewer requests: lost." in said
    assert "so kNN is enough: even." in said
    assert "The rival was cheaper: even, won, lost." in said


@pytest.fixture(scope="module")
def world(versus: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Forty prompts, ten of them code, and two models: the new one solves all, the small one every second."""
    folder, new = tmp_path_factory.mktemp("set"), versus.world.NEW
    ids = [f"p{i}" for i in range(40)]
    benchmarks = ["sums"] * 30 + ["mbpp"] * 10
    texts = [f"How much is {i} and {i}?" for i in range(40)]
    columns = {"prompt_id": ids, "benchmark": benchmarks, "category": benchmarks, "prompt": texts}
    pq.write_table(pa.table(columns | {"choices": pa.nulls(40, pa.string())}), folder / "prompts.parquet")
    scores = {"prompt_id": ids, "small": [float(i % 2) for i in range(40)], new: [1.0] * 40}
    pq.write_table(pa.table(scores), folder / "scores.parquet")
    with (folder / "models.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("model", versus.world.PRICES), ("small", 1), (new, 10)])
    return versus.world.World.read(folder)


def test_code_is_foreign_and_no_prompt_is_both_known_and_kept_back(world: Any) -> None:
    assert world.foreign.tolist() == list(range(30, 40))
    assert sorted([*world.known, *world.familiar]) == list(range(30))
    assert len(world.known) > 0
    assert len(world.familiar) > 0


def test_new_model_is_known_only_where_it_was_run(versus: SimpleNamespace, world: Any) -> None:
    before, after = world.measured(), world.measured().with_newcomer(5)

    assert before.best_single() == "small"
    assert after.best_single() == versus.world.NEW
    assert [len(row) for row in before.as_json().values()] == [1] * len(world.known)
    assert sum(len(row) == 2 for row in after.as_json().values()) == 5


def test_wrong_tables_look_right(versus: SimpleNamespace, world: Any) -> None:
    whole = world.measured().with_newcomer(None)
    swapped, misaligned = whole.swapped("small", versus.world.NEW), whole.misaligned()

    assert swapped.scores[:, 0].tolist() == whole.scores[:, 1].tolist()
    assert misaligned.scores.mean(axis=0).tolist() == pytest.approx(whole.scores.mean(axis=0).tolist())
    assert misaligned.scores.tolist() != whole.scores.tolist()


def test_results_are_a_folder_that_collect_reads(versus: SimpleNamespace, world: Any, tmp_path: Path) -> None:
    results = world.measured().with_newcomer(5)

    new: Collection = collect([str(results.write(tmp_path / "new", [versus.world.NEW]))])
    both: Collection = collect([str(results.write(tmp_path / "both"))])

    assert (new.scores.num_rows, new.rejects.num_rows) == (5, 0)
    assert (both.scores.num_rows, both.rejects.num_rows) == (5 + len(world.known), 0)
    assert set(both.candidates["price_in"].to_pylist()) == {1.0, 10.0}


def test_models_answer_with_what_they_scored_and_are_billed(versus: SimpleNamespace, world: Any) -> None:
    upstreams = versus.upstreams.Upstreams(world.outcomes(), dict(world.prices))
    text = world.texts[1]

    class Direct:
        def ask(self, http: httpx.Client, text: str, client: int) -> Any:
            del client
            answer = http.post(f"{url}/direct/small/v1/chat/completions", json={"messages": [{"content": text}]})
            if answer.status_code != 200:
                return versus.traffic.Answer.lost()
            said = answer.json()["choices"][0]["message"]["content"]
            return versus.traffic.Answer(versus.upstreams.score(said), "small")

    with upstreams.running() as url:
        good = versus.traffic.send(Direct(), [text, world.texts[2]])
        upstreams.faults["small"] = versus.upstreams.DOWN
        down = versus.traffic.send(Direct(), [text])
        upstreams.faults["small"] = versus.upstreams.WITHDRAWN
        gone = httpx.post(f"{url}/direct/small/v1/chat/completions", json={"messages": [{"content": text}]})

    assert [one.score for one in good] == [1.0, 0.0]
    assert (down[0].model, down[0].score, gone.status_code) == ("", 0.0, 404)
    # Two answers of 200 tokens and a prompt of five or six tokens each, at a dollar per million.
    assert upstreams.paid["direct"] == pytest.approx((400 + (len(text) + len(world.texts[2])) / 4) / 1e6)
    assert upstreams.calls["direct", "small"] == 4


def table(versus: SimpleNamespace, prices: tuple[float, float], second: list[float]) -> Any:
    """Return the rival's table of 100 prompts on two axes; `first` solves those on the first axis alone."""
    axis = np.arange(100) % 2
    outcomes = {
        f"{i}": {"first": float(axis[i] == 0), "second": score}
        for i, score in enumerate(second[axis[i]] for i in range(100))
    }
    models = {name: {"price": price} for name, price in zip(("first", "second"), prices, strict=True)}
    return versus.rival.Table(outcomes, models, np.eye(2)[axis])


def test_rival_asks_who_solved_the_neighbours(versus: SimpleNamespace) -> None:
    made = table(versus, (1.0, 1.0), [0.0, 1.0])

    assert made.rank(np.array([1.0, 0.0])) == ["first", "second"]
    assert made.rank(np.array([0.0, 1.0])) == ["second", "first"]


def test_rival_takes_the_cheaper_of_equals(versus: SimpleNamespace) -> None:
    made = table(versus, (10.0, 1.0), [1.0, 1.0])

    assert made.rank(np.array([1.0, 0.0])) == ["second", "first"]


def test_rival_refuses_scores_in_percent(versus: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="outside"):
        table(versus, (1.0, 1.0), [85.0, 1.0])


def test_rival_is_no_longer_than_two_hundred_lines() -> None:
    assert len((BENCHMARKS / "versus" / "rival.py").read_text(encoding="utf-8").splitlines()) <= 200


def test_stored_table_is_on_the_page(versus: SimpleNamespace) -> None:
    path = BENCHMARKS / "results" / "versus.json"
    if not path.is_file():
        pytest.skip("the ten days were not played yet")

    page = versus.page.section(json.loads(path.read_text(encoding="utf-8")))

    assert "| 10. burst |" in page
    assert "| all days |" in page
