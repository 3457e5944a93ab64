"""Writes docs/results.md and docs/studies/ from the stored results; every figure says whether it is significant.

    python benchmarks/results_page.py

Reads `benchmarks/results/*.json`, each written by the benchmark of its name, and `retrain-SET.json`, the table that
the retrain pipeline leaves of its own held-out prompts (`benchmarks/results_page.py keep RUN_FOLDER SET` copies one).
"""

import json
import sys
from pathlib import Path

import ablations
import adaptive_order
import agent_shapes
import batch_budgets
import calibration
import fitted_prompts
import long_context
import loss_bound
import many_candidates
import markdown
import money_picture
import money_section
import one_pass
import packages_page
import precision
import promise
import prove
import release_stream
import results_summary
import routereval_page
import scale
import serving_section
import soak_picture
import strangers
import street_clothes
import study_pages
import together
import training_packed
import training_pairs
import training_whole
import transfer
import wrappers
import zoos
from versus import page as versus_page

from modelsat.io.atomic import write_json, write_text

SIMPLE, TWO_STACK = "stack", "two-stack"
SECTIONS = {
    "money": money_section.section,
    "promise": promise.section,
    "prove": prove.section,
    "versus": versus_page.section,
    "batch_budgets": batch_budgets.section,
    "release_stream": release_stream.section,
    "transfer": transfer.section,
    "together": together.section,
    "zoos": zoos.section,
    "many_candidates": many_candidates.section,
    "routereval": routereval_page.section,
    "packages": packages_page.section,
    "street_clothes": street_clothes.section,
    "agent_shapes": agent_shapes.section,
    "wrappers": wrappers.section,
    "long_context": long_context.section,
    "calibration": calibration.section,
    "ablations": ablations.section,
    "dropped_ideas": ablations.dropped,
    "one_pass": one_pass.section,
    "training_whole": training_whole.section,
    "training_pairs": training_pairs.section,
    "training_packed": training_packed.section,
    "scale": scale.section,
    "fitted_prompts": fitted_prompts.section,
    "precision": precision.section,
    "soak": serving_section.section,
    "strangers": strangers.section,
    "adaptive_order": adaptive_order.section,
    "loss_bound": loss_bound.section,
}
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "results.md"
STUDIES = ROOT / "docs" / "studies"
PICTURES = ROOT / "docs" / "img"

RIVALS = """
## Rivals, cross-validated

{folds} folds by question (a salted hash of the normalised question, so copies of a question stay together). In each
fold, one eighth of the other prompts chooses hyper-parameters, and the rest is trained on. The pool is the candidates
that were run on at least 95 % of a set, on the prompts on which all of them were run. All rivals read the same MiniLM
vectors (all-MiniLM-L6-v2, 256 tokens). "fusion" is ours, without the trained network. It reads three layers of
MiniLM, and because its settings come from leave-one-out errors, it is fitted to the validation prompts too. Its
design (layers, kernel, flattening) was chosen on these folds, so its row has a selection bonus that the published
recipes do not have. "pooled" is the prompt-weighted mean of the paired gains over each set's own best single.

**Rows are unequal in this table.** When it was measured, fusion learned from the validation prompts and rivals did
not, and kNN chose its neighbours by accuracy on few prompts. So the last column claims too much. With equal rows, on
31,702 prompts, fusion minus stack was -0.02 [-0.22, +0.19] on full pools and +0.33 [+0.21, +0.45] on strength-matched
ones, and the two-stack mean gained +0.22 [+0.07, +0.38] over the stack (issue 15). On 9,606 further held-out prompts,
a plain stack gained +1.16 [+0.58, +1.71] and our router +0.99 [+0.45, +1.53]; plain kNN-200 was 0.69 [0.25, 1.13]
above our kNN (issue 21). [Rivals with equal training rows](studies/rivals-with-equal-training-rows.md) compares equal
rows.
"""

EQUAL_ROWS = """
## Rivals with equal training rows

{folds} folds by question, as in [Rivals, cross-validated](studies/rivals-cross-validated.md). One eighth of the other
prompts chooses hyper-parameters; then every rival is fitted to all of them, as fusion is. A setting is chosen by how
well it predicts the differences between the candidates of a prompt, the smoothest within one standard error of the
best. kNN, task classifier, stack and ridge agree with plain scikit-learn recipes within 0.2 points
(`tests/unit/test_plain_recipes.py`). "lexical" is the stack on words and characters, without an encoder; "two-stack"
is the mean of stack and lexical.
"""

