"""Collecting, validating and building instructions by the number of scores, beside an earlier build and plain DuckDB.

    python benchmarks/scale.py [--rows 100000 1000000] [--before PYTHON] [--engines PYTHON] [--rounds 1]

`--before` is the interpreter of another build's environment, `--engines` one that has the packages of
`benchmarks/scale-requirements.txt`. Scores are simulated: 50 candidates, a fiftieth of the answers missing, long tables
in Parquet of up to 5 million rows a file. Each stage is a process of its own, as in the pipeline; contenders take
turns. Processor time counts what the process used, whatever else the machine did.
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
CANDIDATES, ROWS_A_FILE = 50, 5_000_000
WORDS = np.asarray(
    [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("a", "e", "io", "u") for c in ("l", "n", "rk", "st")]
)

STAGES = {
    "collect": "from modelsat.steps import collect; collect.run([sys.argv[1]], at / 'scores', at / 'c.html')",
    "validate": "from modelsat.steps import validate; "
    "validate.run(at / 'scores', str(at / 'none'), 0.0, 0.1, at / 'v.html')",
    "instruct": "from modelsat.steps import instruct; instruct.run(at / 'scores', 50, 1000, at / 'i', at / 'page')",
}
CALL = "import sys; from pathlib import Path; at = Path(sys.argv[2]); "
SQL = """
import sys, duckdb
source, at = sys.argv[1:]
sql = duckdb.connect()
sql.execute("set memory_limit = '1200MB'; set threads = 2; set preserve_insertion_order = false")
sql.execute(f"set temp_directory = '{at}/spill'")
sql.execute(f'''copy (
  select model, prompt_id, any_value(benchmark) benchmark, any_value(category) task, min(score) score,
         count(distinct score) scores, min(filename) file, min(file_row_number) line
  from read_parquet('{source}/scores*.parquet', filename = true, file_row_number = true)
  left join read_parquet('{source}/prompts.parquet') using (prompt_id)
  where not isnan(score) group by model, prompt_id order by model, prompt_id
) to '{at}/merged.parquet' (compression zstd)''')
sql.execute(f"select model, benchmark, avg(score), count(*) from '{at}/merged.parquet' group by all").fetchall()
sql.execute(f"select count(*) from '{at}/merged.parquet' where scores > 1").fetchall()
"""

TEXT = """
## Millions of scores

Simulated scores of {candidates} candidates, in long tables of Parquet. Each stage is a process of its own. "DuckDB"
joins prompts, removes repetitions, counts conflicts, sorts, writes and takes the means of groups in plain SQL, and does
nothing else. Time is processor time in seconds, memory the largest of a process; medians of {rounds}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--before", help="interpreter of an earlier build's environment")
    parser.add_argument("--engines", help="interpreter that has DuckDB")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    builds = {"this build": sys.executable} | ({"before": arguments.before} if arguments.before else {})
    sizes = []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="modelsat-scale-") as folder:
            source = Path(folder) / "source"
            simulate(source, rows)
            rounds: dict[str, list[dict]] = {}
            for _ in range(arguments.rounds):
                for name, python in builds.items():
                    for stage, call in STAGES.items():
                        cost = measured([python, "-c", CALL + call, str(source), folder])
                        rounds.setdefault(f"{name}, {stage}", []).append(cost)
                if arguments.engines:
                    cost = measured([arguments.engines, "-c", SQL, str(source), folder])
                    rounds.setdefault("DuckDB", []).append(cost)
            sizes.append({"rows": rows, "costs": {name: median(costs) for name, costs in rounds.items()}})
            print(json.dumps(sizes[-1]), flush=True)
    write_json(arguments.into, {"candidates": CANDIDATES, "rounds": arguments.rounds, "sizes": sizes})


def simulate(folder: Path, rows: int, seed: int = 0) -> None:
    """Write prompts, candidates and about so many scores."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    prompts = max(rows // CANDIDATES, 100)
    ids = pa.array([f"p{i:07d}" for i in range(prompts)])
    benchmark, category = rng.integers(0, 8, prompts), rng.integers(0, 10, prompts)
    texts = [" ".join(rng.choice(WORDS, n)) + f" {i}?" for i, n in enumerate(rng.integers(20, 80, prompts))]
    labels = {
        "benchmark": [f"benchmark-{one}" for one in benchmark],
        "category": [f"task-{one}-{other}" for one, other in zip(benchmark, category, strict=True)],
    }
    pq.write_table(pa.table({"prompt_id": ids, **labels, "prompt": texts}), folder / "prompts.parquet")
    names = pa.array([f"model-{i:03d}" for i in range(CANDIDATES)])
    listed = "".join(f"{name},{1 + i % 7},{2 + i % 11}\n" for i, name in enumerate(names.to_pylist()))
    (folder / "models.csv").write_text(f"model,price_in,price_out\n{listed}", encoding="utf-8")
    ability = rng.normal(0, 1, CANDIDATES)
    step = ROWS_A_FILE // CANDIDATES
    for part, start in enumerate(range(0, prompts, step)):
        size = min(step, prompts - start)
        chance = 1 / (1 + np.exp(rng.normal(0, 1, size)[:, None] - ability))
        right = (rng.random(chance.shape) < chance).astype(np.float64)
        partly = benchmark[start : start + size] == 7
        right[partly] = np.round(chance[partly], 3)
        prompt, candidate = np.nonzero(rng.random(chance.shape) > 0.02)
        table = {
            "prompt_id": ids.take(pa.array(prompt + start)),
            "model": names.take(pa.array(candidate)),
            "score": right[prompt, candidate],
        }
        pq.write_table(pa.table(table), folder / f"scores-{part:03d}.parquet")


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
    heads = ["", *(f"{size['rows']:,} scores" for size in facts["sizes"])]
    rows = [[name, *(_cell(size["costs"].get(name)) for size in facts["sizes"])] for name in names]
    for build in ("this build", "before"):
        parts = [[size["costs"].get(f"{build}, {stage}") for stage in STAGES] for size in facts["sizes"]]
        if any(None not in one for one in parts):
            rows.append([f"**{build}, all**", *("–" if None in one else _cell(_total(one)) for one in parts)])
    return f"{TEXT.format_map(facts)}\n{markdown.table(heads, rows)}\n"


def _total(costs: list[dict]) -> dict:
    return {"processor": sum(cost["processor"] for cost in costs), "gib": max(cost["gib"] for cost in costs)}


def _cell(cost: dict | None) -> str:
    return "–" if cost is None else f"{cost['processor']:.1f} s, {cost['gib']:.2f} GiB"


if __name__ == "__main__":
    main()
