"""Collecting, validating and building instructions by the number of scores, beside an earlier build and plain DuckDB.

    python benchmarks/scale.py [--rows 100000 1000000] [--candidates 50] [--stages collect validate instruct fit judge]
        [--before PYTHON] [--engines PYTHON] [--rounds 1]

`--before` is the interpreter of another build's environment, `--engines` one that has the packages of
`benchmarks/scale-requirements.txt`. Scores are simulated: a fiftieth of the answers missing, long tables in Parquet of
up to 5 million rows a file. Faults are planted in the last file and have to be found. Each stage is a process of its
own, as in the pipeline; contenders take turns. Processor time counts what the process used, whatever else the machine
did. Sizes that are stored already stay, unless they are measured again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import markdown
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelsat.io.atomic import write_json

INTO = Path(__file__).parent / "results" / "scale.json"
ROWS_A_FILE = 5_000_000
FAULTS = [(0, 1, 1.0), (0, 1, 0.0), (1, 2, 7.0), (2, 2, np.nan), (3, 3, 1.0), (3, 3, 1.0)]
"""Prompt, candidate and score: two in conflict, one out of range, one missing, and one twice."""
WORDS = np.asarray(
    [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("a", "e", "io", "u") for c in ("l", "n", "rk", "st")]
)

STAGES = {
    "collect": "from modelsat.steps import collect; collect.run([sys.argv[1]], at / 'scores', at / 'c.html')",
    "validate": "from modelsat.steps import validate; "
    "validate.run(at / 'scores', str(at / 'none'), 0.0, 0.1, at / 'v.html')",
    "instruct": "from modelsat.steps import instruct; instruct.run(at / 'scores', 50, 1000, at / 'i', at / 'page')",
    "fit": "from modelsat.steps import finetune; finetune.run(at / 'i', at / 'router', at / 'predictions', "
    "at / 't.html', at / 'work', finetune.FinetuneSettings('light'))",
    "judge": "from modelsat.steps import evaluate; "
    "evaluate.run(at / 'scores', at / 'router', at / 'predictions', str(at / 'none'))",
}
ROWS = ("collect", "validate", "instruct")
"""Stages that go through all rows; the others are measured where they are asked for."""
CALL = "import sys; from pathlib import Path; at = Path(sys.argv[2]); "
SQL = """
import sys, duckdb
source, at = sys.argv[1:]
sql = duckdb.connect()
sql.execute("set memory_limit = '1200MB'; set threads = 2; set preserve_insertion_order = false")
sql.execute(f"set temp_directory = '{at}/spill'")
sql.execute(f'''copy (
  select model, prompt_id, any_value(benchmark) benchmark, any_value(category) task, min(score) score,
         count(distinct score) scores, min(scores.filename) file, min(scores.file_row_number) line
  from read_parquet('{source}/scores*.parquet', filename = true, file_row_number = true) as scores
  left join read_parquet('{source}/prompts.parquet') as prompts using (prompt_id)
  where not isnan(score) group by model, prompt_id order by model, prompt_id
) to '{at}/merged.parquet' (compression zstd)''')
sql.execute(f"select model, benchmark, avg(score), count(*) from '{at}/merged.parquet' group by all").fetchall()
sql.execute(f"select count(*) from '{at}/merged.parquet' where scores > 1").fetchall()
"""

PLANTED = """
import json, sys
from pathlib import Path
import pyarrow.compute as pc
from modelsat.data import validation
from modelsat.data.collection import Collection
found = Collection.read(Path(sys.argv[1]) / "scores")
before = validation.summary(found)
count, mean = before["model-004"]["benchmark-0"]
before["model-004"]["benchmark-0"] = [count, mean - 0.2]
checks = {check.title: list(check.rows) for check in validation.check(found, before).checks if not check.passed}
rejects = [[Path(row["source_uri"]).name, row["source_row"]] for row in found.rejects.to_pylist()]
missing = sum(block.filter(pc.and_(pc.equal(block["prompt_id"].cast("string"), "p0000002"), pc.equal(
    block["candidate"].cast("string"), "model-002"))).num_rows for block in found.blocks("prompt_id", "candidate"))
