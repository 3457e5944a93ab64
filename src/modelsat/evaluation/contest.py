"""The contest: challenger, champion and reference lines on the same held-out prompts, and the gate's verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelsat.bundle import opening
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.champions import Champion
from modelsat.data import list_columns
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation import arena as arenas
from modelsat.evaluation import gate, scoring, served_pool, singles, table
from modelsat.evaluation import verdict as verdicts
from modelsat.evaluation.arena import Arena
from modelsat.evaluation.gate import GateRules, Settled
from modelsat.evaluation.scoring import BundleScores
from modelsat.evaluation.singles import Singles
from modelsat.evaluation.table import BEST_END, BEST_SINGLE, CHALLENGER, Evaluation
from modelsat.evaluation.verdict import GateOutcome, GateVerdict
from modelsat.policy.promise import Promise

CHAMPION = "champion"
_RESCORED = 8
_TOLERANCE = 0.005
_UNJUDGED = "best single, since the results judge too few of the champion's choices to compare with it,"


@dataclass(frozen=True)
class Contest:
    """What came of it.

    Attributes:
        verdict: The gate's.
        evaluation: The table.
        arena: Where it took place.
        predictions: Success probabilities by router.
        served: What challenger and champion answer each prompt with where they are served (`scoring.served`).
        withheld: Why candidates that the challenger was trained on are not served, by name.
        against_epoch: Epoch of the champion that was compared with, 0 for none.
        digest: Of the challenger's bundle.
        data_digest: Of the collection.
        foreign: How far each prompt is from the challenger's training prompts, in [0, 1], (n,); None where the
            challenger does not measure it.
        promise: What the challenger's default promises; None where it promises nothing.
        picture_promise: What it promises for requests with pictures; None where training prompts had none.
        singles: What can be had without reading prompts; None where too little is known.
        members: Who contributes what to the challenger, as its lineage has it; empty for a router without parts.
    """

    verdict: GateVerdict
    evaluation: Evaluation
    arena: Arena
    predictions: dict[str, np.ndarray]
    served: dict[str, list[str]]
    withheld: dict[str, str]
    against_epoch: int
    digest: str
    data_digest: str
    foreign: np.ndarray | None = None
    promise: Promise | None = None
    picture_promise: Promise | None = None
    singles: Singles | None = None
    members: Sequence[Mapping[str, Any]] = ()

    @property
    def promotes(self) -> bool:
        """Say whether a new champion is to be recorded: the challenger, or the constant router of do not route."""
        return self.verdict.outcome is not GateOutcome.KEPT

    def shares(self, router: str = CHALLENGER) -> dict[str, float]:
        """Return which share of the prompts each candidate that may be chosen gets, the largest first, 0 included."""
        return shares(self.arena, self.evaluation, router)

    def sentence(self) -> str:
        """Return the verdict in one sentence, and what it does not hold for in others."""
        return " ".join([verdicts.sentence(self.verdict), *self.notes])

    @property
    def notes(self) -> list[str]:
        """Say which candidates are withheld, which choices the results cannot judge, and what the default promises."""
        withheld = [f"{served_pool.told(self.withheld, len(self.shares()))}."] if self.withheld else []
        promised = [self.promise.sentence()] if self.promise and self.verdict.outcome is GateOutcome.PROMOTED else []
        pictures = self.picture_promise if promised else None
        promised += [f"Of requests with pictures: {pictures.sentence()}"] if pictures else []
        worthless = [self.singles.note()] if self.singles and self.singles.note() else []
        return [*withheld, *_unjudged(self.evaluation), *promised, *worthless]


def run(
    collection: Collection,
    challenger: Bundle,
    predictions: pa.Table,
    champion: Champion | None,
    rules: GateRules = GateRules(),
) -> Contest:
    """Judge a challenger.

    Args:
        collection: The validated results.
        challenger: Its bundle.
        predictions: Its held-out predictions, table of the contract `PREDICTIONS`; a sample of them is scored anew.
        champion: The champion's record; None before the first promotion.
        rules: Settings of the gate.

    Raises:
        InputError: The predictions are not those of the bundle.
    """
    arena = arenas.build(collection, served=challenger.names)
    told = _predictions(predictions, challenger, arena)
    _rescore(challenger, told[CHALLENGER], arena)
    opponent, against = BEST_SINGLE, "best single"
    cost = _expected_costs(predictions, arena, len(challenger.names))
    terms = {CHALLENGER: scoring.terms(challenger, arena, collection.candidates, cost)}
    columns, answers = _columns(challenger.names, arena), {}
    if (columns >= 0).all():
        answers[CHALLENGER] = scoring.served(challenger, arena.texts, told[CHALLENGER][:, columns], cost)
    if champion is not None:
        try:
            scored, against = _champion(champion, collection, arena), _UNJUDGED
        except InputError as error:
            scored, against = None, f"best single, since the champion cannot be loaded ({error}),"
        if scored is not None:
            told[CHAMPION], terms[CHAMPION], answers[CHAMPION] = scored
            opponent, against = CHAMPION, f"the champion of epoch {champion.epoch}"
    if challenger.promise is not None:
        told[BEST_END], terms[BEST_END] = told[CHALLENGER], terms[CHALLENGER].at_its_best
    evaluated = table.evaluate(arena, told, terms=terms)
    has_champion = opponent == CHAMPION or against == _UNJUDGED

    def judged(router: str) -> GateVerdict:
        mine, other = evaluated.correct[router], evaluated.correct[opponent]
        paid, spared = evaluated.cost.get(router), evaluated.cost.get(opponent)
        settled = _settled(challenger, rules) if (router, opponent) == (CHALLENGER, BEST_SINGLE) else None
        return gate.judge(mine, other, paid, spared, against, has_champion, rules, settled=settled)

    verdict = judged(CHALLENGER)
    if challenger.promise is not None and verdict.outcome is not GateOutcome.PROMOTED:
        # Its default may answer as the best single candidate does; the router is worth serving for those who ask more.
        best = judged(BEST_END)
        if best.outcome is GateOutcome.PROMOTED:
            # Whoever asks for nothing gets the default, so that must not be worse than what answers now.
            if gate.no_worse(evaluated.correct[CHALLENGER], evaluated.correct[opponent], rules):
                verdict = replace(best, reason=f"{best.reason}, with auto:best")
            else:
                verdict = replace(verdict, reason=f"{verdict.reason}; with auto:best alone it would be promoted")
    epoch = champion.epoch if champion else 0
    return Contest(
        verdict,
        evaluated,
        arena,
        told,
        answers,
        challenger.lineage.get("withheld", {}),
        epoch,
        challenger.digest,
        challenger.lineage["data_digest"],
        _foreign(predictions, arena),
        challenger.promise,
        challenger.defaults.pictures,
        singles.measure(arena, evaluated, tuple(name for name in (CHALLENGER, BEST_END) if name in told)),
        challenger.lineage.get("members", []),
    )


def _settled(challenger: Bundle, rules: GateRules) -> Settled | None:
    """Return what the challenger's default gained over the best single candidate where it was settled."""
    promise = challenger.promise
    if promise is None or promise.cost_weight is None or promise.confidence < rules.confidence:
        return None
    return Settled(promise.gain, promise.low, promise.prompts)


