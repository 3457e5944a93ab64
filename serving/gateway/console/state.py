"""What the state page says, from what the gateway counted and what the endpoint serves: words, tables, pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from modelsat.reports.page import Section, TableRow, percent
from serving.gateway.console import pictures
from serving.gateway.console.counted import CandidateCounts, Counted
from serving.gateway.console.served_router import ServedRouter

UNKNOWN = "–"
_BROKEN, _LEAST_RATED = 0.1, 200
"""As of the alert ModelsatPromiseBroken: realised so far below promised, over so many rated answers."""


@dataclass(frozen=True)
class Tile:
    """One number in large letters."""

    label: str
    value: str
    note: str
    tone: str = ""


def sentence(served: ServedRouter, counted: Counted, now: datetime) -> tuple[str, str]:
    """Return in a sentence or two what matters most, and its tone."""
    if served.fault:
        return f"It is not known which router is served: {served.fault}.", "bad"
    started = served.promotions[0].promoted_at if served.promotions else served.since
    since = "" if started is None else f", since {moment(started)} ({ago(started, now)})"
    words = [f"Router {served.version} is served{since}."]
    if counted.saved is not None:
        than = served.best_single or "the best single candidate"
        words.append(
            f"Answers cost {dollars(counted.paid_usd)} USD; {than} would have cost "
            f"{dollars(counted.best_single_usd)} USD for the same ones."
        )
    if is_broken(counted):
        return " ".join([*words, "Rated answers succeed clearly less often than promised."]), "warn"
    return " ".join(words), "good"


def is_broken(counted: Counted) -> bool:
    """Say whether rated answers succeed so much less often than promised that the alert on it would fire."""
    if counted.rated_promised is None or counted.realised is None or counted.rated < _LEAST_RATED:
        return False
    return counted.rated_promised - counted.realised > _BROKEN


def tiles(served: ServedRouter, counted: Counted) -> list[Tile]:
    """Return the numbers that stand on top."""
    saved = counted.saved
    rated = f"over {counted.rated:,} rated answers" if counted.rated else "no answer has been rated"
    both = UNKNOWN
    if counted.realised is not None and counted.rated_promised is not None:
        both = f"{percent(counted.rated_promised, 0)} → {percent(counted.realised, 0)}"
    return [
        Tile("Answers", f"{counted.answers:,}", f"{counted.fallbacks:,} of them fallbacks"),
        Tile(
            "Saved" if saved is None or saved >= 0 else "Spent more",
            UNKNOWN if saved is None else percent(abs(saved), 0),
            "against the best single candidate" if saved is not None else "no upstream reported usage",
        ),
        Tile("Promised → realised", both, rated, "warn" if is_broken(counted) else ""),
        Tile(
            "Drift of the traffic",
            UNKNOWN if served.distance is None else f"{served.distance:.2f}",
            "from the evaluated mix; 0 is none, 1 total" if served.distance is not None else "not known here",
        ),
    ]


def sections(
    served: ServedRouter, counted: Counted, out: Mapping[str, str], names: tuple[str, ...], now: datetime
) -> list[Section]:
    """Return the rest of the page.

    Args:
        served: By the endpoint.
        counted: By the gateway.
        out: Why an upstream is out, by candidate.
        names: Of all candidates with an upstream.
        now: In UTC.
    """
    return [
        _traffic(served, counted, out, names),
        _success(counted),
        _money(served, counted),
        _drift(served, counted),
        _promotions(served, now),
    ]


def _traffic(served: ServedRouter, counted: Counted, out: Mapping[str, str], names: tuple[str, ...]) -> Section:
    listed = [*counted.candidates, *sorted({*names, *served.expected_share} - counted.candidates.keys())]
    places = {name: i for i, name in enumerate(listed)}
    bars = []
    if counted.answers:
        here = {name: one.share for name, one in counted.candidates.items()}
        bars.append(("Answered here", pictures.shares("Share of answers here", here, places)))
    if served.expected_share:
        expected = {name: served.expected_share[name] for name in listed if name in served.expected_share}
        bars.append(("As evaluated", pictures.shares("Share as evaluated", expected, places)))
    rows = [
        TableRow(
            (
                pictures.swatch(places[name]) + f" {name}",
                f"{one.answers:,}",
                percent(one.share) if counted.answers else UNKNOWN,
                percent(served.expected_share[name]) if name in served.expected_share else UNKNOWN,
                UNKNOWN if one.promised is None else percent(one.promised, 0),
                f"out: {out[name]}" if name in out else "in use" if name in names else "no upstream",
            ),
            "warn" if name in out else "",
        )
        for name, one in ((name, counted.candidates.get(name, _NOTHING)) for name in listed)
    ]
    return Section(
        "Candidates and their share",
        figure=pictures.labelled(bars),
        heads=("Candidate", "Answers", "Share", "As evaluated", "Promised success", "Upstream"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4}),
        note="Promised success is the mean success probability of the answers that a candidate gave.",
    )


def _success(counted: Counted) -> Section:
    rated = {name: one for name, one in counted.candidates.items() if one.rated}
    rows = [
        TableRow(
            (
                name,
                pictures.bullet(one.rated_promised, one.realised),
                UNKNOWN if one.rated_promised is None else percent(one.rated_promised, 0),
                UNKNOWN if one.realised is None else percent(one.realised, 0),
                f"{one.rated:,}",
            )
        )
        for name, one in rated.items()
    ]
    told = "The bar is the success that clients reported, the mark what the router had promised for the same answers."
    return Section(
        "Promised and realised success",
        told
        if rows
        else "No answer has been rated. Clients send outcomes to `/v1/feedback` if the gateway has a feedback log.",
        heads=("Candidate", "Realised and promised", "Promised", "Realised", "Rated answers"),
        rows=rows,
        numeric=frozenset({2, 3, 4}),
        note="A few dozen rated answers say little: with 100, the realised success is known to within about ten points."
        if rows
        else "",
    )


def _money(served: ServedRouter, counted: Counted) -> Section:
    than = served.best_single or "the best single candidate"
    rows = []
    if counted.paid_usd is not None and counted.best_single_usd:
        most = max(counted.paid_usd, counted.best_single_usd)
        rows = [
            TableRow((what, pictures.length(usd / most, what, is_ours), dollars(usd)))
            for what, usd, is_ours in (
                ("The router's choice", counted.paid_usd, True),
                (than, counted.best_single_usd, False),
            )
        ]
    paid = {name: one.paid_usd for name, one in counted.candidates.items() if one.paid_usd is not None}
    by_candidate = ", ".join(f"{name} {dollars(usd)} USD" for name, usd in paid.items())
    text = "Not known here: no upstream reported usage, or the catalogue has no prices."
    return Section(
        "Dollars",
        "Over the answers whose price is known for both." if rows else text,
        heads=("Answered by", "Compared", "USD"),
        rows=rows,
        numeric=frozenset({2}),
        note=f"Paid in total, by candidate: {by_candidate}." if by_candidate else "",
    )


def _drift(served: ServedRouter, counted: Counted) -> Section:
    difference = UNKNOWN
    if counted.rated_promised is not None and counted.realised is not None:
        difference = f"{100 * (counted.realised - counted.rated_promised):+.1f} points"
    rows = [
        TableRow(
            ("Traffic: distance of recent choices from the evaluated mix", _number(served.distance), "0 none, 1 total")
        ),
        TableRow(
            (
                "Prompts: share unlike the training prompts",
                UNKNOWN if served.foreign is None else percent(served.foreign),
                f"{served.prompts:,} prompts at the endpoint",
            )
        ),
        TableRow(("Success: realised minus promised", difference, f"{counted.rated:,} rated answers")),
    ]
    return Section(
        "Drift",
        heads=("What", "Now", "Basis"),
        rows=rows,
        numeric=frozenset({1}),
        note="As these grow, the figures of the verdict page apply less. The dashboards show them over time.",
    )


def _promotions(served: ServedRouter, now: datetime) -> Section:
    if not served.promotions:
        return Section(
            "Promotions",
            "Not known here: the endpoint serves a bundle without champion records, is an older version, or does not "
            "answer. `modelsat champions` lists the records.",
        )
    rows = [
        TableRow(
            (str(one.epoch), one.model, one.verdict, f"{moment(one.promoted_at)} ({ago(one.promoted_at, now)})"),
            "strong" if one is served.promotions[0] else "",
        )
        for one in served.promotions
    ]
    return Section("Promotions", heads=("Epoch", "Model", "Verdict", "Promoted"), rows=rows)


def moment(at: datetime) -> str:
    """Return a time for people, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago something was, in its largest unit."""
    seconds = max(0, int((now - at).total_seconds()))
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def dollars(usd: float | None) -> str:
    """Return US dollars with as many digits as tell something; a dash where unknown."""
    if usd is None:
        return UNKNOWN
    return f"{usd:,.2f}" if usd >= 1 else f"{usd:.4f}"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"


_NOTHING = CandidateCounts(0, 0.0, None, 0, None, None, None)
