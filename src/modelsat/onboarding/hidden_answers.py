"""A newcomer judged by its own answers: each is hidden once from a bundle that is placed by the others."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from modelsat.aptitude import frozen_test
from modelsat.bundle import admission
from modelsat.bundle.bundle import Bundle
from modelsat.data.collection import Collection
from modelsat.onboarding.evidence import only
from modelsat.onboarding.side_by_side import choose

_PARTS, _MANY = 8, 256


@dataclass(frozen=True)
class HiddenAnswers:
    """What became of a newcomer's n answers to the aptitude test, as bundles see them that do not know them.

    Attributes:
        promised: By how much it leads the champion's choice, as promised, (n,).
        kept: The same in truth, (n,). A score of the champion's choice that is not known is taken to be as expected.
        alike: The promise less what all questions hidden with it share, (n,): who fails the hidden ones has done better
            on the others, so promises of that part are the larger ones.
    """

    promised: np.ndarray
    kept: np.ndarray
    alike: np.ndarray


def read(old: Bundle, results: Collection, candidate: str) -> HiddenAnswers:
    """Hide a newcomer's answers part by part.

    Args:
        old: The champion's bundle.
        results: With the newcomer's answers.
        candidate: Its name.
    """
    test = old.aptitude_test
    place = {stem: i for i, stem in enumerate(test["stem_digest"].to_pylist())}
    own = only(results, [candidate])
    stems = dict(zip(own.prompts["prompt_id"].to_pylist(), own.prompts["stem_digest"].to_pylist(), strict=True))
    asked = {stems[prompt_id]: score for prompt_id, score in _scores(own) if stems[prompt_id] in place}
    order = sorted(asked, key=place.__getitem__)
    texts, known = test["text"].to_pylist(), frozen_test.outcomes(old.answers, old.names, test.num_rows)
    promised, kept, alike = [np.empty(0)], [np.empty(0)], [np.empty(0)]
    # Of few answers only as many are hidden as leave a bundle much like the one that is judged.
    parts = _PARTS if len(order) > _MANY else max(_PARTS, len(order) // _PARTS)
    for part in range(parts):
        judged = order[part::parts]
        others = set(order) - set(judged)
        if others and judged:
            placed = admission.admit(old, _of_stems(own, others))
            rows, questions = np.arange(len(judged)), [place[stem] for stem in judged]
            shown = [texts[i] for i in questions]
            probability = placed.success_probability(shown)
            assured, before = placed.assured(probability), choose(old, shown, probability, placed)
            expected, scored = assured[rows, before], known[questions, before]
            lead = assured[:, -1] - expected
            promised.append(lead)
            alike.append(lead - lead.mean())
            kept.append([asked[stem] for stem in judged] - np.where(np.isnan(scored), expected, scored))
    everywhere = np.concatenate(promised)
    level = everywhere.mean() if len(everywhere) else 0.0
    return HiddenAnswers(everywhere, np.concatenate(kept), np.concatenate(alike) + level)


def _scores(own: Collection) -> list[tuple[str, float]]:
    return list(zip(own.scores["prompt_id"].to_pylist(), own.scores["score"].to_pylist(), strict=True))


def _of_stems(own: Collection, stems: set[str]) -> Collection:
    prompts = own.prompts.filter(pa.array([stem in stems for stem in own.prompts["stem_digest"].to_pylist()]))
    ids = set(prompts["prompt_id"].to_pylist())
    kept = pa.array([prompt_id in ids for prompt_id in own.scores["prompt_id"].to_pylist()])
    return replace(own, prompts=prompts, scores=own.scores.filter(kept))
