"""The lines of a back-test: each policy against what was, on the same requests, with intervals."""

from collections.abc import Sequence

import numpy as np

from modelsat.offpolicy import estimators
from modelsat.offpolicy.judging import Judge, Judged
from modelsat.offpolicy.requests import RequestLog
from modelsat.offpolicy.verdict import Line
from modelsat.statistics import RESAMPLES, Interval

INCUMBENT = "as it was"


def of(
    judge: Judge, later: RequestLog, models: Sequence[str], names: Sequence[str], chosen: Sequence[np.ndarray]
) -> tuple[Line, tuple[Line, ...]]:
    """Return the incumbent's line and the policies', with intervals that hold for all policies at once.

    Args:
        judge: Of the later requests.
        later: These, n.
        models: That policies choose from.
        names: Of the policies.
        chosen: What each policy chooses, (n,) each.
    """
    was = judge.incumbent()
    if not judge.judges.any():
        was = Judged(later.outcome, later.cost_usd, 1.0, float(len(later)), 1.0, "", {})
    judged = [judge.judged(one) for one in chosen]
    columns: dict[tuple[int, str], int] = {}
    values: list[np.ndarray] = []
    for i, one in enumerate(judged):
        if not one.is_told:
            continue
        for name, new, old in (("value", one.value, was.value), ("cost", one.cost, was.cost)):
            both = ~np.isnan(new) & ~np.isnan(old)
            if both.any():
                columns[i, name] = len(values)
                sign = 1.0 if name == "value" else -1.0
                values += [np.where(both, sign * (new - old), np.nan), np.where(both, new, np.nan)]
    for name, old in (("value", was.value), ("cost", was.cost)):
        if (~np.isnan(old)).any():
            columns[-1, name] = len(values)
            values += [np.where(np.isnan(old), np.nan, 0.0), old]
    table = np.column_stack(values)
    means = np.nanmean(table, axis=0)
    resampled = estimators.resampled_means(table, judge.question, RESAMPLES)
    low, high = estimators.joint_intervals(means, resampled, against=np.arange(0, len(means), 2))

    def interval(i: int, name: str, level: bool) -> Interval | None:
        at = columns.get((i, name))
        if at is None:
            return None
        return Interval(float(means[at + level]), float(low[at + level]), float(high[at + level]))

    def line(i: int, name: str, one: Judged, shares: np.ndarray) -> Line:
        order = [j for j in np.argsort(-shares, kind="stable") if shares[j] > 0]
        return Line(
            name,
            interval(i, "value", True),
            interval(i, "value", False),
            interval(i, "cost", True),
            interval(i, "cost", False),
            one.matched,
            one.effective,
            one.mean_weight,
            one.fault,
            one.checks,
            {models[j]: float(shares[j]) for j in order},
            one.seconds if one.is_told and not np.isnan(one.seconds) else None,
        )

    counted = judge.judges if judge.judges.any() else np.ones(len(later), dtype=bool)
    shares = [np.bincount(one[counted], minlength=len(models)) / counted.sum() for one in chosen]
    mine = judge.logged[counted & (judge.logged >= 0)]
    own = np.bincount(mine, minlength=len(models)) / counted.sum()
    lines = [line(i, name, judged[i], shares[i]) for i, name in enumerate(names)]
    return line(-1, INCUMBENT, was, own), tuple(lines)
