"""The summary of all results: what each study asks, and what it found, with the figures of the stored results."""

import json
from collections.abc import Callable
from pathlib import Path

import markdown
import serving_section
import study_pages
from versus import page as versus_page

HEAD = """# Results

Every figure here comes from real benchmark results of real models, on prompts that the router was not fitted to, unless
the study says that it is simulated. Each study has a page of its own.

## In short

{short}

## Studies

{table}

## How to read the tables

- **Accuracy** is the mean score of the chosen models. The **oracle** picks a right model wherever there is one. It is
  out of reach: outcomes are single samples, and two runs of one model agree on about 96 % of the prompts.
- **A gain** is paired: the same prompts, minus the best single model, which is chosen on training prompts.
- **Intervals** are 95 % percentile intervals of a paired bootstrap over prompts (2,000 resamples, seed 0). **Bold**
  gains have an interval without 0; all others are not significant.
- **Best per category** knows the true category of each prompt. No router does.
- **fusion** is the part of our router that needs no training; tables that show it alone say so.

Written by `python benchmarks/results_page.py` from `benchmarks/results/`; do not edit.
"""

Facts = dict
Finding = Callable[[Facts], str]


def page(folder: Path, titles: list[str]) -> str:
    """Return `docs/results.md`.

    Args:
        folder: the stored results, a JSON file per benchmark.
        titles: studies that have a page, in order; one without an entry in `STUDIES` is linked without a finding.
    """
    rows = []
    for title in titles:
        question, name, finding = STUDIES.get(title, ("", "", None))
        path = folder / f"{name}.json"
        found = finding(json.loads(path.read_text(encoding="utf-8"))) if finding and path.is_file() else ""
        rows.append([f"[{title}](studies/{study_pages.slug(title)}.md)", question, found])
    lines = ["| study | question | finding |", "|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows)]
    return HEAD.format(short=short(folder), table="\n".join(lines))


def short(folder: Path) -> str:
    """Return the findings that decide whether routing pays, good and bad."""
    money, promise = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("money", "promise")
    )
    equal = json.loads((folder / "equal_rows.json").read_text(encoding="utf-8"))
    cost = {name: one["match"]["best single"]["fusion"] for name, one in money["sets"].items()}
    saves = [f"{one['share'][0]:.0f} % on {name}" for name, one in cost.items() if one["share"][0] < 100]
    fails = [
        f"{one['share'][0]:.0f} % on {name} (gain {markdown.gain(one['gain'])})"
        for name, one in cost.items()
        if one["share"][0] >= 100
    ]
    return "\n".join(
        [
            "- **Cost.** To be as good as the best single model, fusion needs this share of its cost:"
            f" {', '.join(saves)}." + (f" It saves nothing elsewhere: {', '.join(fails)}." if fails else ""),
            f"- **Default.** `auto` gains {markdown.gain(promise['together']['gain'])} points at"
            f" {promise['together']['cost_share']:.0f} % of the best single model's cost, over"
            f" {' and '.join(promise['sets'])}.",
            "- **Against simple routers.** With equal training rows, fusion minus a stack of kNN and a task classifier"
            f" is {markdown.gain(equal['over_simple']['fusion'])} points, and minus two such stacks"
            f" {markdown.gain(equal['over_two_stack']['fusion'])}.",
        ]
    )


def pooled(facts: Facts) -> str:
    names = ("fusion", "stack", "knn")
    return "; ".join(f"{name} {markdown.gain(facts['pooled'][name])}" for name in names) + " points, pooled"


def matched(facts: Facts) -> str:
    rows = {name: one["match"]["best single"]["fusion"] for name, one in facts["sets"].items()}
    return "fusion: " + ", ".join(f"{one['share'][0]:.0f} % of its cost ({name})" for name, one in rows.items())


def kept(facts: Facts) -> str:
    each = [f"{name}: kept in {one['kept']:.0f} % of {facts['splits']} splits" for name, one in facts["sets"].items()]
    return "; ".join(
        [*each, "never refuted"] if all(one["not_refuted"] == 100 for one in facts["sets"].values()) else each
    )


def proved(facts: Facts) -> str:
    draws = [draw for one in facts["sets"].values() for draw in one["draws"].values()]
    told = [policy for draw in draws for policy in draw["policies"] if "gain_holds" in policy]
    controls = [draw for one in facts["sets"].values() for draw in one["controls"].values()]
    return (
        f"{sum(one['gain_holds'] for one in told)} of {len(told)} estimates hold the truth;"
        f" {sum(bool(draw['recommended']) for draw in controls)} recommendations on {len(controls)} logs without signal"
    )


