"""Reader of a gateway's log: what clients and operator said of answers, as far as it may be believed.

A prompt has a row for the candidate that answered it and for no other: what was not chosen is missing, never 0. What is
left out is told of and is no reject, since nothing is wrong with the files.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np

from modelsat import __version__
from modelsat.data import contracts
from modelsat.data.readers import answer_sheet
from modelsat.data.readers.harvest import Harvest, reject, rejects_table
from modelsat.data.remarks import Remark
from modelsat.feedback import BENCHMARK, log
from modelsat.feedback.joining import Joined, join
from modelsat.feedback.protection import CandidateFeedback, Protected, protect
from modelsat.feedback.votes import by_prompt
from modelsat.io.storage import SourceFile
from modelsat.text.rendering import digest, stem_digest

HARNESS, METRIC = "modelsat-feedback", "feedback"


def claims(names: Iterable[str]) -> bool:
    """Say whether a folder with these file names holds a gateway's log."""
    return any(log.SEGMENT.fullmatch(name) for name in names)


def read(files: list[SourceFile]) -> Harvest:
    """Read one folder of a gateway's log."""
    joined = join(files)
    judged = protect(joined.votes, accepted=joined.review.accepted_candidates)
    prompts, scores = _learned(joined, judged)
    learned, *quarantined = notes(joined, judged)
    names: list[dict[str, object]] = [{"candidate": name} for name in sorted({str(row["candidate"]) for row in scores})]
    return Harvest(
        contracts.from_rows(scores, contracts.SCORES),
        contracts.from_rows(prompts, contracts.PROMPTS),
        contracts.from_rows(names, contracts.CANDIDATES),
        rejects_table([reject(file.uri, reason, number) for file, number, reason in joined.faults]),
        notes=(Remark.FEEDBACK_READ.of(learned), *map(Remark.FEEDBACK_QUARANTINED.of, quarantined)),
    )


def notes(joined: Joined, judged: Protected) -> list[str]:
    """Say what is learned from, what is left out and why, and which candidates are quarantined."""
    left_out = Counter(reason for reason in judged.reasons.tolist() if reason)
    left_out.update(joined.unjoined)
    learned = int((judged.reasons == "").sum())
    sentence = f"{learned} of {learned + left_out.total()} outcomes of {joined.answers} answers are learned from"
    told = ", ".join(f"{n} since {reason}" for reason, n in left_out.most_common())
    return [f"{sentence}; left out: {told}" if told else sentence, *filter(None, map(quarantine, judged.standings))]


def quarantine(standing: CandidateFeedback) -> str:
    """Return why a candidate is quarantined and what to do, "" where it is not."""
    if not standing.quarantined or standing.departure is None:
        return ""
    found = standing.departure
    return (
        f"candidate {standing.candidate!r} is quarantined: its outcomes lie {100 * found.value:+.1f} points "
        f"({100 * found.low:+.1f} to {100 * found.high:+.1f}) from what the router expected, beyond what is "
        f"usual; look at them, and name it among accepted_candidates in {log.REVIEW} if they are sound"
    )


def _learned(joined: Joined, judged: Protected) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return rows of prompts and scores: a score per candidate and prompt, the mean of what is learned from."""
    votes, kept = joined.votes, judged.reasons == ""
    first = {
        (candidate, prompt): place
        for candidate, prompt, place, chosen in zip(
            votes.candidates[::-1], votes.prompts[::-1], joined.places[::-1], kept[::-1], strict=True
        )
        if chosen
    }
    used = _mean_usage(joined, kept)
    now = datetime.now(UTC)
    scores: list[dict[str, object]] = []
    prompts: dict[str, dict[str, object]] = {}
    for candidate in sorted(set(votes.candidates[kept].tolist())):
        for prompt, score in by_prompt(votes, kept, candidate).items():
            text = joined.texts[prompt]
            key = digest(f"{BENCHMARK}\n{text}")
            file, line = first[candidate, prompt]
            prompts[key] = {
                "prompt_id": key,
                "stem_digest": stem_digest(text),
                "benchmark": BENCHMARK,
                "task": BENCHMARK,
                "prompt": text,
            }
            scores.append(
                {
                    "candidate": candidate,
                    "benchmark": BENCHMARK,
                    "task": BENCHMARK,
                    "prompt_id": key,
                    "score": score,
                    "metric": METRIC,
                    "harness": HARNESS,
                    "harness_version": __version__,
                    "source_uri": file.uri,
                    "source_row": line,
                    "source_digest": file.digest,
                    "collected_at": now,
                }
                | used.get((candidate, prompt), {})
            )
    return list(prompts.values()), scores


def _mean_usage(joined: Joined, kept: np.ndarray) -> dict[tuple[str, str], dict[str, object]]:
    """Return what the answers that are learned from used on average, by candidate and prompt."""
    found: dict[tuple[str, str], list[dict[str, object]]] = {}
    for candidate, prompt, used, chosen in zip(
        joined.votes.candidates, joined.votes.prompts, joined.usage, kept, strict=True
    ):
        if chosen and used:
            found.setdefault((candidate, prompt), []).append(used)
    return {
        key: {
            field: round(mean) if field.startswith("tokens") else mean
            for field in ("tokens_in", "tokens_out", "latency_seconds", "cost_usd")
            if (mean := answer_sheet.mean([float(str(row[field])) for row in rows if field in row])) is not None
        }
        for key, rows in found.items()
    }
