"""Joins the gateway's answers with the outcomes reported later.

A client's last outcome for an answer counts. The operator's outcome for an answer replaces the client's, and serves to
measure the client.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from modelsat.errors import InputError
from modelsat.feedback import log, own_outcomes
from modelsat.feedback.votes import OPERATOR, Votes
from modelsat.io.storage import SourceFile

UNKNOWN, AMBIGUOUS = "the answer is not in the log", "several answers have the request id"


@dataclass(frozen=True)
class Review:
    """The decisions of a reviewer.

    Attributes:
        trusted_clients: Clients, as digests, that vouch for their users; each of their users counts as a client.
        accepted_candidates: Candidates that are not quarantined.
    """

    trusted_clients: frozenset[str] = frozenset()
    accepted_candidates: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Joined:
    """A log with its outcomes.

    Attributes:
        votes: One per answer and giver.
        texts: Prompt texts by digest, if the text was kept.
        places: File and line of each vote's answer.
        usage: What each vote's answer used, as the log has it; empty where its upstream did not say.
        answers_of: Each vote's answer, a row of the log.
        unjoined: Number of outcomes without an answer, by reason.
        answers: Number of answers in the log.
        review: The decisions of a reviewer.
        faults: File, line and sentence of each unreadable entry; line None for a whole file.
    """

    votes: Votes
    texts: dict[str, str]
    places: list[tuple[SourceFile, int]]
    usage: list[dict[str, Any]]
    answers_of: list[dict[str, Any]]
    unjoined: dict[str, int]
    answers: int
    review: Review
    faults: list[tuple[SourceFile, int | None, str]]


def join(files: Sequence[SourceFile]) -> Joined:
    """Read and join one folder of a gateway's log.

    Raises:
        InputError: There is no log, or `review.json` is unusable (it is never ignored).
    """
    if not any(log.SEGMENT.fullmatch(PurePosixPath(file.name).name) for file in files):
        raise InputError("there is no feedback-*.jsonl; name the folder or s3:// prefix of a gateway's --feedback-log")
    answers: dict[str, dict[str, Any]] = {}
    said: list[dict[str, Any]] = []
    used: dict[str, dict[str, Any]] = {}
    own: list[tuple[str, float]] = []
    review = Review()
    faults: list[tuple[SourceFile, int | None, str]] = []
    for file in files:
        name = PurePosixPath(file.name).name
        if log.SEGMENT.fullmatch(name):
            for number, line in enumerate(file.path.read_bytes().splitlines(), start=1):
                try:
                    row = log.parse(line)
                except ValueError as fault:
                    faults.append((file, number, str(fault)))
                    continue
                if row["event"] == log.OUTCOME:
                    said.append(row)
                elif row["event"] == log.USAGE:
                    used.setdefault(row["id"], row)
                else:
                    # A write that reported an error may have succeeded, so a segment can exist twice.
                    answers.setdefault(row["id"], row | {"place": (file, number)})
        elif log.OWN_OUTCOMES.fullmatch(name):
            found, wrong = own_outcomes.read(file)
            own += found
            faults += wrong
        elif name == log.REVIEW:
            review = _review(file)
    unjoined: Counter[str] = Counter()
    judged = _judged(answers, own, unjoined)
    rated = _rated(answers, said, unjoined)
    rows = [(answers[key], OPERATOR, score, np.nan) for key, score in judged.items()]
    rows += [
        (answers[key], _giver(answers[key], review), score, judged.get(key, np.nan)) for key, score in rated.items()
    ]
    return Joined(
        votes=_votes(rows),
        texts={row["prompt_digest"]: row["prompt"] for row in answers.values() if row.get("prompt")},
        places=[answer["place"] for answer, *_ in rows],
        usage=[used.get(answer["id"], {}) for answer, *_ in rows],
        answers_of=[answer for answer, *_ in rows],
        unjoined=dict(unjoined),
        answers=len(answers),
        review=review,
        faults=faults,
    )


def _rated(answers: dict[str, Any], said: list[dict[str, Any]], unjoined: Counter[str]) -> dict[str, float]:
    """Return the last outcome from the client, by answer."""
    rated: dict[str, float] = {}
    for row in sorted(said, key=lambda row: str(row["at"])):
        if row["id"] in answers and answers[row["id"]]["client"] == row["client"]:
            rated[row["id"]] = float(row["score"])
        else:
            unjoined[UNKNOWN] += 1
    return rated


def _judged(answers: dict[str, Any], own: list[tuple[str, float]], unjoined: Counter[str]) -> dict[str, float]:
    """Return the operator's outcome by answer; the operator names it by its id or by the request's id."""
    requests: dict[str, list[str]] = {}
    for key, row in answers.items():
        requests.setdefault(row["request_id"], []).append(key)
    judged = {}
    for name, score in own:
        keys = [name] if name in answers else requests.get(name, [])
        if len(keys) == 1:
            judged[keys[0]] = score
        else:
            unjoined[AMBIGUOUS if keys else UNKNOWN] += 1
    return judged


def _giver(answer: dict[str, Any], review: Review) -> str:
    client, user = str(answer["client"]), str(answer["user"])
    return f"{client}/{user}" if user and client in review.trusted_clients else client


def _votes(rows: list[tuple[dict[str, Any], str, float, float]]) -> Votes:
    def column(name: str) -> np.ndarray:
        return np.asarray([answer[name] for answer, *_ in rows], dtype=object)

    return Votes(
        ids=column("id"),
        candidates=column("candidate"),
        givers=np.asarray([giver for _, giver, *_ in rows], dtype=object),
        prompts=column("prompt_digest"),
        scores=np.asarray([score for *_, score, _ in rows], dtype=np.float64),
        expected=column("success_probability").astype(np.float64),
        known=np.asarray([known for *_, known in rows], dtype=np.float64),
        has_text=np.asarray([bool(answer.get("prompt")) for answer, *_ in rows], dtype=bool),
    )


def _review(file: SourceFile) -> Review:
    try:
        parsed = json.loads(file.path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file.uri!r} is not valid JSON ({error}); correct it") from error
    fields = set(Review.__dataclass_fields__)
    lists = isinstance(parsed, dict) and all(
        name in fields and isinstance(names, list) and all(isinstance(one, str) for one in names)
        for name, names in parsed.items()
    )
    if not lists:
        raise InputError(f"{file.uri!r} is no object of lists of names; it knows {', '.join(sorted(fields))}")
    return Review(**{name: frozenset(names) for name, names in parsed.items()})
