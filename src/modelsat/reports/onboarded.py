"""The pages of an onboarding: were the answers sound, what is the card, who would answer what instead."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.compute as pc

from modelsat.aptitude.answer_checks import Finding
from modelsat.bundle.bundle import Bundle
from modelsat.evaluation.verdict import GateOutcome, GateVerdict
from modelsat.onboarding.change import Action, Change
from modelsat.onboarding.shadow import Shadow
from modelsat.onboarding.yardsticks import Yardsticks
from modelsat.reports import figures, page
from modelsat.reports.page import Section, TableRow
from modelsat.statistics import Interval

_SHOWN = 15
_CHAMPION = 1


def refusal(candidate: str, against: Sequence[Finding]) -> str:
    """Return what speaks against a candidate's answers in one sentence, "" where nothing does."""
    reasons = "; and ".join(finding.detail for finding in against)
    return f"the answers of {candidate!r} are refused: {reasons}" if against else ""


def write_checks(candidate: str, findings: Sequence[Finding], against: Sequence[Finding], path: Path) -> None:
    """Write the page of the answers' checks, refusals first."""
    refused = {id(finding) for finding in against}
    ordered = sorted(findings, key=lambda finding: (id(finding) not in refused, finding.holds))
    rows = [TableRow((_state(f, id(f) in refused), f.title, f.detail), _tone(f, id(f) in refused)) for f in ordered]
    sentence = refusal(candidate, against) or f"{len(findings)} checks of the answers of {candidate!r} passed."
    if not findings:
        rows, sentence = [], "No answers are needed for this change."
    section = Section("Checks of the answers", heads=("result", "expectation", "seen"), rows=rows)
    page.write(path, "Validated answers", sentence, [section], "bad" if against else "good")


def write_card(made: Bundle, change: Change, path: Path) -> None:
    """Write the candidate's card: accuracy per task of the aptitude test, best first."""
    cards = made.cards.filter(pc.equal(made.cards["candidate"], change.candidate)).to_pylist()
    cards.sort(key=lambda card: -card["shrunken_accuracy"])
    rows = [
        TableRow((card["task"], "–" if card["accuracy"] is None else page.percent(card["accuracy"], 0), card["n"],
             page.percent(card["shrunken_accuracy"], 0)))
        for card in cards
    ]  # fmt: skip
    answered = sum(card["n"] for card in cards)
    told = {
        Action.ADD: f"{change.candidate} has a card from {answered} answers to the aptitude test.",
        Action.REMOVE: f"{change.candidate} is left out; {len(made.names)} candidates remain.",
        Action.REPRICE: f"{change.candidate} has the prices of the catalogue.",
    }
    heads = ("task", "accuracy", "answers", "shrunken accuracy")
    section = Section("Card", heads=heads, rows=rows, numeric=frozenset({1, 2, 3}))
    page.write(path, f"Card of {change.candidate}", told[change.action], [section], footer=f"bundle {made.digest}")


def sentence(verdict: GateVerdict) -> str:
    """Return the verdict in one sentence."""
    become = "becomes champion" if verdict.outcome is GateOutcome.PROMOTED else "is not promoted"
    warning = f" Warning: {verdict.warning}." if verdict.warning else ""
    return f"The changed router {become}: {verdict.reason}.{warning}"


def write(shadow: Shadow, verdict: GateVerdict, change: Change, path: Path, footer: str) -> None:
    """Write the page of the shadow evaluation: the verdict, and shares of traffic before and after."""
    names = sorted({*shadow.before, *shadow.after}, key=lambda name: -shadow.after.get(name, 0.0))[:_SHOWN]
    if change.candidate not in names and change.candidate in {*shadow.before, *shadow.after}:
        names.append(change.candidate)
    groups = {
        "after the change": [shadow.after.get(name, 0.0) for name in names],
        "champion": [shadow.before.get(name, 0.0) for name in names],
    }
    figure = figures.bars(names, groups, "share in %")
    sections = [Section(f"Who answers {shadow.prompts} {shadow.where}", figure=figure)]
    if shadow.gain is not None and shadow.loss_bound is not None:
        gain = f"{page.points(shadow.gain.value)} ({page.points(shadow.gain.low)} to {page.points(shadow.gain.high)})"
        rows = [
            TableRow(("gain in points, with 95 % interval", gain)),
            TableRow(("points lost at most, with one-sided 95 % confidence", f"{100 * shadow.loss_bound:.1f}")),
            TableRow((f"rests on {shadow.basis}", f"{shadow.scored:,}")),
        ]
        sections.append(Section("What it is worth", heads=("", "value"), rows=rows, numeric=frozenset({1})))
    if shadow.yardsticks is not None:
        sections.append(_obvious(shadow.yardsticks))
    tone = "bad" if verdict.outcome is not GateOutcome.PROMOTED else "warn" if verdict.warning else "good"
    page.write(
        path, f"Shadow evaluation: {change.action} {change.candidate}", sentence(verdict), sections, tone, footer
    )


def _obvious(found: Yardsticks) -> Section:
    rows = []
    for i, one in enumerate(found.lines):
        gain = ("–", "–") if i == _CHAMPION else _with_interval(one.gain)
        rows.append(TableRow((one.name, page.percent(one.accuracy.value), *gain), "strong" if i == 0 else ""))
    return Section(
        "Beside the obvious",
        f"By outcomes on the {found.prompts:,} held-out prompts on which each of these can be judged."
        if found.observed
        else f"By what is expected of each on {found.prompts:,} prompts, since no outcome on held-out prompts is "
        "known; intervals include the uncertainty about the newcomer's level.",
        heads=("", "accuracy", "gain over the champion", "95 % interval"),
        rows=rows,
        numeric=frozenset({1, 2, 3}),
    )


def _with_interval(gain: Interval) -> tuple[str, str]:
    return page.points(gain.value), f"{page.points(gain.low)} to {page.points(gain.high)}"


def _state(finding: Finding, refused: bool) -> str:
    return "refused" if refused else "holds" if finding.holds else "trusted by hand"


def _tone(finding: Finding, refused: bool) -> str:
    return "bad" if refused else "good" if finding.holds else "warn"
