"""An attack on feedback: by how many points clients that collude push a weak candidate, with protection and without.

    python benchmarks/feedback_attack.py

200 simulated clients say of 40 answers each whether they were good. A share of them wants `target` to look better:

blunt     asks for `target` alone and praises every answer
careful   votes honestly on the others, and on `target` praises 40 points more often than it deserves
flood     the same with ten times as many votes

Prompts differ in difficulty, and honest clients in kindness (5 points on average and 5 points apart), which the router
does not know. A shift is the mean of `target` minus the same with honest votes instead of the attackers'; 20 draws. The
table goes to `benchmarks/results/feedback_attack.json`.
"""

from pathlib import Path

import markdown
import numpy as np

from modelsat.feedback.protection import CandidateFeedback, protect
from modelsat.feedback.votes import Votes
from modelsat.io.atomic import write_json

INTO = Path(__file__).parent / "results" / "feedback_attack.json"
LEVELS = {"alpha": 0.75, "beta": 0.70, "gamma": 0.65, "target": 0.45}
CLIENTS, ANSWERS, FLOOD = 200, 40, 10
KINDS, SHARES, DRAWS = ("blunt", "careful", "flood"), (0.01, 0.05, 0.20), 20
PUSH = 0.4


def main() -> None:
    rows = [row(kind, share) for kind in KINDS for share in SHARES]
    write_json(INTO, {"clients": CLIENTS, "answers": ANSWERS, "draws": DRAWS, "levels": LEVELS, "rows": rows})
    print(table(rows))


def row(kind: str, share: float) -> dict:
    """Return the shifts of one attack, in points, over all draws."""
    open_shifts, shifts, quarantined = [], [], 0
    for seed in range(DRAWS):
        honest, attacked = outcome(draw(kind, 0.0, seed)), outcome(draw(kind, share, seed))
        open_shifts.append(100 * (attacked.mean - honest.mean))
        quarantined += attacked.quarantined
        # What is quarantined is not learned and moves nothing.
        shifts.append(0.0 if attacked.quarantined else 100 * (attacked.learned_mean - honest.learned_mean))
    return {
        "kind": kind,
        "share": share,
        "open": _rounded(np.mean(open_shifts)),
        "protected": _rounded(np.mean(shifts)),
        "worst": _rounded(np.max(np.abs(shifts))),
        "quarantined": quarantined,
    }


def _rounded(shift: float) -> float:
    # Nothing is -0.0.
    return round(float(shift), 1) + 0.0


def table(rows: list[dict]) -> str:
    """Return the rows as Markdown."""
    heads = ["attack", "clients", "without protection", "with protection", "worst draw", "draws quarantined"]
    cells = [
        [
            one["kind"],
            f"{100 * one['share']:.0f} %",
            f"{one['open']:+.1f}",
            f"{one['protected']:+.1f}",
            f"{one['worst']:.1f}",
            f"{one['quarantined']} of {DRAWS}",
        ]
        for one in rows
    ]
    return markdown.table(heads, cells)


def outcome(votes: Votes) -> CandidateFeedback:
    """Return where `target` stands after protection."""
    return next(one for one in protect(votes).standings if one.candidate == "target")


def draw(kind: str, share: float, seed: int) -> Votes:
    """Return the votes of all clients, of which a share attacks; the others vote the same whatever that share is."""
    rng = np.random.default_rng(seed)
    each = ANSWERS * FLOOD
    n = CLIENTS * each
    client = np.repeat(np.arange(CLIENTS), each)
    attacks = client < round(share * CLIENTS)
    target = len(LEVELS) - 1
    candidate = rng.integers(0, len(LEVELS), n)
    if kind == "blunt":
        candidate = np.where(attacks, target, candidate)
    level = np.asarray(list(LEVELS.values()))[candidate]
    expected = 1 / (1 + np.exp(-(np.log(level / (1 - level)) + rng.normal(0, 1, n))))
    kindness = rng.normal(0.05, 0.05, CLIENTS)[client]
    luck = rng.random(n)
    pushed = np.ones(n) if kind == "blunt" else expected + PUSH
    lies = attacks & (candidate == target)
    scores = (luck < np.where(lies, pushed, expected + kindness)).astype(float)
    counted = np.tile(np.arange(each) < ANSWERS, CLIENTS) | (attacks & (kind == "flood"))
    rows = np.flatnonzero(counted)
    names = np.asarray(list(LEVELS), dtype=object)
    return Votes(
        ids=np.asarray([f"{i}" for i in rows], dtype=object),
        candidates=names[candidate[rows]],
        givers=np.asarray([f"client-{i}" for i in client[rows]], dtype=object),
        prompts=np.asarray([f"{i}" for i in rows], dtype=object),
        scores=scores[rows],
        expected=expected[rows],
        known=np.full(len(rows), np.nan),
        has_text=np.ones(len(rows), dtype=bool),
    )


if __name__ == "__main__":
    main()
