"""A release from its catalogue row to a routed answer, on one machine, with a real HTTP endpoint; seconds per stage.

    python benchmarks/release_day.py [--folder .bench/release-day] [--rate 20]

A router is trained on the sample without one candidate (once; the folder keeps it). Then a row for that candidate goes
into the catalogue, with the address of a local server that answers 20 requests per second. `modelsat watch` finds the
row, puts the aptitude test to the server, validates, admits, compares and promotes; the clock stops when the endpoint
sends a prompt to the newcomer. The timeline goes to `FOLDER/timeline.html`, figures to
`benchmarks/results/release_day.json`.
"""

import argparse
import contextlib
import csv
import io
import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO

import slow_candidate

from modelsat.bundle import champions
from modelsat.bundle.champions import Champion
from modelsat.data import sample
from modelsat.io.atomic import write_json
from modelsat.reports import page
from modelsat.reports.page import Section, TableRow
from modelsat.text.rendering import render_prompt
from pipelines import local, services
from pipelines.watch_here import Watch
from pipelines.whole_loop import arguments, await_champion, infer, say

NEW = "sim-maths-specialist"
STRONG, WEAK = 0.97, 0.30
INTO = Path(__file__).parent / "results" / "release_day.json"
RECIPE = "entry_layer: 4\nconnector_steps: 60\nepochs: 0.05\nthreads: 1\n"
_STEP = re.compile(r"^(\w[\w -]+?) +done +(\d+\.\d) s$")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(".bench/release-day"))
    parser.add_argument("--rate", type=float, default=slow_candidate.RATE)
    parser.add_argument("--questions", type=int, default=0)
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    gold, prompt = prepare(folder)
    endpoint = services.endpoint(folder)
    services.mlflow(folder)
    try:
        await_champion(endpoint.url, _champion(folder).bundle_digest)
        with slow_candidate.serving(gold, options.rate) as (url, asked):
            row = f"candidate: {NEW}, revision: '{time.time():.0f}', endpoint: '{url}', price_in: 0.1, price_out: 0.2"
            (folder / "catalogue.yaml").write_text(f"- {{{row}}}\n")
            stages, seconds = play(folder, options.questions)
            first = time.monotonic()
            await_champion(endpoint.url, _champion(folder).bundle_digest)
            chosen = _routed(endpoint.url, prompt)
            stages.append(("Prompt routed", time.monotonic() - first))
            facts = record(folder, stages, seconds + stages[-1][1], asked(), options.rate, chosen)
    finally:
        services.stop(folder)
    if facts["epoch"] != 2:
        raise SystemExit(f"the newcomer was not promoted; {str(folder / 'logs')!r} says why")
    write_json(INTO, facts)
    timeline(facts, folder / "timeline.html")
    say(f"\n{sentence(facts)}\nTimeline  {folder / 'timeline.html'}")


