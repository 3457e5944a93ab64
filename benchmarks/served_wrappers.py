"""Wrappers as they are served: how many choices of a bundle change where a held-out prompt is wrapped.

    python benchmarks/served_wrappers.py BUNDLE SOURCE [--prompts 240]

Each held-out prompt of SOURCE is wrapped once in each of the three groups of styles of `wrapper_styles.py`; choices are
those of the default and of both ends of the dial. Prints a table.
"""

import argparse

import markdown
import numpy as np
from wrapper_styles import KEPT_BACK, LAST, STYLES

from modelsat.bundle import ranking
from modelsat.bundle.opening import opened
from modelsat.data import splits
from modelsat.data.collection import collect
from modelsat.evaluation.arena import texts_of
from modelsat.policy.preferences import AUTO, BEST, CHEAP, Preferences
from modelsat.statistics import bootstrap_means, interval

GROUPS = {"first": STYLES, "kept-back": KEPT_BACK, "last": LAST}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("source")
    parser.add_argument("--prompts", type=int, default=240)
    arguments = parser.parse_args()
    collection = collect([arguments.source])
    held_out = np.flatnonzero(splits.assign(collection.prompts["stem_digest"].to_pylist()) == splits.TEST)
    rng = np.random.default_rng(7)
    bare = texts_of(collection, rng.permutation(held_out)[: arguments.prompts])
    rows = []
    with opened(arguments.bundle) as router:
        as_asked = router.reading(bare)
        for group, styles in GROUPS.items():
            ways = list(styles.values())
            wrapped = [ways[i % len(ways)](text, rng) for i, text in enumerate(bare)]
            dressed = router.reading(wrapped)
            row = [group]
            for policy in (BEST, AUTO, CHEAP):
                wanted = Preferences(policy=policy)
                before = ranking.rank(router, bare, as_asked, wanted).model
                after = ranking.rank(router, wrapped, dressed, wanted).model
                flips = 100 * np.asarray([one != other for one, other in zip(before, after, strict=True)], dtype=float)
                found = interval(flips.mean(), bootstrap_means(flips[:, None])[:, 0])
                row.append(f"{found.value:.1f} % [{found.low:.1f}, {found.high:.1f}]")
            rows.append(row)
    print(markdown.table(["styles", "auto:best", "auto", "auto:cheap"], rows))


if __name__ == "__main__":
    main()
