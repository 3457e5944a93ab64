"""The proof: learn from the earlier requests of a log, judge on the later ones, and say what follows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from modelsat.errors import InputError
from modelsat.offpolicy import evidence, judging, lines, policies
from modelsat.offpolicy.evidence import Dependence, Design
from modelsat.offpolicy.policies import Answered, Learned, Policy
from modelsat.offpolicy.requests import RequestLog
from modelsat.offpolicy.verdict import Line, recommended
from modelsat.policy.promise import MARGIN

LEARN_SHARE = 0.5
LEAST_EARLIER, LEAST_LATER = 30, 10
"""Rated requests that a model needs in each part to be one that policies choose from."""
MOST = 20_000


@dataclass(frozen=True)
class ProofSettings:
    """How a log is judged.

    Attributes:
        learn_share: Share of the requests, the earlier ones, that policies learn from, in (0, 1).
        randomised: Whether models were chosen by chance, whatever the prompt, with their shares as probabilities.
        margin: Value that may be lost for lower cost, in [0, 1].
        most: Requests that are read, the latest ones.
    """

    learn_share: float = LEARN_SHARE
    randomised: bool = False
    margin: float = MARGIN
    most: int = MOST


@dataclass(frozen=True)
class Span:
    """A part of the log.

    Attributes:
        requests: How many requests with an outcome.
        first: Time of the first, in seconds since 1970; NaN where unknown.
        last: Of the last.
    """

    requests: int
    first: float
    last: float

    @property
    def days(self) -> str:
        """Return from which day to which, or an empty text."""
        if np.isnan(self.first) or np.isnan(self.last):
            return ""
        first, last = (datetime.fromtimestamp(at, UTC).date().isoformat() for at in (self.first, self.last))
        return first if first == last else f"{first} to {last}"


@dataclass(frozen=True)
class Proof:
    """What a log proves.

    Attributes:
        design: By what the later requests are judged.
        models: That policies choose from.
        earlier: The part that was learned from.
        later: The part that judges.
        judged: How many later requests count: those left to chance, or sharing a prompt.
        incumbent: The line of what was.
        lines: Of the policies, the simplest first.
        recommended: Name of the policy to use; None where the incumbent stays.
        margin: As of `ProofSettings`.
        dependence: How far the logged choice follows the prompt.
        on_time: How far it follows the time.
        unrated: Requests without an outcome, which count nowhere.
        policies: The fitted policies, in the order of `lines`.
        learned: What they learned.
        remarks: What to know before one believes it.
    """

    design: Design
    models: tuple[str, ...]
    earlier: Span
    later: Span
    judged: int
    incumbent: Line
    lines: tuple[Line, ...]
    recommended: str | None
    margin: float
    dependence: Dependence
    on_time: Dependence
    unrated: int
    policies: tuple[Policy, ...]
    learned: Learned
    remarks: tuple[str, ...]

    def line(self, name: str) -> Line:
        """Return a policy's line."""
        return next(line for line in self.lines if line.name == name)


