"""Does the router read what is known of candidates? Held-out accuracy with true, flat and shuffled cards.

    python benchmarks/cards_matter.py --bundle .run/bundles/DIGEST --scores ../shared/data/mmlupro

Flat: every line of a candidate's card is replaced by the card's own mean, and its place on fusion's surface by its
mean score. Shuffled: cards and places change hands at random. What reads prompts stays as it is, so the difference is
what the router takes from the lines: in choices, which are few and noisy, and in the log-loss of all its predictions.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from modelsat.bundle import bundle as bundles
from modelsat.data import collection
from modelsat.evaluation import arena as arenas
from modelsat.evaluation import table as evaluation
from modelsat.routers.fusion.router import Fusion
from modelsat.routers.fusion.surface import Surface
from modelsat.routers.reranked import Reranked
from modelsat.routers.router import Router
from modelsat.statistics import Interval, bootstrap_means, interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--scores", nargs="+", required=True)
    arguments = parser.parse_args()
    router = bundles.read(arguments.bundle).router
    arena = arenas.build(collection.collect(arguments.scores))
    order = np.random.default_rng(0).permutation(len(router.candidates))
    told = {}
    for name, known in (("true cards", router), ("flat cards", flat(router)), ("shuffled cards", dealt(router, order))):
        told[name] = known.success_probability(arena.texts)
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


def flat(router: Router) -> Router:
    """Return the router with nothing known of a candidate but its mean."""
    if isinstance(router, Reranked):
        return Reranked(flat(router.fusion), flat(router.model_sat), router.weight)
    if isinstance(router, Fusion):
        level = replace(router.surface, loadings=np.zeros_like(router.surface.loadings))
        return Fusion(router.candidates, router.encoder, level, router.anchors)
    mean = router.accuracies.mean(axis=1, keepdims=True)
    return router.with_cards(router.candidates, np.repeat(mean, router.accuracies.shape[1], axis=1))


def dealt(router: Router, order: np.ndarray) -> Router:
    """Return the router with every candidate taken for another one."""
    if isinstance(router, Reranked):
        return Reranked(dealt(router.fusion, order), dealt(router.model_sat, order), router.weight)
    if isinstance(router, Fusion):
        beside = router.beside
        if beside is not None:
            spoken = None if beside.spoken is None else swapped(beside.spoken, order)
            beside = replace(beside, by_kind=beside.by_kind[:, order], spoken=spoken)
        known = swapped(router.surface, order)
        return Fusion(router.candidates, router.encoder, known, router.anchors, beside=beside)
    return router.with_cards(router.candidates, router.accuracies[order])


def swapped(known: Surface, order: np.ndarray) -> Surface:
    """Return the surface with every candidate taken for another one."""
    return replace(known, means=known.means[order], loadings=known.loadings[order])


def surprise(probabilities: np.ndarray, arena: arenas.Arena) -> np.ndarray:
    """Return the mean log-loss of each prompt over its pool, in bits."""
    p = np.clip(probabilities, 1e-6, 1 - 1e-6)
    losses = -arena.truth * np.log2(p) - (1 - arena.truth) * np.log2(1 - p)
    return np.where(arena.pool, losses, 0.0).sum(axis=1) / arena.pool.sum(axis=1)


def paired(differences: np.ndarray) -> Interval:
    return interval(differences.mean(), bootstrap_means(differences[:, None])[:, 0])


if __name__ == "__main__":
    main()
