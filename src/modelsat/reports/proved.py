"""The page of a proof on a team's own requests: the sentence, the policies, how they were judged, what to run."""

from collections.abc import Sequence
from pathlib import Path

from modelsat import __version__
from modelsat.offpolicy import printed
from modelsat.offpolicy.evidence import Design
from modelsat.offpolicy.policies import KNN, NEIGHBOURS, SINGLE
from modelsat.offpolicy.proof import Proof
from modelsat.offpolicy.readers import Gathered
from modelsat.offpolicy.verdict import Finding, finding
from modelsat.reports import figures, page
from modelsat.reports.page import Section, TableRow

_DESIGNS = {
    Design.RANDOMISED: "The log has the probability of each choice, so a policy is judged on the requests whose model "
    "was left to chance: where it chooses what was chosen then, the outcome counts by the inverse of that probability. "
    "The estimate is doubly robust: expected outcomes, learned from the earlier requests, stand in where it chooses "
    "otherwise, and the weighted outcomes correct them.",
    Design.SHARED: "The log has no probabilities, but some prompts were answered by several models. A policy is judged "
    "on those prompts alone, by the answer of the model that it chooses. That is right where which prompts were put to "
    "several models has nothing to do with how they went: retries after a bad answer would flatter the second model.",
    Design.NONE: "No choice was left to chance with a known probability, and hardly a prompt was answered by several "
    "models. What another model would have made of a request cannot be told from what this one made of it: whoever "
    "chose the model knew something of the prompt.",
}
_SHOWN = 50
_TONES = {
    Finding.BETTER_AND_CHEAPER: "good",
    Finding.BETTER: "good",
    Finding.CHEAPER: "good",
    Finding.BETTER_FOR_MORE: "warn",
    Finding.WORSE: "bad",
}


def write(proof: Proof, path: Path | str, read: Gathered, commands: Sequence[str], sources: Sequence[str]) -> None:
    """Write the page.

    Args:
        proof: What was found.
        path: Where to.
        read: What the readers left out and noted.
        commands: That put the recommended policy to work; none where nothing is recommended.
        sources: That were read.
    """
    sections = [
        _table(proof),
        _gains(proof),
        _work(proof, commands),
        _method(proof),
        _checks(proof),
        _models(proof),
        _remarks(proof, read),
        _left_out(read),
    ]
    tone = "" if proof.recommended is None else _TONES[finding(proof.line(proof.recommended), proof.margin)]
    footer = f"modelsat {__version__}; {', '.join(sources)}; bootstrap seed 0"
    page.write(path, "Proved on your own requests", printed.sentence(proof), [s for s in sections if s], tone, footer)


def _table(proof: Proof) -> Section:
    rows = []
    for line in printed.all_lines(proof):
        found = "" if line is proof.incumbent else finding(line, proof.margin)
        tone = "strong" if line.name == proof.recommended else ""
        rows.append(TableRow(printed.cells(line, found), tone))
    later, earlier = (f"{part.requests:,} requests {part.days}".rstrip() for part in (proof.later, proof.earlier))
    return Section(
        "What each policy would have done",
        f"Learned from {earlier}; judged on {proof.judged:,} of {later}. “As it was” is what the models that "
        "answered then came to on the same requests.",
        heads=printed.HEADS,
        rows=rows,
        numeric=frozenset(range(1, 7)),
        note="Value is the mean outcome. Intervals are 95 % and hold for all policies at once (bootstrap over prompts, "
        "2,000 resamples). A policy is recommended where it is surely better, or surely cheaper at a loss of at most "
        f"{100 * proof.margin:.1f} points.",
    )


def _gains(proof: Proof) -> Section | None:
    rows = [
        (one.name, 100 * one.gain.value, 100 * one.gain.low, 100 * one.gain.high)
        for one in proof.lines
        if one.gain is not None
    ]
    if not rows:
        return None
    figure = figures.gains(rows, "gain over what was, in points, with joint 95 % intervals")
    return Section("Gain in value", figure=figure)


