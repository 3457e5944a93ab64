"""The served pool: a candidate is served only where its choices have been judged.

Two rules, for results that differ in which candidates were run on which prompts:

1. A candidate is served only if it is in the core of at least one set of prompts (`modelsat.data.prompt_sets`). With
   one source, every choice can then be judged on every prompt that counts, whatever a request weighs or excludes.
2. Candidates of several sources compete on all prompts. They are admitted in the order in which they were run on most
   validation prompts, and one that would raise the share of choices on candidates that were not run there above 5 % is
   withheld. A prompt counts once an admitted candidate was run on it. Where fewer than two are left, the core of the
   largest set is served.

Withholding the least-run candidate protects the others: of a large and a small set, the strongest candidate of the
large one makes most of the choices that cannot be judged, and it is not the one to go.
"""

from collections.abc import Collection as Names
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelsat.errors import InputError
from modelsat.policy import choice

MAX_UNJUDGED = 0.05
"""Share of the choices on validation prompts that may fall on candidates that were not run there."""
_NAMED = 5


@dataclass(frozen=True)
class ServedPool:
    """Which candidates are served.

    Attributes:
        served: Their names, in the given order.
        withheld: Why each other candidate is not served, by name.
        unjudged: Share of the choices on validation prompts that cannot be judged, in [0, 1].
    """

    served: tuple[str, ...]
    withheld: dict[str, str]
    unjudged: float

    def clause(self) -> str:
        """Return how many candidates are withheld as the end of a sentence, "" where all are served."""
        return f"; {told(self.withheld, len(self.served))}" if self.withheld else ""


def told(withheld: Names[str], served: int) -> str:
    """Say how many candidates are withheld, and name the first of them.

    Args:
        withheld: Their names, at least one.
        served: How many others are served.
    """
    names = list(withheld)
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    are, them = ("is", "it") if len(names) == 1 else ("are", "them")
    return f"{len(names)} of {served + len(names)} candidates {are} withheld until enough results judge {them}: {shown}"


def choose(
    candidates: Sequence[str],
    cores: Mapping[str, Sequence[str]],
    probabilities: np.ndarray,
    outcomes: np.ndarray,
    ran: Mapping[str, float],
    mean_score: np.ndarray,
    uncertainty_margin: np.ndarray | None = None,
) -> ServedPool:
    """Decide which candidates are served.

    Args:
        candidates: All candidates, m names in column order.
        cores: Core candidates by set.
        probabilities: Success probabilities of validation prompts (n, m), from a router that was not fitted to them.
        outcomes: Scores there (n, m), NaN where not run.
        ran: On which share of all prompts each candidate was run, by name, in [0, 1]; for the reasons.
        mean_score: Decides ties, (m,).
        uncertainty_margin: Of the router, (m,).

    Raises:
        InputError: Fewer than two candidates are in the core of a set.
    """
    in_a_core = {name for core in cores.values() for name in core}
    judged = np.asarray([name in in_a_core for name in candidates], dtype=bool)
    if judged.sum() < 2:
        raise InputError(
            "no two candidates were run on 95 % of a source or of a benchmark, so no choice between them can be "
            "judged; collect more results"
        )
    run_on = ~np.isnan(outcomes)
    # Only prompts on which the whole core of a set was run count, as in the evaluation.
    complete = np.zeros(len(outcomes), dtype=bool)
    for core in cores.values():
        complete |= run_on[:, np.isin(candidates, list(core))].all(axis=1)
    run_on = run_on[complete]

    def unjudged(offered: np.ndarray) -> float:
        rows = run_on[:, offered].any(axis=1)
        if not rows.any():
            return 0.0
        chosen = choice.choose(
            probabilities[complete][rows], offered, mean_score, uncertainty_margin=uncertainty_margin
        )
        return float(1 - run_on[rows][np.arange(len(chosen)), chosen].mean())

    served, share = judged.copy(), unjudged(judged)
    if share > MAX_UNJUDGED:
        served[:], share = False, 0.0
        for column in sorted(np.flatnonzero(judged), key=lambda i: (-run_on[:, i].sum(), -mean_score[i], i)):
            wider = served.copy()
            wider[column] = True
            with_it = unjudged(wider)
            if with_it <= MAX_UNJUDGED:
                served, share = wider, with_it
        if served.sum() < 2:
            largest = max(
                cores.values(), key=lambda core: int(run_on[:, np.isin(candidates, list(core))].all(axis=1).sum())
            )
            served = np.isin(candidates, list(largest))
            share = unjudged(served)
    withheld = {
        name: _reason(ran.get(name, 0.0), bool(judged[i])) for i, name in enumerate(candidates) if not served[i]
    }
    return ServedPool(tuple(name for i, name in enumerate(candidates) if served[i]), withheld, share)


def _reason(ran: float, in_a_core: bool) -> str:
    where = f"run on {100 * ran:.0f} % of the prompts"
    if in_a_core:
        return f"{where}; with it, more than {100 * MAX_UNJUDGED:.0f} % of the choices could not be judged"
    return f"{where}, and on 95 % of the prompts of no source"
