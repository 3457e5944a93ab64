"""RouterArena's files: the queries of its data set, and the predictions and the configuration that a submission holds.

RouterArena (arXiv 2510.00202) knows a query by its global index and compares the prompt of a prediction with its own
letter by letter. Answers, costs and scores are filled in by its own tools, which call the models.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelsat.errors import InputError
from modelsat.text.prompts import require_characters

_INDEX = "global index"
_PROMPTS = ("prompt_formatted", "prompt")
_CLASS = "ModelsatRouter"
_SAVE = "save the data set with RouterArena's own scripts/process_datasets/prep_datasets.py"


@dataclass(frozen=True)
class ArenaQuery:
    """A query: its global index, and its prompt as RouterArena sends it."""

    index: str
    prompt: str


def read(file: Path) -> list[ArenaQuery]:
    """Read `router_data.json`, `router_data_10.json` or `router_robustness.json`.

    Raises:
        InputError: The file cannot be read, is another one, or names a query twice.
    """
    try:
        rows = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{str(file)!r} cannot be read as JSON ({error}); {_SAVE}") from error
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{str(file)!r} is no list of queries; {_SAVE}")
    found = [_query(row, f"query {i} of {str(file)!r}") for i, row in enumerate(rows, start=1)]
    seen: set[str] = set()
    for one in found:
        if one.index in seen:
            raise InputError(f"{str(file)!r} has the global index {one.index!r} twice; {_SAVE}")
        seen.add(one.index)
    return found


def _query(row: object, where: str) -> ArenaQuery:
    fields = row if isinstance(row, dict) else {}
    index = fields.get(_INDEX)
    prompt = next((fields[name] for name in _PROMPTS if fields.get(name)), None)
    if not isinstance(index, str) or not index:
        raise InputError(f"{where} has no {_INDEX!r}; {_SAVE}")
    if not isinstance(prompt, str) or not prompt.strip():
        raise InputError(f"{where} has no {' and no '.join(map(repr, _PROMPTS))}; {_SAVE}")
    require_characters(prompt, where)
    return ArenaQuery(index, prompt)


def predictions(queries: Sequence[ArenaQuery], models: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entries of a prediction file, one per query in their order.

    Args:
        queries: Of the data set.
        models: The chosen candidate of each.
    """
    return [
        {
            _INDEX: query.index,
            "prompt": query.prompt,
            "prediction": model,
            "generated_result": None,
            "cost": None,
            "accuracy": None,
        }
        for query, model in zip(queries, models, strict=True)
    ]


def configuration(name: str, candidates: Sequence[str]) -> dict[str, Any]:
    """Return the configuration file of a submission: its name and the models that it may choose."""
    return {"pipeline_params": {"router_name": name, "router_cls_name": _CLASS, "models": list(candidates)}}
