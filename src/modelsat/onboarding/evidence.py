"""What is known about a change: the candidate's answers, and what the champion's candidates scored on those prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelsat.bundle.bundle import Bundle
from modelsat.data import collection, contracts
from modelsat.data.aliases import Roster
from modelsat.data.collection import Collection
from modelsat.data.remarks import Remark
from modelsat.errors import InputError, ModelsatError
from modelsat.onboarding.change import Action, Change


def gather(
    bundle: Bundle, change: Change, sources: Sequence[str], zoo: Sequence[str], facts: Mapping[str, Any]
) -> Collection:
    """Collect the results of the candidate and of those that the champion knows, under canonical names from here on.

    Args:
        bundle: The champion's.
        change: What is to change.
        sources: Folders or `s3://` prefixes with the candidate's results, those of others may be there too; none where
            no candidate is added, or one by its published scores alone.
        zoo: The same for the results behind the champion; one that cannot be read is noted and left.
        facts: What the catalogue says of the candidate.

    Returns:
        The results, whose notes say what could not be read.

    Raises:
        InputError: The sources hold no answer of a candidate that is to be added.
    """
    row = {"candidate": change.candidate, "aliases": facts.get("aliases")}
    roster = Roster.of(bundle.candidates, contracts.from_rows([row], contracts.CANDIDATES))
    parts, notes = [], []
    if change.action is Action.ADD and not sources:
        parts.append(replace(nothing(), candidates=contracts.from_rows([row], contracts.CANDIDATES)))
    elif change.action is Action.ADD:
        found = collection.collect(sources)
        parts.append(_on_roster(found, roster))
        if change.candidate not in parts[0].candidates["candidate"].to_pylist():
            present = ", ".join(found.candidates["candidate"].to_pylist()[:10]) or "no candidate"
            raise InputError(
                f"{', '.join(map(repr, sources))} holds no answer of candidate {change.candidate!r}, but of {present}; "
                "name its results, or an alias of it in the catalogue"
            )
    for uri in zoo:
        if uri not in sources:
            try:
                parts.append(_on_roster(collection.collect([uri]), roster))
            except ModelsatError as error:
                notes.append(
                    Remark.RESULTS_OUT_OF_REACH.of(
                        f"the results behind the champion are not within reach, so nothing is compared there: {error}"
                    )
                )
    results = merged(parts) if parts else nothing()
    return replace(results, notes=(*results.notes, *notes))


def nothing() -> Collection:
    """Return a collection without results."""
    return Collection(
        scores=contracts.SCORES.empty_table(),
        prompts=contracts.PROMPTS.empty_table(),
        candidates=contracts.CANDIDATES.empty_table(),
        rejects=contracts.REJECTS.empty_table(),
        sources=(),
        notes=(),
    )


def only(results: Collection, names: Sequence[str]) -> Collection:
    """Return the results of some candidates, with the prompts that they answered."""
    wanted = pa.array(sorted(set(names)), pa.string())
    scores = results.scores.filter(pc.is_in(results.scores["candidate"], value_set=wanted))
    prompts = results.prompts.filter(pc.is_in(results.prompts["prompt_id"], value_set=scores["prompt_id"].unique()))
    candidates = results.candidates.filter(pc.is_in(results.candidates["candidate"], value_set=wanted))
    return replace(results, scores=scores, prompts=prompts, candidates=candidates)


def merged(parts: Sequence[Collection]) -> Collection:
    """Put collections side by side; of a row or prompt that is in several the first one counts."""
    return Collection(
        scores=_first(parts, "scores", ("candidate", "prompt_id", "metric")),
        prompts=_first(parts, "prompts", ("prompt_id",)),
        candidates=_first(parts, "candidates", ("candidate",)),
        rejects=pa.concat_tables([part.rejects for part in parts]),
        sources=tuple(dict.fromkeys(uri for part in parts for uri in part.sources)),
        notes=tuple(note for part in parts for note in part.notes),
        licences=tuple(dict.fromkeys(line for part in parts for line in part.licences)),
    )


def _first(parts: Sequence[Collection], table: str, key: Sequence[str]) -> pa.Table:
    merged = pa.concat_tables([getattr(part, table) for part in parts])
    rows = merged.select(list(key)).append_column("row", pa.array(range(merged.num_rows), pa.int64()))
    kept = rows.group_by(list(key)).aggregate([("row", "min")])["row_min"].to_pylist()
    return merged.take(pa.array(sorted(kept), pa.int64()))


def _on_roster(results: Collection, roster: Roster) -> Collection:
    """Return the results of the candidates on a roster, under their canonical names."""
    canonical = roster.match(results.candidates)
    kept = only(results, list(canonical))
    tables = {}
    for field in ("scores", "candidates"):
        table = getattr(kept, field)
        names = pa.array([canonical[name] for name in table["candidate"].to_pylist()], pa.string())
        tables[field] = table.set_column(0, table.schema.field("candidate"), names)
    return replace(kept, **tables)
