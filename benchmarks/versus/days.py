"""The ten days: what happens, what each side does about it, and which prompts users send meanwhile."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import numpy as np

from modelsat.routers.router import FOREIGN
from versus import traffic
from versus.book import Day, joined
from versus.traffic import CLIENTS, OURS, RIVAL, Answer
from versus.upstreams import DOWN, SILENT, WITHDRAWN, Upstreams
from versus.world import NEW, Results, World

if TYPE_CHECKING:
    from versus.ours import Ours
    from versus.team import Rival

REPRICED, NEW_PRICE = "qwen2.5-7b-instruct", 0.8
MEASURED_AT_RELEASE = 400
ATTACKERS, RATINGS, FLOOD = 5, 6, 4
BURST_RATE, BURST_AT_ONCE = 30.0, 64


@dataclass
class Play:
    """The stage: both systems before the same models and users."""

    world: World
    upstreams: Upstreams
    ours: "Ours"
    rival: "Rival"
    requests: int
    results: Results
    book: list[Day] = field(default_factory=list)
    before_night: tuple[int, int] = (1, 0)

    def day(
        self,
        title: str,
        rows: np.ndarray,
        rate: float = 0.0,
        at_once: int = 4,
        during: Callable[[str], None] = lambda _: None,
    ) -> Day:
        """Let users send the prompts of some rows to both systems, one after the other, and put it on the book.

        Args:
            title: What happens.
            rows: Of the world.
            rate: As of `traffic.send`.
            at_once: Likewise.
            during: What is done with a system, by its name, while users send.
        """
        texts = [self.world.texts[row] for row in rows]
        answers: dict[str, list[Answer]] = {}
        paid: dict[str, float] = {}
        for name, system in self.systems.items():
            before = self.upstreams.paid.get(name, 0.0)
            with ThreadPoolExecutor(1) as beside:
                doing = beside.submit(during, name)
                answers[name] = traffic.send(system, texts, at_once, rate)
                doing.result()
            paid[name] = self.upstreams.paid.get(name, 0.0) - before
        best = self.results.best_single()
        alone = sum(self.upstreams.cost(best, text) for text in texts)
        scores = self.world.truth[rows, self.world.models.index(best)].tolist()
        self.book.append(Day(title, answers, paid, (best, scores, alone)))
        return self.book[-1]

    @property
    def systems(self) -> "dict[str, Ours | Rival]":
        """Return both systems by name."""
        return {OURS: self.ours, RIVAL: self.rival}

    def users(self, day: int, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the rows of the prompts that users send on a day."""
        pool = self.world.familiar if rows is None else rows
        return np.random.default_rng([day, 20]).permutation(pool)[: self.requests]

    def reprice(self, model: str, price: float) -> None:
        """Change a price for everybody."""
        for prices in (self.upstreams.prices, self.ours.prices, self.rival.prices, self.world.prices):
            prices[model] = price

    def retrain(self, results: Results, name: str) -> str:
        """Let ours learn from results."""
        return self.ours.learn([results.write(self.ours.folder / "results" / name)])


def new_model(play: Play) -> None:
    """A model is released that is better than all others; both get its scores on the same few prompts."""
    play.results = play.results.with_newcomer(MEASURED_AT_RELEASE)
    folder = play.results.write(play.ours.folder / "results" / "new", [NEW])
    said = play.ours.change(NEW, "add", [folder])
    play.rival.serve(play.results.as_json())
    play.day("new model", play.users(1)).did = {
        OURS: f"onboarded by {MEASURED_AT_RELEASE} results without training: {said}",
        RIVAL: f"added the same {MEASURED_AT_RELEASE} scores to its table",
    }


def price_change(play: Play) -> None:
    """A model that much goes to costs four times as much; over night both learn from the new model's whole results."""
    play.reprice(REPRICED, NEW_PRICE)
    said = play.ours.change(REPRICED, "reprice")
    play.rival.reconfigure()
    play.day("price change", play.users(2)).did = {
        OURS: f"took the price over: {said}",
        RIVAL: "changed a number in its configuration",
    }
    play.before_night = play.ours.epoch, len(play.rival.tables) - 1
    play.results = play.results.with_newcomer(None)
    play.book[-1].did[OURS] += f" At night retrained: {play.retrain(play.results, 'whole')}"
    play.rival.serve(play.results.as_json())


def corrupted_scores(play: Play) -> None:
    """The night's results have the columns of the best and the worst model exchanged."""
    worst = play.world.models[int(np.nanmean(play.results.scores, axis=0).argmin())]
    wrong = play.results.swapped(NEW, worst)
    said = play.retrain(wrong, "corrupted")
    play.rival.serve(wrong.as_json())
    play.day("corrupted scores", play.users(3)).did = {
        OURS: said,
        RIVAL: "served them, since every score is in [0, 1]; its team saw the accuracy and went back at night",
    }
    play.rival.serve(play.results.as_json())


def bad_retrain(play: Play) -> None:
    """A join gone wrong gives prompts the scores of others of their benchmark, so that no mean changes."""
    wrong, before = play.results.misaligned(), play.ours.epoch
    said = play.retrain(wrong, "misaligned")
    play.rival.serve(wrong.as_json())
    play.day("bad retrain", play.users(4)).did = {
        OURS: said if play.ours.epoch == before else f"{said} Its team rolled back at night.",
        RIVAL: "served it, having no gate; its team went back at night",
    }
    if play.ours.epoch != before:
        # What is found at both sides is undone at both.
        play.ours.roll_back(before)
    play.rival.serve(play.results.as_json())


