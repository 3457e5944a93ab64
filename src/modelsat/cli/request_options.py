"""Options that several verbs share: what may be spent, and how a candidate's endpoint wants to be asked."""

import json
from typing import Annotated, Any

import typer

BUDGET = ("--budget-usd", "--budget")
"""Names of the option for dollars on every verb that has one; the first is shown."""

MaxTokens = Annotated[
    int,
    typer.Option(
        min=0,
        help="Maximum length of an answer with its thoughts, in tokens; default: the catalogue row's, else 1,024, "
        "or 16,384 for reasoning models.",
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        min=0,
        help="Timeout of one request, in seconds; default: the catalogue row's, else 120, or 600 for reasoning models.",
    ),
]
Body = Annotated[
    str,
    typer.Option(
        help='Request fields to add or override, as a JSON object; null removes a field: {"temperature": null}.'
    ),
]
ReasoningEffort = Annotated[str, typer.Option(help="Field reasoning_effort of the request, such as low.")]


def fields(body: str) -> dict[str, Any]:
    """Return the fields that `--body` holds.

    Raises:
        InputError: It is no JSON object.
    """
    from modelsat.errors import InputError

    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise InputError(f"--body {body!r} is not valid JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise InputError(f"--body {body!r} is not a JSON object; write fields and values in braces")
    return parsed