print(json.dumps({"rejects": rejects, "notes": found.notes, "checks": checks, "nan": missing}, default=str))
"""
"""What the collection says of the planted faults; one candidate's mean is taken to have been 0.2 less before."""

TEXT = """
## Millions of scores

Simulated scores in long tables of Parquet, on a machine with two cores that did other work, too. Each stage is a
process of its own. "Before" is the build before [scores in columns](adr/0019-scores-in-columns.md). "DuckDB" joins
prompts, removes repetitions, counts conflicts, sorts, writes and takes the means of groups in plain SQL, and does
nothing else. Time is processor time in seconds, memory the largest of a process; {runs}.
"""
FOUND = """
In the last file of each size were planted two scores in conflict, a score of 7, a NaN and a repeated row; one
candidate's mean on a benchmark was taken to have moved by 0.2. All have to be named with file and row, the drift with
the files that moved the mean most; NaN means "not run", so that prompt must have no score. {found}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--candidates", type=int, default=50)
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(ROWS))
    parser.add_argument("--before", help="interpreter of an earlier build's environment")
    parser.add_argument("--engines", help="interpreter that has DuckDB")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    builds = {"this build": sys.executable} | ({"before": arguments.before} if arguments.before else {})
    sizes = json.loads(arguments.into.read_text(encoding="utf-8"))["sizes"] if arguments.into.is_file() else []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="modelsat-scale-") as folder:
            source = Path(folder) / "source"
            faults = simulate(source, rows, arguments.candidates)
            rounds: dict[str, list[dict]] = {}
            for _ in range(arguments.rounds):
                for name, python in builds.items():
                    for stage in arguments.stages:
                        cost = measured([python, "-c", CALL + STAGES[stage], str(source), folder])
                        rounds.setdefault(f"{name}, {stage}", []).append(cost)
                        print(rows, name, stage, cost, file=sys.stderr, flush=True)
                if arguments.engines:
                    cost = measured([arguments.engines, "-c", SQL, str(source), folder])
                    rounds.setdefault("DuckDB", []).append(cost)
                # What was planted is looked for in what this build has collected.
                if len(builds) > 1:
                    subprocess.run([sys.executable, "-c", CALL + STAGES["collect"], str(source), folder], check=True)
            size = {"rows": rows, "candidates": arguments.candidates, "planted": planted(Path(folder), *faults)}
            size["costs"] = {name: median(costs) for name, costs in rounds.items()}
        print(json.dumps(size), flush=True)
        kept = [one for one in sizes if (one["rows"], one["candidates"]) != (rows, arguments.candidates)]
        sizes = sorted([*kept, size], key=lambda one: (one["rows"], one["candidates"]))
        write_json(arguments.into, {"rounds": arguments.rounds, "sizes": sizes})


def planted(folder: Path, file: str, first: int) -> dict[str, bool]:
    """Return which of the planted faults are named.

    Args:
        folder: Where the scores were collected.
        file: Name of the file with the faults.
        first: Row of the first of them.
    """
    said = json.loads(subprocess.check_output([sys.executable, "-c", PLANTED, str(folder)], text=True))
    rows = [row for shown in said["checks"].values() for row in shown]
    named = {(Path(row.get("source_uri") or "").name, row.get("source_row")) for row in rows}
    moved = [row for row in rows if "change" in row]
    twice = f"'model-003' has the same score twice on 1 prompt, first in {folder / 'source' / file} rows "
    return {
        "conflict": [[file, first], [file, first + 1]] == said["rejects"],
        "score of 7": (file, first + 2) in named,
        "NaN": said["nan"] == 0,
        "repeated row": any(f"{twice}{first + 4} and {first + 5};" in note for note in said["notes"]),
        "drift": [(row["candidate"], row["benchmark"]) for row in moved] == [("model-004", "benchmark-0")]
        and all(Path(row["source_uri"]).name.startswith("scores-") and row["source_row"] for row in moved),
    }


def simulate(folder: Path, rows: int, candidates: int, seed: int = 0) -> tuple[str, int]:
    """Write prompts, candidates and about so many scores; return the file with the faults and the row of the first."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    prompts = max(rows // candidates, 100)
    ids = pa.array([f"p{i:07d}" for i in range(prompts)])
    benchmark, category = rng.integers(0, 8, prompts), rng.integers(0, 10, prompts)
    texts = [" ".join(rng.choice(WORDS, n)) + f" {i}?" for i, n in enumerate(rng.integers(20, 80, prompts))]
    labels = {
        "benchmark": [f"benchmark-{one}" for one in benchmark],
        "category": [f"task-{one}-{other}" for one, other in zip(benchmark, category, strict=True)],
    }
    pq.write_table(pa.table({"prompt_id": ids, **labels, "prompt": texts}), folder / "prompts.parquet")
    names = pa.array([f"model-{i:03d}" for i in range(candidates)])
    listed = "".join(f"{name},{1 + i % 7},{2 + i % 11}\n" for i, name in enumerate(names.to_pylist()))
    (folder / "models.csv").write_text(f"model,price_in,price_out\n{listed}", encoding="utf-8")
    ability = rng.normal(0, 1, candidates)
    step = ROWS_A_FILE // candidates
    for part, start in enumerate(range(0, prompts, step)):
        size = min(step, prompts - start)
        chance = 1 / (1 + np.exp(rng.normal(0, 1, size)[:, None] - ability))
        right = (rng.random(chance.shape) < chance).astype(np.float64)
        partly = benchmark[start : start + size] == 7
        right[partly] = np.round(chance[partly], 3)
        there = rng.random(chance.shape) > 0.02
        if part == 0:
            there[: len(FAULTS), : len(FAULTS)] = False
        prompt, candidate = np.nonzero(there)
        last = start + size == prompts
        faults = FAULTS if last else []
        table = {
            "prompt_id": ids.take(pa.array([*(prompt + start), *(one for one, _, _ in faults)])),
            "model": names.take(pa.array([*candidate, *(one for _, one, _ in faults)])),
            "score": np.append(right[prompt, candidate], [score for _, _, score in faults]),
        }
        pq.write_table(pa.table(table), folder / f"scores-{part:03d}.parquet")
    return f"scores-{part:03d}.parquet", len(prompt) + 1


