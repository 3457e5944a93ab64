"""The part of the results page about the rivals' own packages, from what `packages.py` has stored."""

import markdown

TEXT = """
## The rivals' own packages

Each package runs its own code on the same MiniLM vectors and training rows as our rivals. One of five folds is held
out, and no model is called. Versions: {versions}.

{sizes}.

LLMRouter's classifiers learn one label per prompt: the best candidate, and of equally good ones the first in the table.
So the order of its rows decides. They are sorted by training mean here, which favours it, and by name where that is
said. "their settings" is our code with that label, and 5 neighbours without shrinkage, or their network without a stop
on validation prompts. "agree" counts the sets on which the interval holds 0; it is empty where the two are of different
kinds. Equal choices are in round brackets.
"""

PAIRS = """
Two candidates: the best one, and the best of those at a tenth of its cost or less. Every router sends the half of the
prompts that needs it most to the strong candidate, so that nothing but the ranking differs. RouteLLM's matrix
factorisation is trained without the prompts on which both scored the same; "their settings" is ours without them.
"""

LEFT_OUT = """
Not run: RouteLLM's bert and causal_llm, and LLMRouter's RouterDC and CausalLM, whose weights are on a model hub;
AutoMix, Router-R1 and the multi-round routers, which call models; GMTRouter and PersonalizedRouter, which need ratings
by users.
"""


def section(facts: dict) -> str:
    """Return differences and accuracies, for all candidates and for the pairs."""
    sets = facts["sets"]
    versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
    sizes = "; ".join(
        f"{name}: {one['prompts']:,} test prompts, {one['candidates']} candidates, pair {' and '.join(one['pair'])}"
        for name, one in sets.items()
    )
    parts = [TEXT.format(versions=versions, sizes=sizes), *tables(sets, "all"), PAIRS, *tables(sets, "two"), LEFT_OUT]
    return "\n".join(parts)


def tables(sets: dict, pool: str) -> list[str]:
    """Return the table of differences and the one of accuracies."""
    every = [one[pool] for one in sets.values()]
    rows = []
    for found in zip(*(one["beside"] for one in every), strict=True):
        cells = [f"{markdown.gain(one['gain'])} ({100 * one['equal']:.0f} %)" for one in found]
        agreed = f"{sum(one['agrees'] for one in found)} of {len(found)}" if found[0]["same kind"] else ""
        rows.append([f"{found[0]['theirs']} − {found[0]['ours']}", *cells, agreed])
    accuracies = [[name, *(f"{one['accuracy'][name]:.1f}" for one in every)] for name in every[0]["accuracy"]]
    heads = ["theirs − ours, in points", *sets, "agree"]
    return [markdown.table(heads, rows), "", markdown.table(["accuracy in %", *sets], accuracies)]