def prove(
    log: RequestLog,
    encode: Callable[[list[str]], np.ndarray],
    settings: ProofSettings = ProofSettings(),
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Proof:
    """Judge policies on a log.

    Args:
        log: Requests; those without an outcome count nowhere.
        encode: Returns unit vectors of prompts, (prompts, layers, width), as `embeddings.vectors` does.
        settings: How.
        progress: Called with what is done, how many are done, and how many there are.

    Raises:
        InputError: Too few requests have an outcome, or hardly two models can be compared.
    """
    rated = log.take(log.is_rated).in_order()
    remarks = []
    if len(rated) > settings.most:
        remarks.append(f"the latest {settings.most:,} of {len(rated):,} rated requests are read (--most)")
        rated = rated.take(np.arange(len(rated) - settings.most, len(rated)))
    if np.isnan(rated.at).any():
        remarks.append("requests without a time stand last, in the order of their rows; what is earlier may be wrong")
    cut = round(settings.learn_share * len(rated))
    rows = np.arange(len(rated))
    models = _models(rated.take(rows[:cut]), rated.take(rows[cut:]), int((~log.is_rated).sum()))
    texts, place = np.unique(rated.prompt.astype(str), return_inverse=True)
    vectors = encode(texts.tolist())[place]
    column = rated.named(models)
    dependence = evidence.dependence_on_prompts(vectors[:, -1], column)
    on_time = evidence.dependence_on_time(column)
    if settings.randomised:
        if dependence.is_certain:
            raise InputError(
                "the log was said to be randomised, but its choices follow the prompts: similar prompts have the same "
                f"model {100 * dependence.agreement:.0f} % of the time, by chance it would be "
                f"{100 * dependence.expected:.0f} %; log the probability of each choice, or leave --randomised out"
            )
        if on_time.is_certain:
            remarks.append(
                "shares of the models changed over time, so what changed with the time may look like a model"
            )
        rated = evidence.with_shares(rated)
    question = evidence.by_prompt(rated.prompt)
    earlier, later = rated.take(rows[:cut]), rated.take(rows[cut:])
    mine = column[:cut] >= 0
    known = Answered(
        vectors[:cut][mine],
        earlier.prompt[mine],
        column[:cut][mine],
        earlier.outcome[mine],
        earlier.cost_usd[mine],
        question[:cut][mine],
        len(models),
    )
    settled = policies.settle(
        known,
        judging.of(earlier.take(mine), known.model, known.question, len(models)),
        lambda done, in_all: progress("settling policies", done, in_all),
    )
    learned = policies.learn(known)
    progress("judging policies", 0, 1)
    judge = judging.of(later, column[cut:], question[cut:], len(models))
    judge = judge.knowing(learned.expected(vectors[cut:]), learned.cost(vectors[cut:], later.prompt))
    chosen = [policies.choices(policy, learned, vectors[cut:], later.prompt) for policy in settled]
    incumbent, found = lines.of(judge, later, models, [one.name for one in settled], chosen)
    progress("judging policies", 1, 1)
    best = recommended(found, settings.margin)
    return Proof(
        judge.design,
        models,
        _span(earlier),
        _span(later),
        int(judge.judges.sum()),
        incumbent,
        found,
        best.name if best else None,
        settings.margin,
        dependence,
        on_time,
        int((~log.is_rated).sum()),
        settled,
        learned,
        tuple(remarks),
    )


def _models(earlier: RequestLog, later: RequestLog, unrated: int) -> tuple[str, ...]:
    """Return the models that policies choose from.

    Args:
        earlier: The part that is learned from.
        later: The part that judges.
        unrated: Requests in neither, as they have no outcome.

    Raises:
        InputError: There are fewer than two.
    """
    counts = [
        dict(zip(*np.unique(part.model.astype(str), return_counts=True), strict=True)) for part in (earlier, later)
    ]
    models = tuple(
        sorted(
            str(name)
            for name, count in counts[0].items()
            if count >= LEAST_EARLIER and counts[1].get(name, 0) >= LEAST_LATER
        )
    )
    if len(models) < 2:
        timeless = int(np.isnan(earlier.at).sum() + np.isnan(later.at).sum())
        remedy = "so collect more outcomes"
        if timeless:
            remedy = (
                f"and {timeless:,} requests have no time, so that the order of the rows decides what is earlier: add "
                "the times (column at), or collect more outcomes"
            )
        elif unrated:
            remedy = f"and {unrated:,} requests without an outcome do not count, so collect more outcomes"
        raise InputError(
            f"{'only one model has' if models else 'no model has'} {LEAST_EARLIER} rated requests or more in the "
            f"earlier part and {LEAST_LATER} in the later one ({len(earlier):,} and {len(later):,} requests); two are "
            f"needed, {remedy}"
        )
    return models


def _span(part: RequestLog) -> Span:
    known = part.at[~np.isnan(part.at)]
    return Span(len(part), *((float(known.min()), float(known.max())) if len(known) else (np.nan, np.nan)))
