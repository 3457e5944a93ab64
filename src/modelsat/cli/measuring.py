"""The verb that puts a team's own questions to its candidates."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelsat.cli import request_options
from modelsat.cli.machine import AsJson

if TYPE_CHECKING:
    from modelsat.onboarding.asking.judge import Agreement, JudgeModel


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(measure)


def measure(
    catalogue: Annotated[str, typer.Option(help="Catalogue of the candidates: names, endpoints, prices.")],
    questions: Annotated[
        str, typer.Option(help="Questions with right answers: JSON Lines, CSV or Parquet, or a folder of such files.")
    ],
    into: Annotated[Path, typer.Option(help="Folder to write; `modelsat run` and `modelsat collect` read it.")],
    candidate: Annotated[
        list[str] | None, typer.Option(help="Ask only this candidate; may be repeated. Default: all with an endpoint.")
    ] = None,
    first: Annotated[int | None, typer.Option("--first", min=1, help="Ask only the first K questions.")] = None,
    judge: Annotated[
        str, typer.Option(help="Candidate of the catalogue that scores questions with the scorer 'judge'.")
    ] = "",
    labels: Annotated[
        str, typer.Option(help="Answers that people judged (prompt, answer, reply, right); tests the judge on them.")
    ] = "",
    concurrency: Annotated[int, typer.Option(min=1, help="Maximum number of requests in flight.")] = 8,
    rate: Annotated[float | None, typer.Option(help="Maximum requests per second to a candidate.")] = None,
    budget_usd: Annotated[
        float | None, typer.Option(*request_options.BUDGET, help="Spend no more than this on all candidates, in USD.")
    ] = None,
    max_tokens: request_options.MaxTokens = 0,
    timeout: request_options.Timeout = 0.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print questions and estimated cost without calling a model.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put your own questions to all candidates and keep their scores.

    After a failure, run the same command again: it continues where it stopped.

    Example: modelsat measure --catalogue catalogue.yaml --questions questions.jsonl --into measured --dry-run

    Example: modelsat run measured
    """
    from modelsat.errors import InputError, ResourceError, ServiceError
    from modelsat.io.progress import TerminalProgress
    from modelsat.onboarding import asking, measuring
    from modelsat.onboarding.asking import own_questions
    from modelsat.reports import asked

    own = own_questions.read(questions)
    for note in own.notes:
        typer.echo(f"note: {note}", err=True)
    rows, broken = _candidates(catalogue, candidate or [], judge)
    settings = asking.AskingSettings(
        questions=first,
        concurrency=concurrency,
        rate=rate,
        budget_usd=budget_usd,
        timeout_seconds=timeout or None,
        max_tokens=max_tokens or None,
    )
    if labels and not judge:
        raise InputError("--labels tests a judge; name it with --judge")
    judging = _judge(catalogue, judge, settings, needs_key=not dry_run) if judge else None
    planned = measuring.plan(rows, own, into, settings, judging)
    for name, exam in planned.items():
        typer.echo(asked.announced(name, exam), err=True)
    if dry_run:
        if as_json:
            typer.echo(json.dumps({name: asdict(exam) for name, exam in planned.items()}))
        _require_whole(catalogue, broken)
        return
    agreed = _agreement(judging, labels) if judging is not None and labels else None
    done = measuring.measure(
        rows, own, into, settings, judging, lambda name: asking.shown_on(TerminalProgress(f"asking {name}"))
    )
    if as_json:
        told: dict[str, Any] = {one.candidate: one.report or {"fault": str(one.fault)} for one in done}
        typer.echo(json.dumps({"candidates": told} | ({"judge": asdict(agreed)} if agreed else {})))
    else:
        for one in done:
            typer.echo(
                asked.told(one.report) if one.report else f"{one.candidate} was not asked to the end: {one.fault}"
            )
        typer.echo(f"Results  {into}\nNext     modelsat run {into}")
    failed = [one for one in done if one.fault is not None]
    for one in failed:
        if isinstance(one.fault, ResourceError):
            raise one.fault
    if failed:
        names = ", ".join(one.candidate for one in failed)
        raise ServiceError(f"{len(failed)} of {len(done)} candidates were not asked to the end ({names}); run again")
    _require_whole(catalogue, broken)


def _candidates(catalogue: str, wanted: list[str], judge: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of those to be asked, and a sentence per row that cannot be used, which stops nobody else."""
    from modelsat.data import catalogue as catalogues
    from modelsat.errors import InputError

    if wanted:
        return [catalogues.row(catalogue, name) for name in dict.fromkeys(wanted)], []
    table, broken = catalogues.usable(catalogue)
    rows = table.to_pylist()
    usable = [row for row in rows if row.get("endpoint") and row["candidate"] != judge]
    if not usable:
        raise InputError(broken[0] if broken else f"no candidate of {catalogue!r} has an endpoint; add one to its row")
    for fault in broken:
        typer.echo(f"{fault}; the row is left out", err=True)
    for row in rows:
        if not row.get("endpoint"):
            typer.echo(f"{row['candidate']} has no endpoint in the catalogue and is left out", err=True)
    return usable, broken


def _require_whole(catalogue: str, broken: list[str]) -> None:
    from modelsat.errors import InputError

    if broken:
        rows = "1 row or file" if len(broken) == 1 else f"{len(broken)} rows or files"
        raise InputError(
            f"{rows} of catalogue {catalogue!r} cannot be used; correct what is named above, and run again"
        )


def _judge(catalogue: str, name: str, settings: Any, needs_key: bool) -> "JudgeModel":
    """Return the judge; without its key where it will not be asked."""
    from modelsat.data import catalogue as catalogues
    from modelsat.onboarding.asking import AskingSettings, exam
    from modelsat.onboarding.asking.bill import Prices
    from modelsat.onboarding.asking.judge import JudgeModel

    row = catalogues.row(catalogue, name)
    if not needs_key:
        row["api_key_env"] = None
    own = AskingSettings(concurrency=settings.concurrency, rate=settings.rate).for_candidate(row)
    return JudgeModel(name, exam.endpoint_of(row, own), own, Prices(row.get("price_in"), row.get("price_out")))


def _agreement(judge: "JudgeModel", labels: str) -> "Agreement":
    import asyncio

    from modelsat.onboarding.asking import own_questions
    from modelsat.onboarding.asking.judge import agreement

    found = asyncio.run(agreement(judge, own_questions.read_labels(labels)))
    typer.echo(
        f"judge {judge.name} agrees with people on {found.share:.0%} of {found.labels} labelled answers "
        f"[{found.low:.0%}, {found.high:.0%}], kappa {found.kappa:.2f}",
        err=True,
    )
    return found