def _work(proof: Proof, commands: Sequence[str]) -> Section:
    if not commands:
        return Section("What to do", printed.ways_to_tell(proof))
    return Section(
        "Put it to work",
        "The router that was judged lies in the folder as a bundle. Serve it, put the gateway in front of your models, "
        "and prove again on what it logs:",
        pre="\n".join(commands),
        note="A twentieth of new conversations is left to chance, so that the next proof can judge other choices too. "
        "The gateway asks for a secret of its log, MODELSAT_FEEDBACK_KEY, of 32 characters or more.",
    )


def _method(proof: Proof) -> Section:
    settled = []
    for policy in proof.policies:
        if policy.name == SINGLE:
            settled.append(TableRow((policy.name, f"always {proof.models[policy.column]}")))
        elif policy.name == KNN:
            near = NEIGHBOURS * len(proof.models)
            settled.append(
                TableRow(
                    (
                        policy.name,
                        f"mean outcome over {near} similar prompts, less {policy.cost_weight:.3f} of relative cost",
                    )
                )
            )
        else:
            settled.append(
                TableRow(
                    (
                        policy.name,
                        f"fusion, fitted to {proof.earlier.requests:,} answers; cost weight {policy.cost_weight:.3f}",
                    )
                )
            )
    follows = proof.dependence
    chance = "beyond chance" if follows.is_certain else "as chance would have it"
    return Section(
        "How it was judged",
        _DESIGNS[proof.design],
        heads=("policy", "settled on the earlier requests, by the same estimator"),
        rows=settled,
        note=f"Of the ten most similar prompts, the same model answered {100 * follows.agreement:.1f} %; by chance it "
        f"would be {100 * follows.expected:.1f} % ({follows.deviations:+.1f} standard errors: {chance}). Of settings, "
        "the cheapest within one standard error of the best is taken. Models with too few rated requests in either "
        "part are no choice.",
    )


def _checks(proof: Proof) -> Section | None:
    names = list(dict.fromkeys(name for line in proof.lines for name in line.checks))
    rows = [
        TableRow(
            (
                line.name,
                *(f"{100 * line.checks[name]:.1f} %" if name in line.checks else "–" for name in names),
                f"{100 * line.matched:.0f} %",
                f"{line.mean_weight:.2f}",
                f"{line.effective:,.0f}",
                line.fault or "supported",
            )
        )
        for line in proof.lines
    ]
    return Section(
        "Can the log tell?",
        heads=("policy", *names, "same choice", "mean weight", "effective requests", "support"),
        rows=rows,
        numeric=frozenset(range(1, 4 + len(names))),
        note="Where estimates of one value lie far apart, believe none. A mean weight well below 1 says that some "
        "choices had no chance in the log. Fewer than 50 effective requests tell nothing.",
    )


def _models(proof: Proof) -> Section:
    lines = printed.all_lines(proof)
    rows = [TableRow((name, *(f"{100 * line.models.get(name, 0.0):.0f} %" for line in lines))) for name in proof.models]
    if any(line.seconds is not None for line in lines):
        seconds = ("–" if line.seconds is None else f"{line.seconds:.2f}" for line in lines)
        rows.append(TableRow(("seconds an answer, on average", *seconds), "strong"))
    return Section(
        "Who would have answered",
        heads=("model", *(line.name for line in lines)),
        rows=rows,
        numeric=frozenset(range(1, 1 + len(lines))),
    )


def _remarks(proof: Proof, read: Gathered) -> Section | None:
    notes = [*read.notes, *proof.remarks]
    if proof.unrated:
        notes.append(
            f"{proof.unrated:,} requests have no outcome and are not counted; those with one may differ from them"
        )
    if not notes:
        return None
    return Section("Before you believe it", heads=("remark",), rows=[TableRow((note,)) for note in notes])


def _left_out(read: Gathered) -> Section | None:
    if not read.rejects:
        return None
    rows = [TableRow((address, row, reason), "bad") for address, row, reason in read.rejects[:_SHOWN]]
    more = len(read.rejects) - _SHOWN
    return Section(
        "Rows left out",
        heads=("source", "row", "reason"),
        rows=rows,
        note=f"{more:,} more" if more > 0 else "",
    )
