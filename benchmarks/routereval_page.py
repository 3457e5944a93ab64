"""The part of the results page that shows RouterEval's metrics, from what `routereval.py` stored."""

import markdown
import numpy as np

METRICS = ("mu", "v_r", "v_b", "v_b_train", "e_p")
SINGLE = "best single"

MIRROR = """
## RouterEval's metrics

On our sets, in pools built as RouterEval builds them. The candidates have a mean accuracy above 0.1 and at most 0.9.
There are three pools: of the strongest fifth and of the weakest fifth (or as many as a pool needs), the window of
neighbours with the highest oracle; and of 1,000 draws of one candidate per tier, the draw with the highest oracle.
The published pools were selected by the oracle over all prompts, including test prompts. Ours are selected on
training prompts alone, so nothing is chosen by what it is measured on. Split 80/10/10 by a salted hash of the
question. mmlupro and mmlu_helm are parts of the benchmarks that their V_R refers to, so V_R is approximate here.
"""

FILES = """
## RouterEval

Its own files, pools and splits. The pools were picked by the oracle over all prompts, test included, so the oracle
looks better than it is. The files name no sub-tasks: rivals that need a task of each training prompt are given its
k-means cluster. Prompts are read as vectors of {vectors}.
"""

MEANS = """
mu_o is the mean score. V_R is relative to a fixed model of GPT-4's class, where the benchmark has one. V_B is relative
to the best single candidate: measured on the test prompts, as published, which no router can know, and chosen on
training prompts. E_p is the mean entropy per prompt in bits of the softmax of a router's scores, as published; as
rivals score on different scales it does not compare them. r_o(0.5) is the oracle half of the time, else random. The
gain is paired, over the best single of the training prompts, in points, pooled over all test prompts. All figures are
means over the three pools, and those before the gain are means over the sets.
"""


def as_text(name: str, table: dict) -> str:
    """Return the tables of a data set for the terminal."""
    rows = []
    for size, lines in table["sizes"].items():
        rows.append(f"\n{name}, m = {size}: {table['prompts']['test']:,} test prompts")
        rows.append(f"  {'':<28} {'mu':>6} {'V_R':>6} {'V_B':>6} {'train':>6} {'E_p':>6}")
        rows += [f"  {line['name']:<28} " + " ".join(f"{cell:>6}" for cell in cells(line)) for line in lines]
    return "\n".join(rows)


def cells(line: dict) -> list[str]:
    return ["" if line[metric] is None else f"{line[metric]:.3f}" for metric in METRICS]


def section(facts: dict) -> str:
    """Return the part of the results page: a table of means over data sets per size, and mu_o of each data set."""
    sets = facts["sets"]
    parts = [MIRROR if facts["mirror"] else FILES.format(vectors=facts["vectors"]), MEANS]
    sizes = list(dict.fromkeys(size for table in sets.values() for size in table["sizes"]))
    by_name = {
        (one, size): {line["name"]: line for line in lines}
        for one, table in sets.items()
        for size, lines in table["sizes"].items()
    }
    for size in sizes:
        having = [one for one in sets if (one, size) in by_name]
        names = sorted(
            by_name[having[0], size].values(),
            key=lambda line: (line["reference"], -facts["pooled"][f"{line['name']} {size}"][0]),
        )
        rows = []
        for line in names:
            found = [by_name[one, size][line["name"]] for one in having]
            means = {metric: mean([one[metric] for one in found]) for metric in METRICS}
            gain = "" if line["name"] == SINGLE else markdown.gain(facts["pooled"][f"{line['name']} {size}"])
            rows.append([line["name"], *cells(means), gain, *(f"{one['mu']:.3f}" for one in found)])
        heads = [f"m = {size}", "mu_o", "V_R", "V_B", "V_B (train)", "E_p", "gain in points", *having]
        parts.append(f"{markdown.table(heads, rows)}\n")
        without = ", ".join(one for one in sets if one not in having)
        if without:
            parts.append(f"There are fewer than {size} such candidates of {without}.\n")
    tests = ", ".join(f"{table['prompts']['test']:,} of {one}" for one, table in sets.items())
    parts.append(f"Test prompts: {tests}. The last columns are mu_o by set.\n")
    return "\n".join(parts)


def mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None
