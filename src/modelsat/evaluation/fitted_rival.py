"""A rival fitted to the training prompts of results, and what it expects on the held-out ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from modelsat import rivals
from modelsat.data import score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation import arena as arenas
from modelsat.evaluation.arena import Arena
from modelsat.io.chat_endpoint import ChatEndpoint
from modelsat.io.progress import StepProgress
from modelsat.rivals import inference_dynamics, tag_features
from modelsat.rivals.rival import Labelled, on_all_layers
from modelsat.text import embeddings


def utilities(
    name: str,
    collection: Collection,
    arena: Arena,
    cache: Path,
    annotator: ChatEndpoint | None,
    progress: Callable[[str], None],
) -> np.ndarray:
    """Fit a rival to the collection's training and validation prompts and score the arena.

    Args:
        name: Of the rival.
        collection: Results, of which the arena was built.
        arena: Held-out prompts.
        cache: Folder that keeps prompt vectors and annotations.
        annotator: LLM that tags prompts for `inference-dynamics`; None: the classifier trained here.
        progress: Called with a line now and then.

    Returns:
        Utilities (prompts, candidates).

    Raises:
        InputError: There are no training or validation prompts.
        ServiceError: The annotator fails.
    """
    ids = collection.prompts["prompt_id"].to_pylist()
    truth = score_matrix.spread(collection.blocks("candidate", "prompt_id", "score"), ids, arena.candidates)
    parts = splits.assign(collection.prompts["stem_digest"].to_pylist())
    labels = arenas.labels_of(collection)
    texts = arenas.texts_of(collection, np.arange(len(ids)))
    read = np.asarray(texts, dtype=object)
    answered = ~np.isnan(truth).all(axis=1)
    place = {prompt_id: i for i, prompt_id in enumerate(ids)}
    asked = np.asarray([place[prompt_id] for prompt_id in arena.prompt_ids])
    if annotator is None:
        fit = rivals.named(name)
        features = np.empty((len(texts), 0), dtype=np.float32)
        if name not in rivals.WITHOUT_VECTORS:
            features = embeddings.vectors(texts, cache, progress=StepProgress("encoding prompts", progress))
    else:
        train, validation = (answered & (parts == split) for split in (splits.TRAIN, splits.VALIDATION))
        needed = validation | np.isin(np.arange(len(ids)), asked)
        features = tag_features.features(texts, train, needed, annotator, cache, progress)
        fit = on_all_layers(inference_dynamics.fit_annotated)

    def labelled(split: str) -> Labelled:
        rows = np.flatnonzero((parts == split) & answered)
        if not len(rows):
            raise InputError(f"the results hold no {split} prompts to fit {name!r} with; collect more")
        rows = rows[splits.fitted(split, len(rows))]
        return Labelled(features[rows], truth[rows], labels[rows], arenas.costs_of(collection, rows), read[rows])

    return fit(labelled(splits.TRAIN), labelled(splits.VALIDATION))(features[asked], read[asked])