RETRAIN = """
## The router of the retrain pipeline

What `make run SCORES=...` trains, judges and serves: fusion over all candidates, re-ranked by Model-SAT on MiniLM
where that helps on validation prompts. There is one split, the 20 % of the questions that are always held out, so
these figures are not strictly comparable with the folds of other studies.

All tables are from 2026-11-30. Of the default recipe, `auto`, there are zeroeval and specialists; on mmlupro and
mmlu_helm only the recipe [`light`](light.md) was run, which reads words and trains nothing ("-light"). Its line
`modelsat router, auto:best` on the four sets together, 5,268 prompts: +2.07 points [+1.33, +2.79] over the best single
candidate and +0.51 [+0.04, +0.99] over a stack of kNN and task classifier on the same words; knowing the true category
gains 1.7. Its default gains +0.97 [+0.09, +1.90].

Platt scaling, which once worsened mmlu_helm's calibration error, is no longer chosen there: with fusion fitted to
1,700 of its prompts and 941 to choose on, the error on 1,200 held-out prompts is 0.035 without it and would be 0.043
with it (difference [0.005, 0.011]). On zeroeval it is not chosen either; there it would change nothing (0.027).
"""


UNSEEN = """
## Unseen kinds of prompts

As in [Rivals, cross-validated](studies/rivals-cross-validated.md), but {folds} folds of whole benchmarks (zeroeval)
or whole categories (the others, which are one benchmark): what a router does with prompts unlike all that it was
fitted to. "best per category" has no training prompts of its category here and falls back to best single. Rows are
unequal, as there.
"""

NEWCOMERS = """
## New models in strength-matched pools

Every candidate is left out in turn, and routers are fitted to all others. Its pool is its four nearest candidates in
mean accuracy, within 8 points. K of its outcomes on training prompts become known, in {draws} draws; one of five
folds is held out. The gain, in points, is over the same pool without it, and the share is of the gain with all
labels, both over the pools in which that gain is more than 0.7 points ("pools"). "elsewhere" is the mean gain, and
the worst, over all other pools with 64 labels. The pools are selected by a gain that is measured on the same prompts,
so "all labels" has a selection bonus, and the shares are slightly too low.
"""


def main() -> None:
    if sys.argv[1:2] == ["keep"]:
        keep(Path(sys.argv[2]), sys.argv[3])
    parts: list[str] = []
    if (RESULTS / "quality.json").is_file():
        parts.append(rivals(read("quality.json"), RIVALS))
    if (RESULTS / "unseen.json").is_file():
        parts.append(rivals(read("unseen.json"), UNSEEN))
    if (RESULTS / "newcomers.json").is_file():
        parts.append(newcomers(read("newcomers.json")))
    if (RESULTS / "equal_rows.json").is_file():
        parts.append(rivals(read("equal_rows.json"), EQUAL_ROWS))
    for name, section in SECTIONS.items():
        if (RESULTS / f"{name}.json").is_file():
            parts.append(section(read(f"{name}.json")))
    retrained = sorted(RESULTS.glob("retrain-*.json"))
    if retrained:
        parts.append(RETRAIN)
        parts += [retrain(path.stem.removeprefix("retrain-"), read(path.name)) for path in retrained]
    pages = study_pages.cut("\n".join(parts))
    study_pages.write(STUDIES, pages)
    write_text(PAGE, results_summary.page(RESULTS, list(pages)))
    write_text(PICTURES / "money.svg", money_picture.picture(read("money.json")["sets"]))
    if (RESULTS / "soak.json").is_file():
        write_text(PICTURES / "soak.svg", soak_picture.picture(serving_section.curves(read("soak.json"))))
    print(f"wrote {PAGE.relative_to(ROOT)} and {len(pages)} pages in {STUDIES.relative_to(ROOT)}")


def keep(run: Path, name: str) -> None:
    """Copy the table of a `modelsat run` folder, without paths of this machine."""
    found = sorted(run.glob("pipeline/*/*/evaluate-router/result"), key=lambda path: path.stat().st_mtime)
    facts = json.loads(found[-1].read_text(encoding="utf-8"))
    facts["sets"] = {Path(source).name: count for source, count in facts["sets"].items()}
    write_json(RESULTS / f"retrain-{name}.json", facts)


