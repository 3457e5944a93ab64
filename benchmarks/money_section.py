"""The part about money of the results page, from the figures of `money.py`."""

import markdown

HEAD = """
## Money

What it costs to be as good as the best single candidate, in USD per 1,000 prompts at list prices. A prompt has one
token per four characters. "expected" is what a router can know: answer lengths are predicted (ridge on the prompt's
vector, per candidate, on log tokens) without the prompt's fold. "realised" uses the logged length instead (if a
benchmark logged only each candidate's mean, that mean; if nothing was logged, the expected length, 200 tokens).
Hidden reasoning tokens are not in the logs, so the o1 models cost more than shown. No set logs latencies. A missing
price counts as the most expensive of its prompt.
"""

LENGTHS = """
### Answer lengths

Held-out prompts whose answer lengths were logged one by one. "log error" is the mean absolute error of the log
length. The others are the share of the true cost that is missed, prompt by prompt and over all prompts of a category.
The router uses the length head because choices are made prompt by prompt; over a whole category, the means on the
predicted task are closer.
"""

MATCH = """
### Cost of matching the best single

The cost weight of each router, and the split of the front, are chosen for each fold on the other folds: the cheapest
that was as good as the best single there, or 1 point worse. If no weight was, the router goes without one. The front
of singles reads no prompt: it splits prompts at random between two candidates. Shares are of the best single's
realised cost, followed by the gain on the fold's own prompts, in points.
"""

BATCHES = """
### OmniRouter's batches

Each fold is a batch, assigned by the predictions of `omnirouter` so that predicted quality meets the floor at the
lowest expected cost. "gap" is the excess cost over the linear relaxation (HiGHS). "over floor" is the *realised* mean
score minus the floor, "promised" the predicted minus the realised score, both in points. "floor raised" adds to the
floor what was promised too much on the other folds. "stream" decides prompt by prompt, with prices from the other
folds' validation prompts. "most" is the largest share of one candidate in a fold, "too many" the prompts above the
capacities.
"""


def section(facts: dict) -> str:
    """Return the part about money in Markdown."""
    sets = facts["sets"]
    costs = [f"{one['single_realised_usd']:.3f} USD on {name}" for name, one in singles(sets).items()]
    unpriced = sorted({candidate for table in sets.values() for candidate in table["unpriced"]})
    said = f"The best single costs {', '.join(costs)}."
    if unpriced:
        said += f" Without a price: {', '.join(unpriced)}."
    parts = [HEAD, said, LENGTHS, lengths(sets), MATCH]
    for floor in next(iter(sets.values()))["match"]:
        parts += [match(sets, floor), ""]
    parts += ["On the front, from the cheapest to the most accurate (USD, accuracy in %):\n", *fronts(sets), BATCHES]
    parts += [f"{batches(name, table)}\n" for name, table in sets.items()]
    return "\n".join(parts)


def singles(sets: dict) -> dict[str, dict]:
    """Return any one row of each set: what the best single costs is the same in all."""
    return {name: next(iter(next(iter(table["match"].values())).values())) for name, table in sets.items()}


def lengths(sets: dict) -> str:
    """Return the table of length errors, of the sets that have logs."""
    logged = {name: table["lengths"] for name, table in sets.items() if table["lengths"]}
    if not logged:
        return "No set logs answer lengths.\n"
    heads = list(next(iter(logged.values()))["heads"])
    rows = [
        [head, *(f"{found['log_error']:.3f}, {found['prompt']:.0f} %, {found['category']:.0f} %" for found in by_set)]
        for head in heads
        for by_set in [[table["heads"][head] for table in logged.values()]]
    ]
    names = [f"{name} ({table['logged']:.0f} % logged)" for name, table in logged.items()]
    return markdown.table(["log error, cost missed by prompt, by category", *names], rows)


def match(sets: dict, floor: str) -> str:
    """Return the table of costs at one floor."""
    rows = []
    for name in next(iter(sets.values()))["match"][floor]:
        found = [table["match"][floor][name] for table in sets.values()]
        rows.append([name, *(spent(one) for one in found)])
    return markdown.table([f"{floor}: USD expected, realised, share, gain", *sets], rows)


def spent(one: dict) -> str:
    """Format what one router spends on one set."""
    share, low, high = one["share"]
    usd = f"{one['expected_usd']:.3f}, {one['realised_usd']:.3f}"
    return f"{usd}, {share:.0f} % [{low:.0f}, {high:.0f}], {markdown.gain(one['gain'])}"


def fronts(sets: dict) -> list[str]:
    """Return a line per set with the vertices of the front."""
    lines = []
    for name, table in sets.items():
        stops = [f"{stop['candidate']} ({stop['usd']:.3f}, {stop['accuracy']:.1f})" for stop in table["front"]]
        lines.append(f"- {name}: {', '.join(stops)}")
    return lines


def batches(name: str, table: dict) -> str:
    """Return the table of batches of one set."""
    single = singles({name: table})[name]["single_realised_usd"]
    rows = []
    for row in table["batches"]:
        limit = "none" if row["capacity"] is None else f"{100 * row['capacity']:.0f} %"
        first = [f"{row['floor']}, {limit}, {row['way']}"]
        rows.append(first + (["no assignment", *[""] * 6] if "refused" in row else served(row, single)))
    heads = ["USD expected", "realised", "share", "gap", "over floor", "promised", "most, too many"]
    return markdown.table([f"{name}: floor, capacity, way", *heads], rows)


def served(row: dict, single: float) -> list[str]:
    """Format what came of one way of serving."""
    return [
        f"{row['expected_usd']:.3f}",
        f"{row['realised_usd']:.3f}",
        f"{100 * row['realised_usd'] / single:.0f} %",
        f"{row['gap']:.2f} %" if "gap" in row else "",
        markdown.gain(row["over_floor"]),
        markdown.gain(row["promised"]),
        f"{row['most']:.0f} %, {row['too_many']:.1f} %",
    ]