def shares(arena: Arena, evaluation: Evaluation, router: str) -> dict[str, float]:
    """Return which share of an arena's prompts each routable candidate gets from a router, the largest first."""
    chosen = np.bincount(evaluation.choices[router], minlength=len(arena.candidates)) / len(arena.truth)
    offered = arena.routable.any(axis=0) | (chosen > 0)
    order = [int(i) for i in np.argsort(-chosen, kind="stable") if offered[i]]
    return {arena.candidates[i]: float(chosen[i]) for i in order}


def _unjudged(evaluation: Evaluation) -> list[str]:
    """Say which share of the choices of challenger and champion cannot be judged."""
    return [
        f"{100 * evaluation.unjudged[name]:.1f} % of the choices of the {called} cannot be judged, since the candidate "
        "was not run on the prompt."
        for name, called in ((CHALLENGER, "challenger"), (CHAMPION, "champion"))
        if evaluation.unjudged.get(name)
    ]


def _predictions(predictions: pa.Table, challenger: Bundle, arena: Arena) -> dict[str, np.ndarray]:
    if set(predictions["bundle_digest"].to_pylist()) != {challenger.digest}:
        raise InputError("the predictions were made by another bundle than the challenger's; fine-tune again")
    position = {prompt_id: i for i, prompt_id in enumerate(arena.prompt_ids)}
    columns = _columns(challenger.names, arena)
    routers = np.asarray(predictions["router"].to_pylist())
    told = {}
    for name in dict.fromkeys(routers.tolist()):
        mine = predictions.filter(pa.array(routers == name))
        ids = np.asarray([position.get(prompt_id, -1) for prompt_id in mine["prompt_id"].to_pylist()])
        held = ids >= 0
        if held.sum() != len(position):
            raise InputError(
                f"router {name!r} predicted {held.sum()} of {len(position)} held-out prompts; fine-tune again"
            )
        values = list_columns.matrix(mine["success_probability"], len(challenger.names))
        out = np.zeros(arena.truth.shape, dtype=np.float32)
        out[np.ix_(ids[held], columns[columns >= 0])] = values[held][:, columns >= 0]
        told[str(name)] = out
    return told