def foreign_traffic(play: Play) -> None:
    """A new team comes with code, which nobody measured."""
    made = play.day("foreign traffic", play.users(5, play.world.foreign))
    foreign = np.asarray([one.foreign for one in made.answers[OURS]])
    made.did = {
        OURS: f"said of {100 * float(np.mean(foreign >= FOREIGN)):.0f} % of the answers that the prompt is foreign",
        RIVAL: "looked up its nearest neighbours",
    }


def upstream_down(play: Play) -> None:
    """The model that most prompts go to answers 503 in the morning, and nothing at all in the afternoon."""
    rows = np.array_split(play.users(6), 2)
    asked = _favourite(play)
    for fault, half in ((DOWN, rows[0]), (SILENT, rows[1])):
        play.upstreams.faults[asked] = fault
        play.day("upstream down", half)
    play.upstreams.faults.clear()
    play.book[-2:] = [joined(*play.book[-2:])]
    play.book[-1].did = {
        OURS: f"{asked} was down: the next best answered",
        RIVAL: f"{asked} was down: LiteLLM retried, fell back and cooled it down",
    }


def poisoned_feedback(play: Play) -> None:
    """A quarter of the clients says, each four times as often as others, that the best model is bad, the rest good."""
    count = RATINGS * (CLIENTS - ATTACKERS + FLOOD * ATTACKERS)
    rows = np.random.default_rng(70).permutation(play.world.familiar)
    for name in play.systems:
        _rated(play, name, rows[:count])
    log = play.ours.feedback_log()
    said = play.ours.learn([play.ours.folder / "results" / "whole", log])
    play.rival.learn_feedback()
    play.day("poisoned feedback", play.users(7, rows[count:])).did = {
        OURS: said,
        RIVAL: f"added {count} ratings to its table as they came",
    }


def rollback(play: Play) -> None:
    """The router of before the second night is wanted back, while users send; at night the newest returns."""
    seconds, newest = {}, (play.ours.epoch, len(play.rival.tables) - 1)

    def back(name: str) -> None:
        began = time.monotonic()
        if name == OURS:
            play.ours.roll_back(play.before_night[0])
        else:
            play.rival.serve(play.rival.tables[play.before_night[1]])
        seconds[name] = time.monotonic() - began

    made = play.day("rollback", play.users(8), during=back)
    made.did = {
        OURS: f"`modelsat rollback --to {play.before_night[0]}`, served after {seconds[OURS]:.0f} s",
        RIVAL: f"checked out the table of that day, served after {seconds[RIVAL]:.0f} s",
    }
    play.ours.roll_back(newest[0])
    play.rival.serve(play.rival.tables[newest[1]])


def model_withdrawn(play: Play) -> None:
    """A model answers 404 from the morning on; at noon the teams hear of it and take it out."""
    gone = _favourite(play, besides=NEW)
    rows = np.array_split(play.users(9), 2)
    play.upstreams.faults[gone] = WITHDRAWN
    play.day("model withdrawn", rows[0])
    del play.rival.prices[gone]
    play.rival.reconfigure()
    play.results = play.results.without(gone)
    said = play.ours.change(gone, "remove")
    play.day("model withdrawn", rows[1])
    play.book[-2:] = [joined(*play.book[-2:])]
    play.book[-1].did = {OURS: said, RIVAL: f"took {gone} out of its configuration"}


def burst(play: Play) -> None:
    """Thirty requests a second, whatever comes back."""
    rows = play.users(10)
    made = play.day("burst", rows, BURST_RATE, BURST_AT_ONCE)
    fallbacks = sum(one.outcome == "fallback" for one in made.answers[OURS])
    made.did = {
        OURS: f"answered {fallbacks} of {len(rows)} without the router, which was asked too much",
        RIVAL: "let requests wait",
    }


DAYS: Sequence[Callable[[Play], None]] = (
    new_model, price_change, corrupted_scores, bad_retrain, foreign_traffic,
    upstream_down, poisoned_feedback, rollback, model_withdrawn, burst,
)  # fmt: skip


def _favourite(play: Play, besides: str = "") -> str:
    """Return the model that both together asked most often on the day before, besides one."""
    asked: dict[str, int] = {}
    for answers in play.book[-1].answers.values():
        for one in answers:
            asked[one.model] = asked.get(one.model, 0) + (one.model not in ("", besides))
    return max(asked, key=lambda name: asked[name])


def _rated(play: Play, name: str, rows: np.ndarray) -> None:
    """Let honest clients rate what they get truly, and attackers the best model as bad and all others as good."""
    system, honest = play.systems[name], CLIENTS - ATTACKERS
    clients = [*np.repeat(np.arange(honest), RATINGS), *np.repeat(np.arange(honest, CLIENTS), FLOOD * RATINGS)]

    def one(row: int, client: int) -> None:
        answer = system.ask(http, play.world.texts[row], client)
        if answer.model:
            system.rate(http, answer, client, answer.score if client < honest else float(answer.model != NEW))

    with httpx.Client(timeout=30) as http, ThreadPoolExecutor(4) as threads:
        list(threads.map(one, rows.tolist(), map(int, clients)))