def budgets(facts: Facts) -> str:
    half = {name: one["budgets"]["0.5"]["gain"] for name, one in facts["sets"].items()}
    return "half the money: " + ", ".join(f"{markdown.gain(gain)} ({name})" for name, gain in half.items())


def stream(facts: Facts) -> str:
    gains = {name: one["rivals"]["fusion"]["gain"]["64"] for name, one in facts["sets"].items()}
    return "fusion by 64 answers: " + ", ".join(f"{markdown.gain(gain)} ({name})" for name, gain in gains.items())


def thousand(facts: Facts) -> str:
    many = facts["sizes"]["1000"]["rivals"]
    return f"of 1,000: fusion {markdown.gain(many['fusion']['gain'])}, kNN {markdown.gain(many['knn']['gain'])}"


def foreign(facts: Facts) -> str:
    gains = [one["rivals"]["fusion"]["gain"] for pairs in facts["pairs"].values() for one in pairs.values()]
    worse = sum(gain[2] < 0 for gain in gains)
    better = sum(gain[1] > 0 for gain in gains)
    return f"fusion is better in {better}, worse in {worse} of {len(gains)} transfers"


def pools(facts: Facts) -> str:
    gains = [one["rivals"]["fusion"]["gain"] for by_kind in facts["sets"].values() for one in by_kind.values() if one]
    return f"fusion is significantly better in {sum(gain[1] > 0 for gain in gains)} of {len(gains)} zoos"


def contexts(facts: Facts) -> str:
    shares = [one["as read"]["same"] for by_join in facts["sets"].values() for one in by_join.values()]
    cut = [one["cut in the middle"]["same"] for by_join in facts["sets"].values() for one in by_join.values()]
    same = f"{min(shares):.0f} to {max(shares):.0f} %"
    return f"{same} keep their choice; cut in the middle {min(cut):.0f} to {max(cut):.0f} %"


def scaled(facts: Facts) -> str:
    said = []
    for size in facts["sizes"]:
        costs = [cost for name, cost in size["costs"].items() if name.startswith("this build")]
        before = [cost for name, cost in size["costs"].items() if name.startswith("before")]
        beside = f", before {_cost(before)}" if len(before) == len(costs) else ""
        said.append(f"{size['rows']:,}: {_cost(costs)}{beside}")
    return "; ".join(said)


def _cost(costs: list[dict]) -> str:
    return f"{sum(cost['processor'] for cost in costs):.0f} s, {max(cost['gib'] for cost in costs):.1f} GiB"


def wrapped(facts: Facts) -> str:
    return "; ".join(
        f"{name}: {one['whole']['flips'][0]:.0f} % of choices flip,"
        f" {one['core']['flips'][0]:.0f} % if only the core is read"
        for name, one in facts["sets"].items()
    )


def calibrated(facts: Facts) -> str:
    errors = facts["rivals"]["fusion"]["errors"]
    seen = [value[0] for name, value in errors.items() if name.startswith("seen")]
    far = [value[0] for name, value in errors.items() if name.startswith("foreign")]
    return f"fusion: off by {min(seen)} to {max(seen)} points, on foreign prompts {min(far)} to {max(far)}"


def levels(facts: Facts) -> str:
    rms = [by_count["64"]["rms"] for by_count in facts["errors"].values()]
    return f"by 64 answers, off by {min(rms):.1f} to {max(rms):.1f} points (root mean square)"


def bounded(facts: Facts) -> str:
    ends = [one for table in facts["sets"].values() for rows in table["onboarded"].values() for one in rows]
    below = sum(-one["gain"] <= one["bound"] for one in ends)
    return f"the bound held in {below} of {len(ends)} cases"


def once(facts: Facts) -> str:
    row = next(one for one in facts["rows"] if one["tokens"] == 128 and one["candidates"] == 100)
    default, each = (row["modes"][name][0] for name in ("default", "one pass per candidate"))
    return f"100 models: {default:.2f} forward passes; one pass per model needs {each:.0f}"


def trained(facts: Facts) -> str:
    return f"{facts['minutes']:.0f} minutes on {facts['cores']} cores, {facts['peak_gib']:.1f} GiB"


def added(facts: Facts) -> str:
    shares = {name: one["rivals"]["fusion"]["64"]["share"] for name, one in facts["sets"].items()}
    return "64 answers give " + ", ".join(f"{100 * share:.0f} % of the gain ({name})" for name, share in shares.items())


