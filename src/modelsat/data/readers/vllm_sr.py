"""Reader of the training matrix that `vllm-sr benchmark export` of the vLLM Semantic Router writes.

An object of kind `training-matrix` with cases; each has its messages and, for every target, its score, tokens, cost and
latency. Targets that are mixtures of models are routers themselves and no candidates.
"""

import json
from collections import Counter
from typing import Any

from modelsat.data.readers.answer_sheet import AnswerSheet, Question, user_text
from modelsat.data.readers.file_heads import Head
from modelsat.data.readers.harvest import Harvest
from modelsat.data.remarks import Remark
from modelsat.io.storage import SourceFile

HARNESS = "vllm-sr"
_KIND = "training-matrix"
_INPUT = ("input_tokens", "cached_input_tokens", "cache_write_tokens")


def claims(head: Head) -> bool:
    """Say whether a file is such a matrix."""
    return head.name.endswith(".json") and f'"{_KIND}"' in head.text and '"cases"' in head.text


def read(files: list[SourceFile]) -> Harvest:
    """Read matrices."""
    sheet = AnswerSheet(HARNESS)
    for file in files:
        try:
            matrix = json.loads(file.path.read_text(encoding="utf-8"))
            sheet.version = str(matrix["version"])
            for row, case in enumerate(matrix["cases"], start=1):
                _read_case(file, row, case, sheet)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"the matrix is damaged ({type(error).__name__}: {error}); export it again"
            sheet.log.reject(file.uri, reason)
    return sheet.harvest()


def _read_case(file: SourceFile, row: int, case: dict[str, Any], sheet: AnswerSheet) -> None:
    prompt = user_text(case.get("messages"))
    if not prompt:
        sheet.log.note(
            Remark.NOT_TEXT, f"case {case.get('id')!r} of {file.uri!r} has no messages of text alone and is left out"
        )
        return
    metadata, answer = case.get("metadata") or {}, case.get("answer")
    category = metadata.get("category") or metadata.get("subject") or case.get("category")
    question = Question(
        str(case["benchmark"]),
        str(category or case["benchmark"]),
        prompt,
        answer=answer if isinstance(answer, str) else None,
    )
    models = Counter(target["model"] for target in case["targets"])
    for target in case["targets"]:
        if target.get("kind") != "single":
            sheet.log.note(
                Remark.NOT_A_CANDIDATE,
                f"target {target['id']!r} of {file.uri!r} is a mixture of models and no candidate",
            )
            continue
        score = target["correct"] if target.get("score") is None else target["score"]
        if score is None:
            continue
        usage = target.get("usage") or {}
        # The same model with two settings is two candidates.
        name = target["model"] if models[target["model"]] == 1 else target["id"]
        sheet.add(
            file,
            row,
            str(name),
            question,
            float(score),
            tokens_in=sum(usage.get(bucket) or 0 for bucket in _INPUT) if usage else None,
            tokens_out=usage.get("output_tokens"),
            cost_usd=target.get("cost_usd"),
            latency_seconds=target.get("subject_latency_s"),
        )