def measured(command: list[str]) -> dict[str, float]:
    """Run a process and return its seconds, processor seconds and largest memory in GiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with code {process.returncode}")
    return {
        "seconds": time.perf_counter() - start,
        "processor": used.ru_utime + used.ru_stime,
        "gib": used.ru_maxrss / 2**20,
    }


def median(costs: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.median([cost[name] for cost in costs])), 2) for name in costs[0]}


def section(facts: dict) -> str:
    """Return the part of the results page."""
    names = list(dict.fromkeys(name for size in facts["sizes"] for name in size["costs"]))
    heads = ["", *(f"{size['rows']:,} scores of {size['candidates']:,} candidates" for size in facts["sizes"])]
    rows = [[name, *(_cell(size["costs"].get(name)) for size in facts["sizes"])] for name in names]
    for build in ("this build", "before"):
        parts = [[size["costs"].get(f"{build}, {stage}") for stage in ROWS] for size in facts["sizes"]]
        if any(None not in one for one in parts):
            rows.append([f"**{build}, all**", *("–" if None in one else _cell(_total(one)) for one in parts)])
    lost = sorted({name for size in facts["sizes"] for name, found in size["planted"].items() if not found})
    runs = "one run" if facts["rounds"] == 1 else f"medians of {facts['rounds']} runs"
    found = f"Not found: {', '.join(lost)}." if lost else "At each size all of them were found."
    return f"{TEXT.format(runs=runs)}\n{markdown.table(heads, rows)}\n{FOUND.format(found=found)}"


def _total(costs: list[dict]) -> dict:
    return {"processor": sum(cost["processor"] for cost in costs), "gib": max(cost["gib"] for cost in costs)}


def _cell(cost: dict | None) -> str:
    return "–" if cost is None else f"{cost['processor']:.1f} s, {cost['gib']:.2f} GiB"


if __name__ == "__main__":
    main()