def read(name: str) -> dict:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def rivals(facts: dict, text: str) -> str:
    """Return one table with a column of gains per set, and one of accuracies."""
    sets = facts["sets"]
    names = [line["name"] for line in next(iter(sets.values()))["lines"]]
    by_name = {one: {line["name"]: line for line in table["lines"]} for one, table in sets.items()}
    order = sorted(names, key=lambda name: (by_name[next(iter(sets))][name]["reference"], -facts["pooled"][name][0]))
    sizes = [f"{one}: {table['prompts']:,} prompts, {table['candidates']} candidates" for one, table in sets.items()]
    over = {SIMPLE: facts["over_simple"]} | ({TWO_STACK: facts["over_two_stack"]} if "over_two_stack" in facts else {})
    heads = ["gain in points", *sets, "pooled", *(f"pooled, over {reference}" for reference in over)]
    rows = []
    for name in order:
        if name == "best single":
            continue
        cells = [markdown.gain(by_name[one][name]["gain"]) for one in sets]
        beside = ["" if name == reference else markdown.gain(gains[name]) for reference, gains in over.items()]
        rows.append([name, *cells, markdown.gain(facts["pooled"][name]), *beside])
    accuracies = [[name, *(f"{by_name[one][name]['accuracy'][0]:.1f}" for one in sets)] for name in [*order]]
    better = [
        name for name in order if facts["pooled"][name][1] > 0 and not by_name[next(iter(sets))][name]["reference"]
    ]
    said = (
        f"Significantly better than best single, pooled over the sets: {', '.join(better)}."
        if better
        else "No rival is significantly better than best single, pooled over the sets."
    )
    return "\n".join(
        [
            text.format(folds=facts["folds"]),
            "; ".join(sizes) + ".\n",
            markdown.table(heads, rows),
            f"\n{said} Columns 'over' are paired differences to simple routers; others between rows "
            f"were not tested. Of {facts['seeds']} seeds of the bootstrap, another one moves a pooled bound by up to "
            f"{facts['bounds_move']:.2f} points.\n",
            markdown.table(["accuracy in %", *sets], accuracies),
        ]
    )


def newcomers(facts: dict) -> str:
    """Return one table per set: the gain and its share by number of known outcomes."""
    parts = [NEWCOMERS.format(draws=facts["draws"])]
    for name, table in facts["sets"].items():
        rows = []
        for rival, found in table["rivals"].items():
            by_count = [found[str(count)] for count in facts["counts"]]
            shares = [f"{one['gain'][0]:+.1f} ({100 * one['share']:.0f} %)" for one in by_count]
            worst = f"{found['64']['elsewhere']:+.1f}, {found['64']['worst elsewhere']:+.1f}"
            rows.append([rival, str(found["worthwhile"]), *shares, markdown.gain(found["all"]), worst])
        heads = [name, "pools", *(f"K = {count:,}" for count in facts["counts"]), "all labels", "elsewhere"]
        parts.append(f"{table['pools']} pools, {table['prompts']:,} prompts.\n\n{markdown.table(heads, rows)}\n")
    return "\n".join(parts)


def retrain(name: str, facts: dict) -> str:
    """Return the table of one run of the pipeline."""
    order = sorted(facts["lines"], key=lambda line: (line["is_reference"], -line["accuracy"]["value"]))
    rows = [
        [
            line["name"],
            f"{100 * line['accuracy']['value']:.1f}",
            ""
            if line["name"] == "best single"
            else markdown.gain([100 * line["gain"][part] for part in ("value", "low", "high")]),
            "" if line["cost_usd_per_1k"] is None else f"{line['cost_usd_per_1k']:.3f}",
        ]
        for line in order
    ]
    table = markdown.table(["", "accuracy in %", "gain in points", "USD per 1,000 prompts"], rows)
    sets = " and ".join(facts["sets"])
    title = f"\n### {name}\n\n{facts['prompts']:,} held-out prompts of {sets}, up to {facts['pool']} candidates.\n"
    return f"{title}\n{table}\n\n{facts['verdict']['sentence']}"


if __name__ == "__main__":
    main()
