"""Limits how much feedback is learned from, so that no client can shift a candidate beyond the limits below.

1. Votes of clients that are not trusted (`modelsat.feedback.believed`) are left out.
2. At most `most_per_client` votes of a client count per candidate, and a candidate needs at least `most_per_client` /
   `most_share` prompts. Each prompt counts once, by the mean of its votes. A client can therefore shift the mean of a
   candidate by `most_share` at most: of P prompts it affects no more than `most_share` P.
3. A candidate whose feedback departs from the router's expectation is quarantined: reported, not learned from.

Only the chosen candidate of a prompt is observed. The others are missing, never 0.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from modelsat.feedback import believed
from modelsat.feedback.votes import OPERATOR, Votes, by_prompt, rows_by
from modelsat.statistics import Interval, bootstrap_means, interval
from modelsat.text.rendering import digest

JUDGED, NO_TEXT, BEYOND_SHARE, TOO_FEW, QUARANTINED = (
    "the operator judged the answer",
    "the prompt's text was not kept (--feedback-text keeps it)",
    "the client has its share already",
    "the candidate has too few prompts",
    "the candidate is quarantined",
)
_RESAMPLES = 1000


@dataclass(frozen=True)
class ProtectionLimits:
    """The limits.

    Attributes:
        most_per_client: Votes of one client on one candidate that count, at least 1.
        most_share: By how much one client may move a candidate's mean, in (0, 1].
        most_departure: Distance from what the router expected that needs no explanation, in [0, 1]; by the study
            `docs/studies/the-level-of-a-new-model.md` a candidate known by 250 answers is expected wrong by about as
            much.
        clients: Limits for one client.
    """

    most_per_client: int = 10
    most_share: float = 0.05
    most_departure: float = 0.02
    clients: believed.BeliefLimits = field(default_factory=believed.BeliefLimits)

    @property
    def least_prompts(self) -> int:
        """Return how many prompts of a candidate are needed."""
        return int(np.ceil(self.most_per_client / self.most_share - 1e-9))


@dataclass(frozen=True)
class CandidateFeedback:
    """Summary of the feedback on one candidate.

    Attributes:
        candidate: Its name.
        votes: Number of votes.
        clients: Number of clients that gave them.
        mean: Over prompts, all votes counted, in [0, 1].
        learned: Number of prompts that are learned from.
        learned_mean: Mean over those; NaN without any.
        departure: Votes minus what the router expected, minus the median of that over candidates; None where nothing is
            left to say it by.
        quarantined: Whether that is too much.
    """

    candidate: str
    votes: int
    clients: int
    mean: float
    learned: int
    learned_mean: float
    departure: Interval | None
    quarantined: bool


@dataclass(frozen=True)
class Protected:
    """Votes judged.

    Attributes:
        reasons: Why a vote is left out, "" where it is learned from, (n,).
        standings: Of every candidate, by name.
    """

    reasons: np.ndarray
    standings: tuple[CandidateFeedback, ...]


def protect(votes: Votes, limits: ProtectionLimits = ProtectionLimits(), accepted: Collection[str] = ()) -> Protected:
    """Decide for every vote whether it is learned from.

    Args:
        votes: All votes.
        limits: The limits.
        accepted: Candidates that a person has looked at; they are not quarantined.
    """
    reasons = np.full(len(votes.ids), "", dtype=object)
    doubtful = believed.not_believed(votes, limits.clients)
    for giver, reason in doubtful.items():
        reasons[votes.givers == giver] = reason
    reasons[votes.by_clients & ~np.isnan(votes.known) & (reasons == "")] = JUDGED
    reasons[~votes.has_text & (reasons == "")] = NO_TEXT
    reasons[_beyond_share(votes, reasons == "", limits.most_per_client)] = BEYOND_SHARE
    names = sorted(set(votes.candidates.tolist()))
    for name in names:
        own = (votes.candidates == name) & (reasons == "")
        if len(by_prompt(votes, own, name)) < limits.least_prompts:
            reasons[own & votes.by_clients] = TOO_FEW
    departures = _departures(votes, (reasons == "") & votes.by_clients)
    quarantined = {
        name
        for name, found in departures.items()
        if name not in accepted and (found.low > limits.most_departure or found.high < -limits.most_departure)
    }
    for name in quarantined:
        reasons[(votes.candidates == name) & (reasons == "") & votes.by_clients] = QUARANTINED
    return Protected(
        reasons, tuple(_standing(votes, reasons, name, departures.get(name), name in quarantined) for name in names)
    )


def _beyond_share(votes: Votes, counted: np.ndarray, most: int) -> np.ndarray:
    """Return the votes beyond a client's share on a candidate; the client cannot influence which ones these are."""
    over = np.zeros(len(votes.ids), dtype=bool)
    counts: dict[tuple[str, str], int] = {}
    rows = np.flatnonzero(counted & votes.by_clients)
    for row in sorted(rows, key=lambda i: digest(str(votes.ids[i]))):
        key = (votes.givers[row], votes.candidates[row])
        counts[key] = counts.get(key, 0) + 1
        over[row] = counts[key] > most
    return over


def _departures(votes: Votes, counted: np.ndarray) -> dict[str, Interval]:
    """Return by candidate how its votes exceed the router's expectation, beyond what is usual.

    The bootstrap resamples clients, not votes, because votes of one client are correlated. Users may rate all
    candidates more generously than benchmarks do, so the median over candidates is subtracted; with one candidate
    nothing is.
    """
    excess = votes.scores - votes.expected
    values, resampled = {}, {}
    for name, rows in rows_by(votes.candidates, counted).items():
        _, place = np.unique(votes.givers[rows].astype(str), return_inverse=True)
        sums = np.bincount(place, weights=excess[rows])
        totals = np.column_stack([sums, np.bincount(place)])
        means = bootstrap_means(totals, _RESAMPLES)
        values[name], resampled[name] = float(excess[rows].mean()), means[:, 0] / means[:, 1]
    usual = float(np.median(list(values.values()))) if len(values) > 1 else 0.0
    return {name: interval(value - usual, resampled[name] - usual) for name, value in values.items()}


def _standing(
    votes: Votes, reasons: np.ndarray, name: str, departure: Interval | None, quarantined: bool
) -> CandidateFeedback:
    own = votes.candidates == name
    everything, learned = by_prompt(votes, own, name), by_prompt(votes, own & (reasons == ""), name)
    return CandidateFeedback(
        candidate=name,
        votes=int(own.sum()),
        clients=len(set(votes.givers[own].tolist()) - {OPERATOR}),
        mean=float(np.mean(list(everything.values()))),
        learned=len(learned),
        learned_mean=float(np.mean(list(learned.values()))) if learned else float("nan"),
        departure=departure,
        quarantined=quarantined,
    )
