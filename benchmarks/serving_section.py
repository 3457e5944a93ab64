"""The study of endpoint and gateway over many requests: memory over an hour, before and after, and under attack."""

import markdown

SERVERS = ("endpoint", "gateway")
TEXT = """
## Memory over an hour

`python benchmarks/serving_soak.py --minutes {minutes:.0f} --a-second {a_second:g}`: prompts of one to 5,000 words
(log-uniform, every one another), put to the endpoint and to the gateway, which asks the endpoint. Requests of the
endpoint are those of both. Two shared cores, load average {load} at the end. The slope is that of a straight line
through the second half; the aim is less than 1 MiB per 10,000 requests. Memory moves in steps of a few MiB, up and
down, so a slope over few requests says little: over the last third of the requests, {last}.

![Memory of endpoint and gateway over the soak](img/soak.svg)
"""
BEFORE = """
Earlier builds kept a compiled shape for each length of a prompt (endpoint), or three entries for each request, one by
one, until 150,000 were there (gateway). Up to commit 5840de9 nothing gave back the holes that prompts of mixed lengths
leave in the heap. The runs of 9 and 28 minutes counted only the requests of a server itself.
"""


def section(facts: dict) -> str:
    """Return the section of the results page, of what `serving_soak.py` stored and of earlier builds beside it."""
    rows = [_row(name, "this build", facts[name]) for name in SERVERS]
    rows += [_row(one["server"], f"commit {one['commit']}, {one['minutes']} minutes", one) for one in facts["before"]]
    heads = [
        "",
        "build",
        "requests",
        "not 200",
        "tracebacks",
        "MiB at the start, at half, at the end",
        "MiB per 10,000",
    ]
    said = TEXT.format(
        minutes=facts["minutes"],
        a_second=facts["a second"],
        load=facts["load average at the end"],
        last=_last_third(facts),
    )
    return "\n".join([said, markdown.table(heads, rows), BEFORE])


def curves(facts: dict) -> dict[str, list[list[float]]]:
    """Return requests and MiB of each server, as its picture wants them."""
    return {name: facts[name]["curve: requests, MiB"] for name in SERVERS}


def finding(facts: dict) -> str:
    """Return the finding of the summary."""
    slopes = {name: facts[name]["MiB per 10,000 requests, second half"] for name in SERVERS}
    told = ", ".join(f"{name} {slope:+.1f}" for name, slope in slopes.items())
    return f"MiB per 10,000 requests: {told} (aim: 1); in the last third {_last_third(facts)}"


def _last_third(facts: dict) -> str:
    """Say what each server's memory did in the last third of its requests."""
    told = []
    for name, curve in curves(facts).items():
        requests, mib = curve[-1]
        before = next(one for one in curve if one[0] >= 2 * requests / 3)
        told.append(f"the {name} changed by {mib - before[1]:+.1f} MiB in {requests - before[0]:,} requests")
    return ", ".join(told)


def _row(server: str, build: str, figures: dict) -> list[str]:
    mib = ", ".join(f"{one:.0f}" for one in figures["MiB at the start, at half and at the end"])
    slope = f"{figures['MiB per 10,000 requests, second half']:+.1f}"
    counts = [f"{figures[what]:,}" if what in figures else "" for what in ("requests", "not 200", "tracebacks")]
    return [server, build, *counts, mib, slope]