def _foreign(predictions: pa.Table, arena: Arena) -> np.ndarray | None:
    """Return how foreign each prompt of the arena is to the challenger, (n,)."""
    mine = predictions.filter(pc.equal(predictions["router"], CHALLENGER))
    known = dict(zip(mine["prompt_id"].to_pylist(), mine["foreign"].to_pylist(), strict=True))
    foreign = [known[prompt_id] for prompt_id in arena.prompt_ids]
    return None if None in foreign else np.asarray(foreign, dtype=np.float32)


def _expected_costs(predictions: pa.Table, arena: Arena, width: int) -> np.ndarray | None:
    """Return what the challenger expects answers of its candidates to cost, (n, width); None without a cost head."""
    mine = predictions.filter(pc.equal(predictions["router"], CHALLENGER))
    if mine["expected_cost_usd"].null_count:
        return None
    place = {prompt_id: row for row, prompt_id in enumerate(mine["prompt_id"].to_pylist())}
    return list_columns.matrix(mine["expected_cost_usd"], width)[[place[one] for one in arena.prompt_ids]]


def _columns(names: tuple[str, ...], arena: Arena) -> np.ndarray:
    place = {name: i for i, name in enumerate(arena.candidates)}
    return np.asarray([place.get(name, -1) for name in names])


def _rescore(challenger: Bundle, told: np.ndarray, arena: Arena) -> None:
    """Score a few prompts with the bundle itself: what is judged must be what will be served."""
    rows = np.random.default_rng(0).choice(len(arena.texts), min(_RESCORED, len(arena.texts)), replace=False)
    again = challenger.success_probability([arena.texts[i] for i in rows])
    columns = _columns(challenger.names, arena)
    known = columns >= 0
    # Batches of other lengths sum in another order, which moves probabilities in the last digits.
    difference = float(np.abs(again[:, known] - told[np.ix_(rows, columns[known])]).mean())
    if not difference <= _TOLERANCE:
        raise InputError(
            f"the challenger scores held-out prompts {difference:.3f} away from its predictions; fine-tune again"
        )


def _champion(champion: Champion, collection: Collection, arena: Arena) -> BundleScores | None:
    """Score the arena with the champion as it is served; None where too few of its choices can be judged to compare."""
    with opening.opened_champion(champion) as loaded:
        scored = scoring.as_served(loaded, arena, collection.candidates)
    judged = ~np.isnan(table.scores(arena, table.chosen(arena, scored.probabilities, scored.terms), scored.terms))
    return scored if judged.sum() >= min(GateRules().min_prompts, len(judged)) else None
