"""The order behind one onboarding: the change, what the catalogue says, and the champion that it starts from.

Every step is given the same order, so that all of them speak of the same champion whoever is promoted meanwhile.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from modelsat.aptitude import published
from modelsat.bundle import champions, opening
from modelsat.data import catalogue, contracts
from modelsat.data.aliases import Roster
from modelsat.io.atomic import write_text
from modelsat.onboarding import change as changes
from modelsat.onboarding.change import Change


@dataclass(frozen=True)
class Order:
    """What every step needs to know.

    Attributes:
        change: What is to change, with the candidate's canonical name: the champion's, else the catalogue's.
        facts: What the catalogue says of the candidate, a row of the contract `CANDIDATES` without what is missing.
        epoch: Of the champion.
        bundle_uri: Its bundle.
        bundle_digest: What has to be found there.
        model: Its registered name and version.
        test: Version of its aptitude test.
        done: Why nothing is left to do; "" where something is.
        published: Published scores in [0, 1] by candidate, the champion's and this one, and by benchmark.
    """

    change: Change
    facts: dict[str, Any]
    epoch: int
    bundle_uri: str
    bundle_digest: str
    model: str
    test: str = ""
    done: str = ""
    published: dict[str, dict[str, float]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the order as JSON."""
        write_text(path, json.dumps(asdict(self), indent=2, default=str))

    def sentence(self) -> str:
        """Say what is left to do, or why nothing is."""
        what = f"{self.change.action} {self.change.candidate} at the champion of epoch {self.epoch}"
        return self.done or what


def read(path: Path) -> Order:
    """Read what `Order.write` wrote."""
    told = json.loads(path.read_text(encoding="utf-8"))
    facts = told["facts"]
    if "released_at" in facts:
        facts["released_at"] = date.fromisoformat(facts["released_at"])
    return Order(**told | {"change": changes.of(**told["change"]), "facts": facts})


def place(candidate: str, action: str, catalogue_uri: str, champion_store: str) -> Order:
    """Look at catalogue and champion, and say what is left to do.

    Args:
        candidate: Name of the candidate, or an alias of it in the catalogue.
        action: add, remove or reprice.
        catalogue_uri: Catalogue of candidates; "" for none.
        champion_store: Champion records.

    Raises:
        InputError: There is no champion, no such candidate, or the change cannot be made.
    """
    facts: dict[str, Any] = {}
    listed = contracts.CANDIDATES.empty_table()
    if catalogue_uri:
        row, listed = catalogue.row_beside(catalogue_uri, candidate)
        candidate = str(row["candidate"])
        facts = {field: value for field, value in row.items() if value is not None}
    asked = changes.of(action, candidate, facts.get("revision"))
    champion = champions.required(champion_store)
    with opening.opened_champion(champion, with_router=False) as parent:
        roster = Roster.of(parent.candidates)
        known = roster.resolve(candidate, facts.get("aliases"))
        told, name_of = published.of_rows(listed.to_pylist()), roster.match(listed) | {candidate: known or candidate}
        return Order(
            change=replace(asked, candidate=known or candidate),
            facts=facts,
            epoch=champion.epoch,
            bundle_uri=champion.bundle_uri,
            bundle_digest=champion.bundle_digest,
            model=champion.model,
            test=changes.version(parent),
            done=changes.left_to_do(parent, asked, known, facts),
            published={name_of[name]: scores for name, scores in told.items() if scores and name in name_of},
        )
