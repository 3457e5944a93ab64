"""The ten days in order, with two routers of a line each in the systems' places: what happens, is billed and booked."""

import csv
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OLD, CHEAP = "llama-3.1-8b-instruct", "qwen2.5-7b-instruct"


@pytest.fixture(scope="module")
def versus() -> Iterator[SimpleNamespace]:
    """Import the parts as a script does, and forget them after."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        parts = ("book", "days", "page", "traffic", "upstreams", "world")
        yield SimpleNamespace(**{name: importlib.import_module(f"versus.{name}") for name in parts})
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@dataclass
class Always:
    """Asks its models in order until one answers; knows every command of both sides and remembers them."""

    name: str
    versus: SimpleNamespace
    upstreams: Any
    prices: dict[str, float]
    order: list[str]
    folder: Path
    tables: list[Any] = field(default_factory=lambda: [{}])
    did: list[str] = field(default_factory=list)
    ratings: list[tuple[int, str, float]] = field(default_factory=list)
    epoch: int = 3

    def ask(self, http: httpx.Client, text: str, client: int) -> Any:
        del http, client
        for model in self.order:
            status, body = self.upstreams.answer(self.name, model, text)
            if status == 200:
                told = self.versus.upstreams.score(body["choices"][0]["message"]["content"])
                return self.versus.traffic.Answer(told, model)
        return self.versus.traffic.Answer.lost()

    def rate(self, http: httpx.Client, answer: Any, client: int, value: float) -> None:
        del http
        self.ratings.append((client, answer.model, value))

    def learn(self, sources: list[Path]) -> str:
        self.did.append(f"learn {sources[0].name}")
        return "kept"

    def change(self, candidate: str, action: str, scores: object = ()) -> str:
        del scores
        self.did.append(f"{action} {candidate}")
        if action == "remove":
            self.order.remove(candidate)
        return "promoted"

    def roll_back(self, epoch: int) -> None:
        self.did.append(f"roll back to {epoch}")

    def feedback_log(self) -> Path:
        return self.folder / "feedback"

    def serve(self, table: object) -> None:
        self.tables.append(table)

    def learn_feedback(self) -> int:
        self.serve({"rated": len(self.ratings)})
        return len(self.ratings)

    def reconfigure(self) -> None:
        self.order = [name for name in self.order if name in self.prices]


@pytest.fixture(scope="module")
def played(versus: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The ten days, of eight requests each: ours asks the new model first, the rival the old one and nobody else."""
    folder, new = tmp_path_factory.mktemp("world"), versus.world.NEW
    n = 1000
    ids, texts = [f"p{i}" for i in range(n)], [f"How much is {i} and {i}?" for i in range(n)]
    benchmarks = ["sums"] * (n - 20) + ["mbpp"] * 20
    columns = {"prompt_id": ids, "benchmark": benchmarks, "category": benchmarks, "prompt": texts}
    pq.write_table(pa.table(columns | {"choices": pa.nulls(n, pa.string())}), folder / "prompts.parquet")
    scores = {OLD: [float(i % 2) for i in range(n)], CHEAP: [float(i % 4 == 0) for i in range(n)], new: [1.0] * n}
    pq.write_table(pa.table({"prompt_id": ids, **scores}), folder / "scores.parquet")
    with (folder / "models.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("model", versus.world.PRICES), (OLD, 1), (CHEAP, 1), (new, 10)])
    world = versus.world.World.read(folder)
    upstreams = versus.upstreams.Upstreams(world.outcomes(), dict(world.prices))
    ours = Always("ours", versus, upstreams, dict(world.prices), [new, OLD, CHEAP], folder)
    rival = Always("rival", versus, upstreams, dict(world.prices), [OLD], folder)
    stage = versus.days.Play(world, upstreams, ours, rival, 8, world.measured())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versus.upstreams, "_SILENT_SECONDS", 0.01)
        for day in versus.days.DAYS:
            day(stage)
    return stage


def test_every_day_is_one_entry_with_the_same_prompts_for_both(played: Any) -> None:
    assert [day.title for day in played.book] == [
        *("new model", "price change", "corrupted scores", "bad retrain", "foreign traffic"),
        *("upstream down", "poisoned feedback", "rollback", "model withdrawn", "burst"),
    ]
    assert {len(answers) for day in played.book for answers in day.answers.values()} == {8}
    assert all(set(day.did) == {"ours", "rival"} for day in played.book)


def test_only_who_has_nobody_else_loses_requests(versus: SimpleNamespace, played: Any) -> None:
    lost = {day.title: [versus.book.lost(one) for one in day.answers.values()] for day in played.book}

    assert lost == {title: [0, 0] for title in lost} | {"model withdrawn": [0, 8], "burst": [0, 8]}


def test_bill_is_that_of_the_models_that_answered(versus: SimpleNamespace, played: Any) -> None:
    row = played.book[0].row()

    assert row["ours"]["shares"] == {versus.world.NEW: 1.0}
    assert row["rival"]["shares"] == {OLD: 1.0}
    assert row["ours"]["dollars"] == pytest.approx(10 * row["rival"]["dollars"], rel=1e-3)
    assert row["ours"]["dollars"] == row["best single"]["dollars"]


def test_commands_come_in_the_order_of_the_events(versus: SimpleNamespace, played: Any) -> None:
    new = versus.world.NEW

    assert played.ours.did == [
        *(f"add {new}", f"reprice {CHEAP}", "learn whole", "learn corrupted", "learn misaligned"),
        *("learn whole", "roll back to 3", "roll back to 3", f"remove {OLD}"),
    ]


def test_attackers_speak_against_the_best_model_alone_and_the_honest_say_what_is(
    versus: SimpleNamespace, played: Any
) -> None:
    attackers = range(versus.traffic.CLIENTS - versus.days.ATTACKERS, versus.traffic.CLIENTS)
    ours = played.ours.ratings

    assert {value for client, _, value in ours if client in attackers} == {0.0}
    assert {value for client, _, value in ours if client not in attackers} == {1.0}
    assert sum(client in attackers for client, _, _ in ours) == 5 * 6 * 4
    assert {value for client, _, value in played.rival.ratings if client in attackers} == {1.0}


def test_rival_goes_back_after_each_bad_night(played: Any) -> None:
    whole = played.results.world.measured().with_newcomer(None).as_json()
    served = [one for one in played.rival.tables if len(one) > 1]

    assert sum(one == whole for one in served) == 3


def test_table_of_the_days_says_who_was_better(versus: SimpleNamespace, played: Any) -> None:
    facts = {"lines": 195, "litellm": "1", "known": 1, "familiar": 1, "foreign": 20}
    days = [day.row() for day in played.book]

    page = versus.page.section(facts | {"days": days, "total": versus.book.total(played.book)})

    assert page.count("\n| ") == (2 + 11) + (2 + 10)
    assert np.isclose(days[0]["ours"]["accuracy"], 100.0)
