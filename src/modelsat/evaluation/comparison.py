"""Compares any routers on any benchmark results: bundles as they are, rivals fitted to the training prompts there.

Only held-out prompts count. The split is the same over all folders ever collected (`splits`), so a bundle of ours never
saw them, whatever it was trained on. Where nobody was trained on a folder, all its prompts can be held out (`unseen`).
"""

import html
import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from modelsat import rivals
from modelsat.bundle import bundle, opening
from modelsat.data import catalogue, measurable, splits
from modelsat.data.aliases import Roster
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation import arena as arenas
from modelsat.evaluation import cautions, fitted_rival, printed, scoring, unseen
from modelsat.evaluation import table as evaluation
from modelsat.evaluation.arena import Arena
from modelsat.evaluation.scoring import ChoiceTerms
from modelsat.evaluation.table import Evaluation
from modelsat.io import storage
from modelsat.io.atomic import write_text
from modelsat.io.chat_endpoint import ChatEndpoint
from modelsat.io.progress import StepProgress

if TYPE_CHECKING:
    import pandas

_DIGEST = re.compile(r"[0-9a-f]{32,}")
ANNOTATED = "inference-dynamics"
"""The rival that an annotator can be plugged into."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """The result of a comparison; it prints as a table.

    Attributes:
        arena: Held-out prompts with every candidate's outcome.
        evaluation: The table.
        predictions: Utilities (prompts, candidates) by router; probabilities where the router gives such.
        seen: Which candidates of the arena each router was trained on.
        uris: Where each router came from, and which model annotated for it.
        collection: The results that the arena was made from; rejected rows are not counted.
        remarks: What to know before believing the figures, as sentences with their names (`modelsat.data.remarks`).
    """

    arena: Arena
    evaluation: Evaluation
    predictions: dict[str, np.ndarray]
    seen: dict[str, list[str]]
    uris: dict[str, str]
    collection: Collection
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the table of routers and reference lines, and what it means in one sentence."""
        return f"{printed.table(as_json(self))}\n\n{printed.sentence(self.evaluation)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def to_pandas(self) -> "pandas.DataFrame":
        """Return one row per router and reference line, with 95 % intervals.

        Columns: `name`, `is_reference`, `accuracy`, `accuracy_low`, `accuracy_high` in [0, 1], `gain`, `gain_low`,
        `gain_high` over the best single candidate, `cost_usd_per_1k` (missing where prices are).
        """
        rows = [
            {
                "name": line.name,
                "is_reference": line.is_reference,
                "accuracy": line.accuracy.value,
                "accuracy_low": line.accuracy.low,
                "accuracy_high": line.accuracy.high,
                "gain": line.gain.value,
                "gain_low": line.gain.low,
                "gain_high": line.gain.high,
                "cost_usd_per_1k": line.cost_usd_per_1k,
            }
            for line in self.evaluation.lines
        ]
        return pa.Table.from_pylist(rows).to_pandas()


def evaluate(
    sources: str | Sequence[str],
    routers: str | Sequence[str],
    *,
    candidates: str | None = None,
    outcomes: Sequence[str] = (),
    questions: int | None = None,
    missing_at_random: bool = False,
    all_held_out: bool = False,
    cache: str | PathLike[str] | None = None,
    progress: Callable[[str], None] = print,
) -> Comparison:
    """Compare routers on held-out prompts, beside random, best single, best per category and oracle.

    Args:
        sources: Folders or `s3://` prefixes with benchmark results.
        routers: Folders of bundles, `s3://` URIs, `models:/name@alias`, or rivals by name (`modelsat evaluate
            --help` lists them).
        candidates: Catalogue of candidates, with prices, dates and aliases that the results lack.
        outcomes: Folders with answers of candidates that a bundle does not know; empty takes those in `sources`.
        questions: How many questions of a bundle's aptitude test, from the first, a new candidate was asked; None uses
            all that it answered, and other labelled questions too.
        missing_at_random: Whether to measure on patchy results, assuming that gaps in them are random.
        all_held_out: Whether all prompts judge, for results that no bundle was trained on.
        cache: Folder that keeps prompt vectors for the next call; None keeps none.
        progress: Called with a line for what is left out, before each router is scored, and now and then meanwhile.

    Raises:
        InputError: A router or a source cannot be used.
    """
    sources, routers = ([given] if isinstance(given, str) else given for given in (sources, routers))
    with tempfile.TemporaryDirectory(prefix="modelsat-vectors-") as scratch:
        folder, chosen = Path(cache or scratch), (missing_at_random, all_held_out)
        return compare(sources, routers, folder, outcomes, candidates, questions, progress, None, *chosen)


