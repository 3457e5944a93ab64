"""Sets of prompts that belong together, and the candidates that were run on them.

Prompts of one source form a set. The core of a set are the candidates that were run on at least 95 % of it; where a
source has fewer than two of these, each of its benchmarks is a set.
"""

import numpy as np

from modelsat.data import score_matrix
from modelsat.data.collection import Collection
from modelsat.data.sources import place_of


def names(collection: Collection, truth: np.ndarray, min_share: float = score_matrix.CORE_SHARE) -> np.ndarray:
    """Return the name of each prompt's set, (prompts,): a source, or a source and a benchmark.

    Args:
        collection: The results.
        truth: Their scores (prompts, candidates), NaN where not run.
        min_share: Share of a set that its core candidates were run on, in [0, 1].
    """
    roots = sorted(collection.sources) or [""]
    ids = collection.prompts["prompt_id"].to_pylist()
    root = np.full(len(ids), len(roots))
    for block in collection.blocks("source_uri", "prompt_id"):
        files = block["source_uri"].combine_chunks()
        root_of_file = np.asarray([place_of(uri, roots) for uri in files.dictionary.to_pylist()], dtype=np.int64)
        rows = score_matrix.positions(block["prompt_id"], ids)
        roots_of_rows = root_of_file[files.indices.to_numpy(zero_copy_only=False)]
        np.minimum.at(root, rows[rows >= 0], roots_of_rows[rows >= 0])
    sets = np.asarray([*roots, "unscored"], dtype=object)[root]
    benchmarks = np.asarray(collection.prompts["benchmark"].to_pylist(), dtype=object)
    for name in set(sets):
        rows_of = sets == name
        if score_matrix.core_candidates(truth, min_share, rows_of).sum() < 2:
            sets[rows_of] = [f"{name}:{benchmark}" for benchmark in benchmarks[rows_of]]
    return sets.astype(str)


def cores(collection: Collection) -> dict[str, list[str]]:
    """Return the core candidates of every set that has at least two, by the set's name."""
    candidates = collection.candidates["candidate"].to_pylist()
    blocks = collection.blocks("candidate", "prompt_id", "score")
    truth = score_matrix.spread(blocks, collection.prompts["prompt_id"].to_pylist(), candidates)
    sets = names(collection, truth)
    found = {}
    for name in np.unique(sets):
        core = np.flatnonzero(score_matrix.core_candidates(truth, rows=sets == name))
        if len(core) >= 2:
            found[str(name)] = [candidates[i] for i in core]
    return found
