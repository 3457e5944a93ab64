"""Reader of Inspect's logs (UK AISI's inspect_ai, log format 2): `*.json`, and `*.eval`, which is a zip of JSON.

Of several epochs a sample's score is their mean: what one answer can be expected to score. A sample that ended in an
error has no score, and an invalidated one none either. Of several scorers the first that gives single numbers counts.
"""

import json
import math
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from modelsat.data.readers import table_files
from modelsat.data.readers.answer_sheet import AnswerSheet, Question, mean, user_text
from modelsat.data.readers.file_heads import Head
from modelsat.data.readers.harvest import Harvest
from modelsat.data.remarks import Remark
from modelsat.data.written_numbers import number
from modelsat.io.storage import SourceFile

HARNESS = "inspect_ai"
VERSION = 2
_GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_ATTACHMENT = "attachment://"


class _LogError(Exception):
    """The log cannot be read, with a sentence."""


def claims(head: Head) -> bool:
    """Say whether a file is a log of Inspect."""
    return head.name.endswith(".eval") or (
        head.name.endswith(".json") and '"eval"' in head.text and '"eval_id"' in head.text
    )


def read(files: list[SourceFile]) -> Harvest:
    """Read logs."""
    sheet = AnswerSheet(HARNESS)
    for file in files:
        try:
            header, samples = _zipped(file) if file.name.endswith(".eval") else _plain(file)
            _read_log(file, header, samples, sheet)
        except _LogError as fault:
            sheet.log.reject(file.uri, str(fault))
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OSError,
            zipfile.BadZipFile,
            NotImplementedError,
        ) as error:
            kind = type(error).__name__
            reason = (
                f"the log is damaged ({kind}: {error}); copy it again, or write it with `inspect log convert --to json`"
            )
            sheet.log.reject(file.uri, reason)
    return sheet.harvest()


def _plain(file: SourceFile) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    log = json.loads(file.path.read_text(encoding="utf-8"))
    return log, log.get("samples") or []


def _zipped(file: SourceFile) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    with zipfile.ZipFile(file.path) as log:
        if sum(member.file_size for member in log.infolist()) > table_files.MOST_BYTES:
            raise _LogError(f"the log unpacks to more than {table_files.MOST_BYTES:,} bytes; split it")
        names = log.namelist()
        # A run that was killed has no header.
        name = next((name for name in ("header.json", "_journal/start.json") if name in names), None)
        if name is None:
            raise _LogError("the log has neither header.json nor _journal/start.json; copy it again from its source")
        header = json.loads(log.read(name))
        return header, [json.loads(log.read(one)) for one in names if one.startswith("samples/")]


def _read_log(file: SourceFile, header: dict[str, Any], samples: list[dict[str, Any]], sheet: AnswerSheet) -> None:
    if header.get("version") != VERSION:
        raise _LogError(
            f"the log has version {header.get('version')}, not {VERSION}; write it with `inspect log convert`"
        )
    if header.get("invalidated"):
        sheet.log.note(Remark.RUN_LEFT_OUT, f"{file.uri!r} is invalidated and left out")
        return
    run = header["eval"]
    if header.get("status") not in (None, "success"):
        sheet.log.note(
            Remark.RUN_INCOMPLETE,
            f"the run of {file.uri!r} ended as {header.get('status')!r}; the samples that it scored are read",
        )
    if not samples:
        raise _LogError("the log holds no samples; run Inspect with log_samples, and copy the log and no summary of it")
    sheet.version = sheet.version or (run.get("packages") or {}).get("inspect_ai")
    scored = [sample for sample in samples if not sample.get("error") and not sample.get("invalidated")]
    if len(scored) < len(samples):
        n = len(samples) - len(scored)
        sheet.log.note(
            Remark.NO_SCORE, f"{n} of {len(samples)} samples of {file.uri!r} ended in an error or are invalid: no score"
        )
    scorer = _scorer(file, scored, sheet)
    benchmark = str(run["task"]).rpartition("/")[2]
    epochs: dict[Question, list[dict[str, Any]]] = defaultdict(list)
    rows: dict[Question, int] = {}
    for row, sample in enumerate(samples, start=1):
        question = _question(benchmark, sample) if sample in scored else None
        if question is not None:
            epochs[question].append(sample)
            rows.setdefault(question, row)
        elif sample in scored:
            sheet.log.note(
                Remark.NOT_TEXT, f"sample {sample.get('id')!r} of {file.uri!r} holds more than text and is left out"
            )
    for question, answers in epochs.items():
        values = [value for sample in answers if (value := _value(_scores(sample).get(scorer))) is not None]
        if values:
            measures = [_measures(sample, run["model"]) for sample in answers]
            found = {name: mean([one[name] for one in measures]) for name in measures[0]}
            score = sum(values) / len(values)
            sheet.add(file, rows[question], str(run["model"]), question, score, scorer, **found)


