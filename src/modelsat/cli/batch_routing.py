"""A file of prompts routed as one batch, for `modelsat route --prompts`."""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelsat.errors import InputError
from modelsat.io.progress import StepProgress
from modelsat.text.rendering import render_prompt

if TYPE_CHECKING:
    from modelsat.bundle.bundle import Bundle
    from modelsat.bundle.ranking import Ranking
    from modelsat.routers.router import Prediction

BLOCK = 256


def prompts(file: Path) -> list[str]:
    """Read prompts as routers see them.

    Args:
        file: JSON Lines, each a string or an object with `prompt` and optionally `choices`, as protocol v1 has them.

    Raises:
        InputError: The file cannot be read, or a line is something else.
    """
    try:
        # Not splitlines: a prompt may hold what Unicode takes for the end of a line. Windows puts a mark at the start.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"prompts {str(file)!r} cannot be read ({error}); name a file of JSON Lines") from error
    found = [_prompt(line, f"line {i} of {str(file)!r}") for i, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise InputError(f"prompts {str(file)!r} contains no prompt; write at least one line")
    return found


def _prompt(line: str, where: str) -> str:
    try:
        found: Any = json.loads(line)
    except ValueError as error:
        raise InputError(
            f'{where} is not valid JSON ({error}); write one prompt a line, as "..." with quotes'
        ) from error
    fields = {"prompt": found} if isinstance(found, str) else found
    if not isinstance(fields, dict) or not isinstance(fields.get("prompt"), str):
        raise InputError(f'{where} is neither a string nor an object with a string "prompt"')
    choices = fields.get("choices")
    if choices is not None and not (isinstance(choices, list) and all(isinstance(choice, str) for choice in choices)):
        raise InputError(f'"choices" in {where} is not a list of strings')
    text = render_prompt(fields["prompt"], choices)
    if not text.strip():
        raise InputError(f"{where} contains an empty prompt; write its text or remove the line")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"{where} contains half a surrogate pair; write whole Unicode characters")
    return text


def reading(router: "Bundle", texts: list[str], tell: Callable[[str], None]) -> "Prediction":
    """Return a router's predictions for prompts, a block at a time, and report progress where that takes long."""
    import numpy as np

    from modelsat.routers.router import Prediction

    progress, parts = StepProgress("reading prompts", tell), []
    for start in range(0, len(texts), BLOCK):
        parts.append(router.reading(texts[start : start + BLOCK]))
        if start + BLOCK < len(texts):
            progress(start + BLOCK, len(texts))
    return Prediction(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Prediction)))


def records(ranking: "Ranking") -> Iterator[str]:
    """Yield the choice for each prompt as a line of JSON."""
    for i, model in enumerate(ranking.model):
        cost = float(ranking.expected_cost_usd[i, 0])
        yield json.dumps(
            {
                "model": model,
                "success_probability": float(ranking.success_probability[i, 0]),
                "expected_cost_usd": None if cost != cost else cost,
            }
        )


def table(ranking: "Ranking") -> Iterator[str]:
    """Yield the lines of a table: prompts per model, and the expected success and cost."""
    width = max(map(len, {"model", "all", *ranking.model}))
    yield f"{'model':<{width}}  prompts  success        USD"
    counted = [(ranking.model.count(name), name) for name in set(ranking.model)]
    for _, name in sorted(counted, key=lambda pair: (-pair[0], pair[1])):
        yield _line(name, [i for i, model in enumerate(ranking.model) if model == name], ranking, width)
    yield _line("all", list(range(len(ranking.model))), ranking, width)


def _line(name: str, rows: list[int], ranking: "Ranking", width: int) -> str:
    cost = float(ranking.expected_cost_usd[rows, 0].sum())
    success = float(ranking.success_probability[rows, 0].mean())
    return f"{name:<{width}}  {len(rows):>7,}  {success:>7.3f}  {'–' if cost != cost else f'{cost:.6f}':>9}"
