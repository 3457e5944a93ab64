"""A file of prompts routed as one batch, for `modelsat route --prompts`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelsat.errors import InputError
from modelsat.routers.router import FOREIGN
from modelsat.text.prompts import rendered, require_characters

if TYPE_CHECKING:
    from modelsat.bundle.ranking import Ranking


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
    except (ValueError, RecursionError) as error:
        raise InputError(
            f'{where} is not valid JSON ({error}); write one prompt a line, as "..." with quotes'
        ) from error
    text = rendered(found, where)
    if not text.strip():
        raise InputError(f"{where} contains an empty prompt; write its text or remove the line")
    require_characters(text, where)
    return text


def records(ranking: "Ranking") -> Iterator[str]:
    """Yield the choice for each prompt as a line of JSON."""
    for i, model in enumerate(ranking.model):
        cost = float(ranking.expected_cost_usd[i, 0])
        yield json.dumps(
            {
                "model": model,
                "success_probability": float(ranking.success_probability[i, 0]),
                "expected_cost_usd": None if cost != cost else cost,
                "foreign": float(ranking.foreign[i]),
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
    foreign = int((ranking.foreign >= FOREIGN).sum())
    if foreign:
        yield f"\n{foreign:,} of {len(ranking.model):,} prompts are unlike the training prompts."


def _line(name: str, rows: list[int], ranking: "Ranking", width: int) -> str:
    cost = float(ranking.expected_cost_usd[rows, 0].sum())
    success = float(ranking.success_probability[rows, 0].mean())
    return f"{name:<{width}}  {len(rows):>7,}  {success:>7.3f}  {'–' if cost != cost else f'{cost:.6f}':>9}"