def packaged(facts: Facts) -> str:
    pairs = [one for table in facts["sets"].values() for part in ("all", "two") for one in table[part]["beside"]]
    same = [one for one in pairs if one["same kind"]]
    return f"no significant difference in {sum(one['agrees'] for one in same)} of {len(same)} pairs of the same kind"


def conversed(facts: Facts) -> str:
    return "; ".join(
        f"{name}: {one['whole conversation']['flips']:.0f} % of choices flip,"
        f" {one['gateway']['flips']:.0f} % as the gateway reads them"
        for name, table in facts["sets"].items()
        for one in [table["fusion"]["costumes"]["system, history, wrapper"]]
    )


def accompanied(facts: Facts) -> str:
    gains = [(name, one["questions"]["gain"]) for name, one in facts["sets"].items()]
    return ", ".join(f"{markdown.gain(gain)} points on {name}" for name, gain in gains)


def dressed(facts: Facts) -> str:
    flips = {
        name: max(
            row["gateway"]["flips"][0] for shape, row in table.items() if shape != "bare" and "follow-up" not in shape
        )
        for name, table in facts["sets"].items()
    }
    return "; ".join(f"{name}: at most {most:.1f} % of choices flip" for name, most in flips.items())


def dropped(facts: Facts) -> str:
    return f"{len(facts['ideas'])} ideas, with their figures"


def settled(facts: Facts) -> str:
    return f"it stops early for {facts['early']} of {facts['pools']} models"


STUDIES: dict[str, tuple[str, str, Finding | None]] = {
    "Rivals, cross-validated": ("How do fourteen routers compare?", "quality", pooled),
    "Unseen kinds of prompts": ("And on kinds of prompts that training did not have?", "unseen", pooled),
    "New models in strength-matched pools": ("What does a new model add, by K known answers?", "newcomers", added),
    "Rivals with equal training rows": ("And with equal training rows?", "equal_rows", pooled),
    "Money": ("What does it cost to be as good as the best single model?", "money", matched),
    "The balanced default and its promise": (
        "Does `auto` lose at most the 0.3 points that it promises?",
        "promise",
        kept,
    ),
    "Proof on logs with known truth": ("Can `modelsat prove` be believed?", "prove", proved),
    "Ten days in the life of a router": (
        "What happens on the day a model is released, repriced, broken or gone?",
        "versus",
        versus_page.finding,
    ),
    "Batches within a budget": ("What does a fixed budget buy?", "batch_budgets", budgets),
    "The release stream": (
        "What is a router worth that is never retrained, while models appear?",
        "release_stream",
        stream,
    ),
    "Another source of prompts": ("What is a router worth on another set of prompts?", "transfer", foreign),
    "Two collections at once": ("Does a router learn from another collection, too?", "together", accompanied),
    "The paper's zoos, mirrored": ("Among small models, mixed ones, the best?", "zoos", pools),
    "A thousand candidates": ("Does a large choice mislead the router? (simulated)", "many_candidates", thousand),
    "RouterEval's metrics": ("How do routers compare by RouterEval's measures?", "", None),
    "The rivals' own packages": ("Do the rivals' packages route as our versions of them do?", "packages", packaged),
    "Prompts in conversations": (
        "What do system prompts, wrappers and history do to a choice?",
        "street_clothes",
        conversed,
    ),
    "Agents' shapes": ("And what do agents write around a question?", "agent_shapes", dressed),
    "Unseen wrappers": ("And wrappers in styles that training did not have?", "wrappers", wrapped),
    "Questions behind a long context": ("Is a question found behind 2,000 tokens?", "long_context", contexts),
    "Calibration": ("How far are probabilities from what comes true?", "calibration", calibrated),
    "Ablations of fusion": ("What is each idea of fusion worth?", "", None),
    "Ideas that did not pay": ("What was tried and left out?", "dropped_ideas", dropped),
    "What routing costs": ("How much work is one decision?", "one_pass", once),
    "What training costs": ("How long does the default recipe train?", "training_whole", trained),
    "Millions of scores": ("What do millions of scores cost to collect and validate?", "scale", scaled),
    "Cheaper arithmetic": ("What do bfloat16, int8 and compiling change?", "", None),
    "Memory over an hour": ("Do endpoint and gateway grow?", "soak", serving_section.finding),
    "The level of a new model": ("How well is a new model's level estimated?", "strangers", levels),
    "Which questions a new model is asked": ("Does an adaptive order save questions?", "adaptive_order", settled),
    "Onboarding by the frozen test": ("Does the printed loss bound hold?", "loss_bound", bounded),
    "The router of the retrain pipeline": ("What does `make run SCORES=...` come to on real sets?", "", None),
}