def _scorer(file: SourceFile, samples: list[dict[str, Any]], sheet: AnswerSheet) -> str:
    names = list(dict.fromkeys(name for sample in samples for name in _scores(sample)))
    for name in names:
        values = [_value(_scores(sample)[name]) for sample in samples if name in _scores(sample)]
        if any(value is not None and 0 <= value <= 1 for value in values) and all(
            value is None or 0 <= value <= 1 for value in values
        ):
            if len(names) > 1:
                sheet.log.note(
                    Remark.SCORER_CHOSEN, f"{file.uri!r} has the scorers {', '.join(names)}; {name!r} is read"
                )
            return name
    shown = f"its scorers ({', '.join(names)}) give no" if names else "it has no scorers that give"
    raise _LogError(f"the log is left out: {shown} single numbers in [0, 1]; score it with such a scorer")


def _scores(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    scores = sample.get("scores")
    return scores if isinstance(scores, Mapping) else {}


def _value(score: object) -> float | None:
    value = score.get("value") if isinstance(score, Mapping) else None
    if isinstance(value, str):
        if value in _GRADES or value.lower() in _GRADES:
            return _GRADES.get(value, _GRADES.get(value.lower()))
        return number(value)
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    return None


def _question(benchmark: str, sample: Mapping[str, Any]) -> Question | None:
    attachments = sample.get("attachments") or {}
    prompt = user_text(_resolved(sample.get("input"), attachments))
    if prompt is None:
        return None
    metadata, target = sample.get("metadata") or {}, sample.get("target")
    task = next((metadata[name] for name in ("subject", "category") if isinstance(metadata.get(name), str)), benchmark)
    answer = target[0] if isinstance(target, list) and len(target) == 1 else target
    choices = sample.get("choices")
    return Question(
        benchmark,
        str(task),
        prompt,
        tuple(map(str, choices)) if choices else None,
        answer if isinstance(answer, str) and answer else None,
    )


def _resolved(value: Any, attachments: Mapping[str, str]) -> Any:
    if isinstance(value, str) and value.startswith(_ATTACHMENT):
        return attachments.get(value.removeprefix(_ATTACHMENT), value)
    if isinstance(value, list):
        return [_resolved(one, attachments) for one in value]
    if isinstance(value, Mapping):
        return {name: _resolved(one, attachments) for name, one in value.items()}
    return value


def _measures(sample: Mapping[str, Any], model: str) -> dict[str, float | None]:
    usage = sample.get("model_usage") or {}
    # Graders use tokens, too; they are no part of the answer.
    own = usage.get(model) or ((sample.get("output") or {}).get("usage")) or {}
    return {
        "tokens_in": _sum(
            own.get(name) for name in ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
        ),
        "tokens_out": own.get("output_tokens"),
        "cost_usd": own.get("total_cost"),
        "latency_seconds": sample.get("total_time"),
    }


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
