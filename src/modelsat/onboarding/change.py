"""What is to change about a candidate, whether anything is left to do, and the bundle that comes of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import pyarrow as pa

from modelsat.bundle import admission, narrowing, settling
from modelsat.bundle.bundle import Bundle
from modelsat.data import contracts
from modelsat.data.aliases import Roster
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.io.near_names import near
from modelsat.text import rendering

ANSWERS_AT = "answers_at"
"""In the lineage: where a training finds the answers of the candidates that came since the last one, by candidate."""
_PRICES = ("price_in", "price_out")


class Action(StrEnum):
    """What may be done with a candidate."""

    ADD = "add"
    REMOVE = "remove"
    REPRICE = "reprice"


@dataclass(frozen=True)
class Change:
    """One change of the pool.

    Attributes:
        action: What is done.
        candidate: Its name: the champion's where it routes to the candidate, else the catalogue's.
        revision: Of the candidate; "" where it has none.
    """

    action: Action
    candidate: str
    revision: str = ""


def of(action: str, candidate: str, revision: str | None = None) -> Change:
    """Return the change that a user names.

    Raises:
        InputError: There is no such action.
    """
    if action not in list(Action):
        raise InputError(f"action {action!r} is none of {', '.join(Action)}; name one of them")
    return Change(Action(action), candidate, revision or "")


def left_to_do(bundle: Bundle, asked: Change, known: str | None, facts: Mapping[str, Any]) -> str:
    """Return why nothing is left to do, "" where something is.

    Args:
        bundle: The champion's.
        asked: The change as it was asked for.
        known: Name under which the champion routes to the candidate, None where it does not.
        facts: What the catalogue says of the candidate, a row of the contract `CANDIDATES`; empty where it is silent.

    Raises:
        InputError: The change cannot be made.
    """
    if asked.action is Action.ADD:
        return f"candidate {asked.candidate!r} is routed to already, as {known!r}" if known else ""
    if asked.action is Action.REMOVE:
        if known and len(bundle.names) == 1:
            raise InputError(f"{known!r} is the only candidate left; add another one before you remove it")
        last = bundle.lineage.get("onboarding", {})
        if known is None and (last.get("action"), last.get("candidate")) != (Action.REMOVE, asked.candidate):
            similar = near(asked.candidate, Roster.of(bundle.candidates).canonical)
            raise InputError(
                f"no candidate {asked.candidate!r} is routed to{similar}, so none can be removed; "
                f"the champion has {', '.join(bundle.names[:10])}{', ...' if len(bundle.names) > 10 else ''}"
            )
        return "" if known else f"candidate {asked.candidate!r} is removed already"
    if known is None:
        raise InputError(f"candidate {asked.candidate!r} is unknown to the champion; add it before you reprice it")
    if not facts:
        raise InputError(f"the catalogue says nothing of {asked.candidate!r}; name one with its new prices")
    row = bundle.candidates.to_pylist()[bundle.names.index(known)]
    same = all(row[field] == facts.get(field) for field in _PRICES)
    return f"the prices of {known!r} are those of the catalogue already" if same else ""


def apply(
    bundle: Bundle,
    change: Change,
    answers: Collection | None,
    facts: Mapping[str, Any],
    zoo: Collection | None = None,
    published: Mapping[str, Mapping[str, float]] | None = None,
) -> Bundle:
    """Make the change.

    Args:
        bundle: The champion's.
        change: What is to change, resolved.
        answers: The candidate's own, where it is added.
        facts: As of `left_to_do`, without what is missing.
        zoo: What candidates of the bundle scored on the same questions, where that is at hand.
        published: As of `admission.admit`.
    """
    if change.action is Action.ADD and answers is not None:
        changed = admission.admit(bundle, answers, zoo=zoo, published=published)
        known = bundle.lineage.get("sources", [])
        places = {change.candidate: [uri for uri in answers.sources if uri not in known]}
        changed = replace(
            changed,
            candidates=_with_facts(changed.candidates, change.candidate, {**facts, "candidate": change.candidate}),
            lineage=changed.lineage
            | {ANSWERS_AT: bundle.lineage.get(ANSWERS_AT, {}) | places}
            | _admitted(bundle, change),
        )
        # How much a cost weight weighs depends on the most expensive candidate, which may be the new one.
        changed = changed if changed.evidence is None else settling.settled(changed)
    elif change.action is Action.REMOVE:
        changed = narrowing.without(bundle, [change.candidate])
    else:
        changed = _repriced(bundle, change.candidate, {field: facts.get(field) for field in _PRICES})
    record = {
        **asdict(change),
        "parent": bundle.digest,
        "test": version(bundle),
        "answers": "" if answers is None else answers.digest(),
    }
    return replace(changed, lineage=changed.lineage | {"onboarding": record}, digest="")


def run_key(bundle: Bundle, change: Change, answers: Collection | None, facts: Mapping[str, Any]) -> str:
    """Return the key of the run: the same parent, candidate, revision, facts and answers have the same key."""
    parts = [bundle.digest, asdict(change), dict(facts), "" if answers is None else answers.digest()]
    return f"onboard-{rendering.digest(json.dumps(parts, sort_keys=True, default=str))[:16]}"


def _admitted(bundle: Bundle, change: Change) -> dict[str, Any]:
    """Return the candidates that training withheld, without the one that is judged now."""
    withheld = bundle.lineage.get("withheld")
    return {} if withheld is None else {"withheld": {k: v for k, v in withheld.items() if k != change.candidate}}


def _repriced(bundle: Bundle, name: str, prices: Mapping[str, Any]) -> Bundle:
    """Return the bundle with new prices of a candidate, without what was paid before, its default settled anew."""
    paid = {one: level for one, level in bundle.lineage.get("paid", {}).items() if one != name}
    repriced = replace(
        bundle,
        router=bundle.router.forgetting_cost(bundle.names.index(name)),
        candidates=_with_facts(bundle.candidates, name, prices),
        lineage=bundle.lineage | ({"paid": paid} if "paid" in bundle.lineage else {}),
        evidence=None if bundle.evidence is None else bundle.evidence.forgetting_cost(name),
    )
    return settling.settled(repriced)


def _with_facts(candidates: pa.Table, name: str, facts: Mapping[str, Any]) -> pa.Table:
    """Return the table with facts about one candidate in place of what it held."""
    rows = [row | facts if row["candidate"] == name else row for row in candidates.to_pylist()]
    return contracts.from_rows(rows, contracts.CANDIDATES)


def version(bundle: Bundle) -> str:
    """Return the version of a bundle's aptitude test, "" where it has none."""
    return str(bundle.aptitude_test["version"][0]) if bundle.aptitude_test.num_rows else ""
