"""The part about ten days of the results page."""

import markdown

HEAD = """
## Ten days in the life of a router

`make versus` plays ten days on our stack and on a rival that a competent engineer builds in an afternoon
(`benchmarks/versus/rival.py`, {lines} lines): MiniLM vectors, kNN over the known outcomes, a price rule whose weight
is the largest that keeps up with the best single model when each prompt is left out, LiteLLM's Router {litellm} for
retries, fallbacks and cooldowns, a table of outcomes that is reloaded when it changes. Both stand before the same
local models, which answer with what the real model scored on the prompt (specialists: {known:,} prompts were measured
before the first day, {familiar:,} were kept back, and code, {foreign:,} prompts, was never measured). The same
prompts go to both, one system after the other. Where the rival has no answer to an event, its team does by hand what
is obvious, on the evening of the day. "accuracy" is the mean score of the answers, a lost request counting 0; dollars
are per 1,000 requests, at list prices of size tiers, 200 tokens an answer (the set has no lengths). The difference is
ours minus the rival, paired by prompt, with its 95 % interval; "best single" is always asking the model that looks
best by what is known that day, as if it never failed. Our router is fusion with its members, without the trained
network; validation, gate, registration, promotion, endpoint and gateway are the product's own.
"""


def section(facts: dict) -> str:
    """Return the part in Markdown: what happened in figures, what each side did, and what follows."""
    rows = [*facts["days"], facts["total"]]
    heads = ["day", "requests", "lost, ours", "lost, rival", "accuracy, ours", "rival", "best single"]
    heads += ["difference in points", "USD, ours", "rival", "best single"]
    figures = [
        [
            f"{number}. {row['title']}" if row in facts["days"] else row["title"],
            f"{row['requests']:,}",
            *(str(row[system]["lost"]) for system in ("ours", "rival")),
            *(f"{row[system]['accuracy']:.1f}" for system in ("ours", "rival", "best single")),
            markdown.gain(row["difference"]),
            *(f"{row[system]['dollars']:.3f}" for system in ("ours", "rival", "best single")),
        ]
        for number, row in enumerate(rows, 1)
    ]
    did = [[f"{i}. {row['title']}", row["did"]["ours"], row["did"]["rival"]] for i, row in enumerate(facts["days"], 1)]
    parts = [HEAD.format(**facts), markdown.table(heads, figures), "", "What each side did:", ""]
    return "\n".join([*parts, markdown.table(["day", "ours", "the rival and its team"], did), "", verdict(facts), ""])


def verdict(facts: dict) -> str:
    """Say on which days either system was better, lost fewer requests or was cheaper, and where kNN is enough."""
    better, worse, same = [], [], []
    for row in facts["days"]:
        lost = row["rival"]["lost"] - row["ours"]["lost"]
        _, low, high = row["difference"]
        kind = better if low > 0 or (lost > 0 and high >= 0) else worse if high < 0 or lost < 0 else same
        kind.append(row["title"])
    named = {
        "Ours was surely better, or lost fewer requests:": better,
        "The rival was surely better, or lost fewer requests:": worse,
        "No sure difference, so kNN is enough:": same,
    }
    said = [f"{what} {', '.join(days)}." for what, days in named.items() if days]
    cheaper = [row["title"] for row in facts["days"] if row["rival"]["dollars"] < row["ours"]["dollars"]]
    said += [f"The rival was cheaper: {', '.join(cheaper)}."] if cheaper else ["Ours was never dearer."]
    return " ".join(said)


def finding(facts: dict) -> str:
    """Return what the ten days found, in a sentence."""
    total = facts["total"]
    lost, paid = ([total[system][what] for system in ("ours", "rival")] for what in ("lost", "dollars"))
    return (
        f"all days: {markdown.gain(total['difference'])} points, {paid[0]:.3f} against {paid[1]:.3f} USD per 1,000, "
        f"{lost[0]} against {lost[1]} lost of {total['requests']:,} requests, beside a kNN router over LiteLLM"
    )
