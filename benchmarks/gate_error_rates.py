"""How often does the gate err? Simulated challengers against a champion, many times.

    python benchmarks/gate_error_rates.py

Both routers answer the same prompts. On a share of them they choose different candidates, of which exactly one is
right; elsewhere they score the same. A challenger that is better by g points wins more of the differing prompts.
"""

import argparse

import numpy as np

from modelsat.evaluation import gate


def promoted_share(prompts: int, differing: float, gain: float, repeats: int, seed: int) -> float:
    """Return how often a challenger with this true gain (a share) is promoted on accuracy alone."""
    rng = np.random.default_rng(seed)
    wins = 0
    for i in range(repeats):
        champion = (rng.random(prompts) < 0.75).astype(float)
        differ = rng.random(prompts) < differing
        challenger_right = rng.random(prompts) < 0.5 + gain / (2 * differing)
        challenger = np.where(differ, challenger_right.astype(float), champion)
        champion = np.where(differ, 1.0 - challenger, champion)
        verdict = gate.judge(challenger, champion, against="the champion", has_champion=True, seed=i)
        wins += verdict.outcome is gate.GateOutcome.PROMOTED
    return wins / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=400)
    arguments = parser.parse_args()
    print(f"promoted share in {arguments.repeats} simulated contests, one-sided 95 % bootstrap bound\n")
    print("prompts  differing  true gain  promoted")
    for prompts, differing in ((1700, 0.10), (1700, 0.20), (2000, 0.15)):
        for gain in (-0.02, 0.0, 0.01, 0.02, 0.03):
            share = promoted_share(prompts, differing, gain, arguments.repeats, seed=1)
            print(f"{prompts:>7}  {differing:>9.0%}  {100 * gain:>+8.1f}  {share:>8.1%}")


if __name__ == "__main__":
    main()
