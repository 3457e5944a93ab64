"""Does the router read the cards? Held-out accuracy with true, flat and shuffled cards.

    python benchmarks/cards_matter.py --bundle .run/bundles/DIGEST --scores ../shared/data/mmlupro

Flat: every line of a candidate's card is replaced by the card's own mean. Shuffled: cards change hands at random. Both
leave the network as it is, so the difference is what the router takes from the lines: in choices, which are few and
noisy, and in the log-loss of all its predictions.
"""

import argparse
from pathlib import Path

import numpy as np

from modelsat import arena as arenas
from modelsat import bundle as bundles
from modelsat import collection, evaluation
from modelsat.routers.mixture import Mixture
from modelsat.routers.model_sat import ModelSat
from modelsat.statistics import Interval, bootstrap_means, interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--scores", nargs="+", required=True)
    arguments = parser.parse_args()
    router = bundles.read(arguments.bundle).router
    if isinstance(router, Mixture):
        router = next(member for member in router.members if isinstance(member, ModelSat))
    arena = arenas.build(collection.collect(arguments.scores))
    cards = router.accuracies
    flat = np.repeat(cards.mean(axis=1, keepdims=True), cards.shape[1], axis=1)
    order = np.random.default_rng(0).permutation(len(cards))
    told = {}
    for name, accuracies in (("true cards", cards), ("flat cards", flat), ("shuffled cards", cards[order])):
        told[name] = router.with_cards(router.candidates, accuracies).success_probability(arena.texts)
        print(f"scored {len(arena.texts):,} prompts with {name}", flush=True)
    table = evaluation.evaluate(arena, told)
    truth = table.correct["true cards"]
    print(f"\n{'':<16} {'accuracy':>9}  {'points lost':<24} {'bits lost per prediction':<28} {'AUC':>6} {'ECE':>6}")
    for name in told:
        lost = paired(truth - table.correct[name])
        bits = paired(surprise(told[name], arena) - surprise(told["true cards"], arena))
        span = f"{100 * lost.value:+.2f} ({100 * lost.low:+.2f} to {100 * lost.high:+.2f})"
        more = f"{bits.value:+.4f} ({bits.low:+.4f} to {bits.high:+.4f})"
        accuracy = table.correct[name].mean()
        print(f"{name:<16} {accuracy:>9.1%}  {span:<24} {more:<28} {table.auc[name]:>6.3f} {table.ece[name]:>6.3f}")


def surprise(probabilities: np.ndarray, arena: arenas.Arena) -> np.ndarray:
    """Return the mean log-loss of each prompt over its pool, in bits."""
    p = np.clip(probabilities, 1e-6, 1 - 1e-6)
    losses = -arena.truth * np.log2(p) - (1 - arena.truth) * np.log2(1 - p)
    return np.where(arena.pool, losses, 0.0).sum(axis=1) / arena.pool.sum(axis=1)


def paired(differences: np.ndarray) -> Interval:
    return interval(differences.mean(), bootstrap_means(differences[:, None])[:, 0])


if __name__ == "__main__":
    main()