def prepare(folder: Path) -> tuple[dict[str, tuple[str, float]], str]:
    """Train a router that does not know the newcomer; return what the newcomer knows, and a prompt it is good at."""
    scores = folder / "scores"
    if not scores.is_dir():
        sample.write(folder / "everybody", prompts=1200)
        shutil.copytree(folder / "everybody", scores)
        _drop(scores / "scores.csv", NEW)
    if champions.current(str(folder / "champions")) is None:
        recipe = folder / "recipe.yaml"
        recipe.write_text(RECIPE)
        tracking_uri = services.mlflow(folder).url
        lenient = {"instruct_questions": 400, "gate_margin": 1.0, "gate_saving": 0.0}
        local.run(folder, arguments(folder, [str(scores)], str(recipe), 1, tracking_uri) | lenient)
    _forget(folder)
    gold, prompt = {}, ""
    with (scores / "prompts.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            text = render_prompt(row["prompt"], json.loads(row["choices"]) if row["choices"] else None)
            good = "arithmetic" in row["benchmark"]
            gold[text] = (row["answer"], STRONG if good else WEAK)
            prompt = text if good else prompt
    return gold, prompt


def play(folder: Path, questions: int) -> tuple[list[tuple[str, float]], float]:
    """Look for releases once; return the stages with their seconds, and the seconds from the row to the promotion."""
    shown = _Tee(sys.stdout)
    began = time.monotonic()
    with contextlib.redirect_stdout(shown):
        choices = {"ask_questions": questions}
        Watch(folder, str(folder / "catalogue.yaml"), str(folder / "ledger"), rules=None, choices=choices).look()
    seconds = time.monotonic() - began
    found = [_STEP.match(line) for line in shown.getvalue().splitlines()]
    return [(match[1], float(match[2])) for match in found if match], seconds


def record(
    folder: Path, stages: list[tuple[str, float]], seconds: float, requests: int, rate: float, chosen: str
) -> dict[str, object]:
    """Set the time in which the candidate answered apart from our own."""
    reports = sorted((folder / "answers").glob("*/asked.json"), key=lambda path: path.stat().st_mtime)
    asked = json.loads(reports[-1].read_text(encoding="utf-8"))
    return {
        "candidate": NEW,
        "seconds": round(seconds, 1),
        "answering_seconds": asked["seconds"],
        "overhead_seconds": round(seconds - asked["seconds"], 1),
        "questions": asked["answered"],
        "requests": requests,
        "rate": rate,
        "routed_to": chosen,
        "epoch": _champion(folder).epoch,
        "stages": [{"stage": name, "seconds": round(value, 1)} for name, value in stages],
    }


def sentence(facts: dict) -> str:
    """Say how long it took."""
    return (
        f"From the catalogue row to the routed answer: {facts['seconds']:.0f} s. The candidate took "
        f"{facts['answering_seconds']:.0f} s for {facts['questions']} questions at {facts['rate']:.0f} per second, "
        f"{facts['overhead_seconds']:.0f} s are ours; a prompt of its kind goes to {facts['routed_to']}."
    )


def timeline(facts: dict, path: Path) -> None:
    """Write the page with a bar per stage."""
    rows = [TableRow((one["stage"], f"{one['seconds']:.1f}")) for one in facts["stages"]]
    sections = [
        Section("Timeline", figure=_bars(facts["stages"])),
        Section("Stages", heads=("stage", "seconds"), rows=rows, numeric=frozenset({1})),
    ]
    page.write(path, f"Release of {facts['candidate']}", sentence(facts), sections, "good", "benchmarks/release_day.py")


def _bars(stages: list[dict]) -> str:
    total = sum(one["seconds"] for one in stages) or 1.0
    x, parts, scale = 0.0, [], 640 / total
    for i, one in enumerate(stages):
        y, width = 8 + 26 * i, max(one["seconds"] * scale, 1.5)
        parts.append(
            f'<text x="230" y="{y + 14}" text-anchor="end">{one["stage"]}</text>'
            f'<rect x="{240 + x * scale:.1f}" y="{y}" width="{width:.1f}" height="18" fill="#2f6db3"/>'
            f'<text x="{246 + x * scale + width:.1f}" y="{y + 14}">{one["seconds"]:.1f} s</text>'
        )
        x += one["seconds"]
    style = (
        f'viewBox="0 0 960 {16 + 26 * len(stages)}" font-family="system-ui, sans-serif" font-size="13" fill="#1c2430"'
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" {style}>{"".join(parts)}</svg>'


def _routed(url: str, prompt: str) -> str:
    outputs = {output["name"]: output["data"] for output in infer(url, prompt)["outputs"]}
    return str(outputs["model"][0])


def _champion(folder: Path) -> Champion:
    champion = champions.current(str(folder / "champions"))
    if champion is None:
        raise SystemExit(f"{str(folder)!r} has no champion; remove the folder and begin again")
    return champion


def _drop(path: Path, column: str) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    place = rows[0].index(column)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([row[:place] + row[place + 1 :] for row in rows])


def _forget(folder: Path) -> None:
    """Go back to the router that does not know the newcomer, so that the day can be played again."""
    for record in sorted((folder / "champions").glob("*.json"))[1:]:
        record.unlink()
    for name in ("ledger", "answers", "work/asked"):
        shutil.rmtree(folder / name, ignore_errors=True)


class _Tee(io.StringIO):
    """Keeps what is printed and shows it."""

    def __init__(self, terminal: TextIO) -> None:
        super().__init__()
        self.terminal = terminal

    def write(self, text: str) -> int:
        self.terminal.write(text)
        self.terminal.flush()
        return super().write(text)


if __name__ == "__main__":
    main()
