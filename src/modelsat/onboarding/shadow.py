"""The shadow evaluation: what the changed bundle would choose where the champion chooses, and what that is worth.

Where outcomes on held-out prompts are known, both choices are scored. Where only the newcomer's answers to the aptitude
test are, the gain is the lead that both bundles expect of their choices, corrected by what the newcomer kept of such a
lead over the champion's choice on questions whose answer the bundle did not know: one that knows all answers but a few
is asked about these. Both are compared on the same questions, as those of a test are harder than others.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from modelsat.bundle import admission
from modelsat.bundle.bundle import Bundle
from modelsat.data import score_matrix, splits
from modelsat.data.collection import Collection
from modelsat.errors import InputError
from modelsat.evaluation import arena
from modelsat.evaluation.gate import GateRules
from modelsat.evaluation.verdict import GateOutcome, GateVerdict
from modelsat.onboarding import hidden_answers, side_by_side, yardsticks
from modelsat.onboarding.change import Action, Change
from modelsat.onboarding.hidden_answers import HiddenAnswers
from modelsat.onboarding.yardsticks import Yardsticks
from modelsat.statistics import Interval, bootstrap_means, interval, lower_bound

PROMPTS = 256
"""Prompts that both bundles are shown, at most."""
_LIKE = 20
_EVEN = 1e-6
_COMPARED = 8
_TOLERANCE = 0.005


@dataclass(frozen=True)
class Shadow:
    """What came of it.

    Attributes:
        prompts: How many prompts both bundles chose on.
        where: What prompts they are.
        before: Share of the prompts by candidate that the champion chooses, in [0, 1].
        after: The same for the changed bundle.
        gain: Accuracy after the change minus before, with its 95 % interval; None where nothing is known of it.
        loss_bound: Accuracy that is lost at most with one-sided confidence, at least 0; None like the gain.
        scored: On how many prompts the gain rests.
        basis: What it rests on.
        choices: Per prompt its id and both choices.
        yardsticks: The changed router beside the obvious; None where no candidate came, or nothing is known of it.
        default: What the default of the changed bundle comes to, where that is not what the champion's does.
    """

    prompts: int
    where: str
    before: dict[str, float]
    after: dict[str, float]
    gain: Interval | None
    loss_bound: float | None
    scored: int
    basis: str
    choices: pa.Table
    yardsticks: Yardsticks | None = None
    default: str = ""

    def share(self, candidate: str) -> float:
        """Return the share of the prompts that the change brings or takes from a candidate, in [0, 1]."""
        return abs(self.after.get(candidate, 0.0) - self.before.get(candidate, 0.0))


def compare(old: Bundle, new: Bundle, results: Collection, change: Change, rules: GateRules = GateRules()) -> Shadow:
    """Show both bundles the same prompts.

    Args:
        old: The champion's.
        new: The changed one.
        results: As of `evidence.gather`; those on held-out prompts decide where there are any.
        change: What was changed.
        rules: Confidence of the bound, and the fewest prompts that decide.

    Raises:
        InputError: The change moved probabilities of candidates that it does not concern.
    """
    wide = old if change.action is Action.REMOVE else new
    ids, texts, truth, where = _prompts(wide, old, results, change.candidate)
    probability = wide.success_probability(texts)
    _unmoved(old, new, texts, wide.assured(probability), wide)
    before, after = (side_by_side.choose(one, texts, probability, wide) for one in (old, new))
    adds = change.action is Action.ADD
    gains = _known_gains(truth, before, after, wide, change.candidate)
    outcomes: np.ndarray | None = truth
    basis = "outcomes on held-out prompts"
    if gains is None or len(gains) < rules.min_prompts:
        gains, basis = None, "nothing: no outcome is known"
        if adds:
            hidden = hidden_answers.read(old, results, change.candidate)
            gains, basis = _expected(hidden, wide.assured(probability), before, after), "its answers to the test"
            outcomes = None
    measured = None if gains is None or not len(gains) else _measured(gains, rules)
    level = new.lineage.get(admission.PUBLISHED, {}).get(change.candidate)
    if measured is None and adds and level is not None:
        measured, basis = _foretold(probability, before, after, float(level[1]) ** 0.5), "its published scores alone"
    names = np.asarray(wide.names, dtype=object)
    return Shadow(
        prompts=len(texts),
        where=where,
        before=_shares(names[before]),
        # A newcomer that gets nothing is shown with nothing.
        after=({change.candidate: 0.0} if adds else {}) | _shares(names[after]),
        gain=None if measured is None else measured[0],
        loss_bound=None if measured is None else measured[1],
        scored=0 if gains is None else len(gains),
        basis=basis,
        choices=pa.table({"prompt_id": ids, "before": names[before], "after": names[after]}),
        yardsticks=_beside_the_obvious(old, new, outcomes, probability, before, after) if adds else None,
        default=_default(old, new),
    )


def judge(shadow: Shadow, change: Change, max_loss: float) -> GateVerdict:
    """Say whether the changed bundle becomes champion.

    A newcomer has to be no worse than `max_loss` with the confidence of the bound; an order to remove a candidate or to
    take over its price is carried out, and what it costs is said.

    Args:
        shadow: What the shadow evaluation found.
        change: What was changed.
        max_loss: Accuracy that may be lost at most, in [0, 1].
    """
    share = f"{100 * shadow.share(change.candidate):.0f} % of {shadow.prompts} {shadow.where}"
    worth = "what that is worth is not known"
    if shadow.gain is not None and shadow.loss_bound is not None:
        points = 100 * shadow.gain.value, 100 * shadow.gain.low, 100 * shadow.gain.high
        worth = f"{points[0]:+.1f} points ({points[1]:+.1f} to {points[2]:+.1f}), at most "
        worth += f"{100 * shadow.loss_bound:.1f} points are lost, by {shadow.basis} ({shadow.scored})"
    outcome = GateOutcome.PROMOTED
    if change.action is Action.ADD:
        reason = f"{change.candidate} would get {share}: {worth}"
        if shadow.share(change.candidate) and (shadow.loss_bound is None or shadow.loss_bound > max_loss):
            outcome = GateOutcome.KEPT
            reason += f"; more than {100 * max_loss:.1f} points might be lost, so ask it more questions or allow more"
    elif change.action is Action.REMOVE:
        reason = f"{change.candidate} gives up {share}: {worth}"
    else:
        reason = (
            f"{change.candidate} has new prices, and its expected cost follows them; "
            "choices that ignore cost stay the same"
        )
    if shadow.default:
        reason += f"; {shadow.default}"
    told = yardsticks.warning(shadow.yardsticks, change.candidate, shadow.share(change.candidate))
    gain = shadow.gain or Interval(0.0, 0.0, 0.0)
    return GateVerdict(outcome, reason, "the champion", gain, None, shadow.scored, told)


def _default(old: Bundle, new: Bundle) -> str:
    """Return what became of the default, "" where it is what it was."""
    if new.promise == old.promise:
        return ""
    if new.promise is None:
        return "the default promises nothing any more: the most probable candidate answers by default"
    sentence = new.promise.sentence().removesuffix(".")
    return sentence[0].lower() + sentence[1:]


def _prompts(
    wide: Bundle, old: Bundle, results: Collection, candidate: str
) -> tuple[list[str], list[str], np.ndarray, str]:
    """Return ids, texts and outcomes (n, candidates) of held-out prompts; without any, of aptitude questions."""
    held_out = np.flatnonzero(splits.assign(results.prompts["stem_digest"].to_pylist()) == splits.TEST)
    ids = results.prompts["prompt_id"].to_pylist()
    truth = score_matrix.matrix(results.scores, [ids[i] for i in held_out], wide.names)
    if candidate in wide.names and len(held_out):
        own = ~np.isnan(truth[:, wide.names.index(candidate)])
        if own.any():
            held_out, truth = held_out[own], truth[own]
    if len(held_out):
        taken = _sample(len(held_out))
        rows = held_out[taken]
        return [ids[i] for i in rows], arena.texts_of(results, rows), truth[taken], "held-out prompts"
    test = old.aptitude_test.take(pa.array(_sample(old.aptitude_test.num_rows)))
    if not test.num_rows:
        raise InputError("there is no prompt to compare the bundles on; name results behind the champion")
    nowhere = np.full((test.num_rows, len(wide.names)), np.nan)
    return test["prompt_id"].to_pylist(), test["text"].to_pylist(), nowhere, "aptitude questions"


def _sample(n: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(n)[:PROMPTS])


def _unmoved(old: Bundle, new: Bundle, texts: list[str], assured: np.ndarray, wide: Bundle) -> None:
    """Score a few prompts with the other bundle: whoever is not concerned must keep its probabilities."""
    narrow = new if wide is old else old
    few = narrow.assured(narrow.success_probability(texts[:_COMPARED]))
    # The median: a newcomer may take somebody's place on a short list, and then that one's probability moves.
    moved = float(np.median(np.abs(few - assured[:_COMPARED][:, side_by_side.columns(narrow, wide)])))
    if not moved <= _TOLERANCE:
        raise InputError(f"the change moves probabilities of other candidates by {moved:.3f}; retrain the router")


def _shares(chosen: np.ndarray) -> dict[str, float]:
    names, counts = np.unique(chosen.astype(str), return_counts=True)
    return {str(name): float(count) / len(chosen) for name, count in zip(names, counts, strict=True)}


def _known_gains(
    truth: np.ndarray, before: np.ndarray, after: np.ndarray, wide: Bundle, candidate: str
) -> np.ndarray | None:
    """Return the score after minus before on every prompt where the candidate's outcome and both choices' are known."""
    if candidate not in wide.names:
        return None
    rows = np.arange(len(truth))
    first, second = truth[rows, before], truth[rows, after]
    same = before == after
    usable = ~np.isnan(truth[:, wide.names.index(candidate)]) & (same | ~(np.isnan(first) | np.isnan(second)))
    return np.where(same, 0.0, second - first)[usable].astype(np.float64)


def _beside_the_obvious(
    old: Bundle, new: Bundle, truth: np.ndarray | None, probability: np.ndarray, before: np.ndarray, after: np.ndarray
) -> Yardsticks | None:
    best = old.best_single
    if best is None:
        return None
    places = new.names.index(best), len(new.names) - 1
    if truth is not None:
        return yardsticks.measure(truth, before, after, *places, new.names)
    return yardsticks.measure(probability, before, after, *places, new.names, float(new.router.doubt[-1]))


def _expected(hidden: HiddenAnswers, assured: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """Return what is expected to be gained, once per answer that corrects the expectation; None without such answers.

    Args:
        hidden: The newcomer's answers, each as a bundle sees it that does not know it.
        assured: What choices of the changed bundle count on at the prompts (n, candidates), the newcomer last.
        before: Which column the champion chooses, (n,).
        after: The same of the changed bundle.
    """
    promised, kept, alike = hidden.promised, hidden.kept, hidden.alike
    moved = before != after
    if not moved.any() or not len(promised):
        return np.zeros(len(promised)) if len(promised) else None
    rows = np.arange(len(before))
    leads = assured[rows, after] - assured[rows, before]
    least = float(np.quantile(leads[moved], 0.1))
    # Where a newcomer is chosen, it leads: whether it keeps such promises is what counts.
    enough = float(np.sort(alike)[-min(_LIKE, len(alike))])
    like = alike >= min(least, enough) - _EVEN
    return np.asarray(leads.mean() + moved.mean() * (kept - promised)[like], dtype=np.float64)


def _foretold(
    probability: np.ndarray, before: np.ndarray, after: np.ndarray, deviation: float
) -> tuple[Interval, float]:
    """Return gain and loss bound of a newcomer of whom nothing but a level is foretold, with its standard deviation."""
    rows = np.arange(len(before))
    gain = float((probability[rows, after] - probability[rows, before]).mean())
    spread = float((before != after).mean()) * deviation
    return Interval(gain, gain - 1.96 * spread, gain + 1.96 * spread), max(0.0, 1.645 * spread - gain)


def _measured(gains: np.ndarray, rules: GateRules) -> tuple[Interval, float]:
    resampled = bootstrap_means(gains[:, None])[:, 0]
    return interval(float(gains.mean()), resampled), max(0.0, -lower_bound(resampled, rules.confidence))