def compare(
    sources: Sequence[str],
    routers: Sequence[str],
    cache: Path,
    profiles: Sequence[str] = (),
    facts: str | None = None,
    questions: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
    annotator: ChatEndpoint | None = None,
    missing_at_random: bool = False,
    all_held_out: bool = False,
) -> Comparison:
    """Compare routers.

    Args:
        sources: Folders or `s3://` prefixes with benchmark results.
        routers: Names of rivals, folders of bundles, `s3://` URIs or `models:/name@alias`.
        cache: Folder that keeps prompt vectors and annotations.
        profiles: Folders with answers of candidates that a bundle does not know; empty takes those in `sources`.
        facts: Catalogue of candidates, with prices, dates and aliases that the results do not tell.
        questions: How many questions of a bundle's aptitude test, from the first, a newcomer was asked; None: all that
            it answered, and other labelled questions too.
        progress: Called with a line for what is left out, before each router is scored, and now and then meanwhile.
        annotator: Who tags prompts for `ANNOTATED`; None: the classifier trained here.
        missing_at_random: Measure patchy results under this assumption, as of `arena.build`.
        all_held_out: Whether all prompts judge, as fits results that no bundle was trained on; those that one learned
            from are left out. Candidates that a bundle does not know are placed by `profiles` alone.

    Raises:
        InputError: A router or a source cannot be used.
        ServiceError: The annotator fails.
    """
    if len(set(routers)) < len(routers):
        raise InputError("a router is named twice; name each once")
    if annotator is not None and ANNOTATED not in routers:
        raise InputError(f"an annotator is of use to {ANNOTATED!r} only; name that router too")
    for router in routers:
        _refuse_unknown(router)
    collection = measurable.collect(sources, progress)
    answers = measurable.collect(profiles, progress) if profiles else collection
    if facts is not None:
        told = catalogue.read(facts)
        collection, answers = catalogue.enrich(collection, told), catalogue.enrich(answers, told)
    uris = short_names(routers)
    remarks: list[str] = []
    if all_held_out:
        collection, remarks = unseen.judging(collection, uris, answers if profiles else None)
        answers = answers if profiles else replace(answers, candidates=answers.candidates.slice(0, 0))
    arena = arenas.build(collection, None if all_held_out else splits.TEST, missing_at_random=missing_at_random)
    remarks += cautions.of(collection, arena)
    for remark in remarks:
        progress(f"note: {remark}")
    predictions: dict[str, np.ndarray] = {}
    terms: dict[str, ChoiceTerms] = {}
    seen: dict[str, list[str]] = {}
    for name, router in uris.items():
        progress(f"scoring with {router}")
        if router in rivals.FITTED:
            plugged = annotator if router == ANNOTATED else None
            predictions[name] = fitted_rival.utilities(router, collection, arena, cache, plugged, progress)
            seen[name] = list(arena.candidates)
        else:
            with opening.opened(router) as loaded:
                predictions[name], terms[name], _ = scoring.score(
                    loaded, answers, arena, collection.candidates, questions, StepProgress("scoring prompts", progress)
                )
                trained_on = set(loaded.lineage.get("trained_on", loaded.names))
                known = Roster.of(loaded.candidates).match(collection.candidates)
                seen[name] = [one for one in arena.candidates if known.get(one) in trained_on]
                told_of = known.keys() | Roster.of(answers.candidates).match(collection.candidates).keys()
                silent = [one for one in _in_a_pool(arena) if one not in told_of]
                if silent:
                    remarks.append(cautions.unanswered(name, silent))
                    progress(f"note: {remarks[-1]}")
    if annotator is not None:
        uris |= {name: f"{uri}, tags by {annotator.model}" for name, uri in uris.items() if uri == ANNOTATED}
    table = evaluation.evaluate(arena, predictions, terms=terms)
    return Comparison(arena, table, predictions, seen, uris, collection, tuple(remarks))


