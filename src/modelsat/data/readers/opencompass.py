"""Reader of OpenCompass: `predictions/MODEL/DATASET.json` has what was asked, `results/MODEL/DATASET.json` the details.

The predictions hold no scores and the results' details no question that can be relied on, so both are needed; details
are written by runs with `--dump-eval-details`. Of a conversation with examples the last request is the question, and
what all prompts of a data set begin with is an instruction of the run.
"""

import json
import re
from collections import defaultdict
from pathlib import PurePosixPath
from typing import Any

from modelsat.data.readers.answer_sheet import AnswerSheet, Question
from modelsat.data.readers.file_heads import Head
from modelsat.data.readers.harvest import Harvest
from modelsat.io.storage import SourceFile

HARNESS = "opencompass"
_PART = re.compile(r"(.+)_(\d+)")
_RIGHT = ("correct", "is_correct", "score")
_HUMAN = ("HUMAN", "user")


def claims(head: Head) -> bool:
    """Say whether a file lies where OpenCompass writes predictions or results."""
    if not head.name.endswith(".json") or len(head.folders) < 2 or head.folders[-2] not in ("predictions", "results"):
        return False
    own = ("origin_prompt", "origin_prediction", '"details"', '"accuracy"', '"score"')
    return any(word in head.text for word in own)


def read(files: list[SourceFile]) -> Harvest:
    """Read the runs of one source."""
    sheet = AnswerSheet(HARNESS)
    predictions: dict[tuple[str, str], dict[str, SourceFile]] = defaultdict(dict)
    results: dict[tuple[str, str], dict[str, SourceFile]] = defaultdict(dict)
    for file in files:
        path = PurePosixPath(file.name)
        place = predictions if path.parts[-3] == "predictions" else results
        place[path.parents[2].as_posix(), path.parts[-2]][path.stem] = file
    for (above, model), named in results.items():
        for dataset, file in named.items():
            parts = _parts(predictions.get((above, model), {}), dataset)
            if not parts:
                reason = f"there is no predictions/{model}/{dataset}.json beside these results; copy the whole run"
                sheet.log.reject(file.uri, reason)
                continue
            try:
                _read_dataset(file, parts, model, dataset, sheet)
            except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
                kind = type(error).__name__
                sheet.log.reject(file.uri, f"the results are damaged ({kind}: {error}); copy the run again")
    for key, named in predictions.items():
        for dataset, file in named.items():
            match = _PART.fullmatch(dataset)
            if not {dataset, match[1] if match else dataset} & results.get(key, {}).keys():
                sheet.log.reject(
                    file.uri, f"predictions without results/{key[1]}/{dataset}.json; run the evaluation, too"
                )
    return sheet.harvest()


def _parts(named: dict[str, SourceFile], dataset: str) -> list[SourceFile]:
    if dataset in named:
        return [named[dataset]]
    found: list[SourceFile] = []
    while f"{dataset}_{len(found)}" in named:
        found.append(named[f"{dataset}_{len(found)}"])
    return found


def _read_dataset(file: SourceFile, parts: list[SourceFile], model: str, dataset: str, sheet: AnswerSheet) -> None:
    asked: list[dict[str, Any]] = []
    for part in parts:
        content = json.loads(part.path.read_text(encoding="utf-8"))
        asked += [content[key] for key in sorted(content, key=int)]
    details = json.loads(file.path.read_text(encoding="utf-8")).get("details")
    if isinstance(details, dict):
        details = [details[key] for key in sorted((key for key in details if key.isdigit()), key=int)]
    if not isinstance(details, list) or not details:
        sheet.log.reject(file.uri, "the results hold no score per question; run OpenCompass with --dump-eval-details")
        return
    if len(details) != len(asked):
        reason = (
            f"the results have {len(details)} details and the predictions {len(asked)} questions; copy the run again"
        )
        sheet.log.reject(file.uri, reason)
        return
    prompts = _questions([_request(one["origin_prompt"]) for one in asked])
    for row, (prompt, prediction, detail) in enumerate(zip(prompts, asked, details, strict=True), start=1):
        score = _score(detail)
        if score is None:
            sheet.log.reject(file.uri, f"the detail has none of {', '.join(_RIGHT)}", row, "details")
            continue
        gold = prediction.get("gold")
        question = Question(dataset, dataset, prompt, answer=gold if isinstance(gold, str) else None)
        sheet.add(file, row, model, question, score)


def _request(prompt: Any) -> str:
    if isinstance(prompt, str):
        return prompt
    return [str(turn["prompt"]) for turn in prompt if turn.get("role") in _HUMAN][-1]


def _questions(prompts: list[str]) -> list[str]:
    """Strip the lines that all prompts begin with: instructions and examples of the run."""
    # What the first and the last in order share, all share.
    first, last = min(prompts), max(prompts)
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    start = first[:n].rfind("\n") + 1
    stripped = [prompt[start:].strip() for prompt in prompts]
    return stripped if all(stripped) else prompts


def _score(detail: Any) -> float | None:
    found = next((detail[name] for name in _RIGHT if isinstance(detail, dict) and name in detail), None)
    values = found if isinstance(found, list) else [found]
    if not values or not all(isinstance(value, bool | int | float) for value in values):
        return None
    return float(sum(values) / len(values))