def short_names(routers: Sequence[str]) -> dict[str, str]:
    """Return routers by the names that tables show: the last part of a path, a digest by its first twelve characters.

    Where two would be called the same, all keep the whole of what they were given.
    """
    last = [router.rstrip("/").rsplit("/", 1)[-1] or router for router in routers]
    names = [name[:12] if _DIGEST.fullmatch(name) else name for name in last]
    return dict(zip(names if len(set(names)) == len(names) else routers, routers, strict=True))


def _refuse_unknown(router: str) -> None:
    """Refuse a name that means nothing before hours are spent on the others."""
    folder = Path(router.removeprefix("file://"))
    if router not in rivals.FITTED and folder.is_dir():
        bundle.verify(folder)
    elif not router.startswith("models:/") and not storage.is_s3(router):
        rivals.named(router)


def _in_a_pool(arena: Arena) -> list[str]:
    return [arena.candidates[i] for i in np.flatnonzero(arena.pool.any(axis=0))]


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON; `docs/evaluation.md` describes the keys. It holds no prompt text."""
    table, arena = comparison.evaluation, comparison.arena
    leading = printed.leaders(table)
    return {
        "prompts": table.prompts,
        "pool": table.pool,
        "missing_at_random": arena.missing_at_random,
        "sets": table.sets,
        "candidates": list(arena.candidates),
        "rejected_rows": comparison.collection.rejects.num_rows,
        "winner": printed.winner(table),
        "remarks": list(comparison.remarks),
        "tied": [line.name for line in leading] if len(leading) > 1 else [],
        "lines": [asdict(line) for line in table.lines],
        "routers": {
            name: {
                "uri": comparison.uris[name],
                "auc": table.auc[name],
                "seen": comparison.seen[name],
                "unseen": [one for one in arena.candidates if one not in comparison.seen[name]],
                "uncertainty_margin": _margin(table, arena, name),
                # As readers of 0.1.0 know it.
                "doubt": _margin(table, arena, name),
            }
            for name in comparison.predictions
        },
        "per_prompt": [_prompt(comparison, i) for i in range(table.prompts)],
    }


def write(comparison: Comparison, path: Path) -> None:
    """Write the JSON, whole or not at all."""
    write_text(path, json.dumps(as_json(comparison)))


def _margin(table: Evaluation, arena: Arena, name: str) -> dict[str, float]:
    margin = table.terms[name].uncertainty_margin if name in table.terms else np.empty(0)
    return {arena.candidates[i]: round(float(margin[i]), 6) for i in np.flatnonzero(margin)}


def _prompt(comparison: Comparison, row: int) -> Mapping[str, Any]:
    table, arena = comparison.evaluation, comparison.arena
    return {
        "prompt_id": arena.prompt_ids[row],
        "set": str(arena.sets[row]),
        "pool": [arena.candidates[i] for i in np.flatnonzero(arena.pool[row])],
        "best_single": arena.candidates[int(arena.best_single[row])],
        "routers": {
            name: {
                "chosen": arena.candidates[int(table.choices[name][row])],
                "score": float(table.correct[name][row]),
                "utility": {
                    arena.candidates[i]: round(float(values[row, i]), 6) for i in np.flatnonzero(arena.pool[row])
                },
            }
            for name, values in comparison.predictions.items()
        },
    }
