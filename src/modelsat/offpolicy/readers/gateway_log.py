"""Reader of the gateway's log: answers with their outcomes, as far as feedback may be believed.

An answer whose model was drawn carries the probability with which it was. One that was not decided anew, since its
conversation stayed or another upstream had failed, has none.
"""

from collections import Counter

from modelsat.feedback import log
from modelsat.feedback.joining import join
from modelsat.feedback.protection import JUDGED, protect
from modelsat.io.storage import SourceFile
from modelsat.offpolicy.readers.gathered import Gathered

_DECIDED = ("routed", "explored")


def claims(name: str) -> bool:
    """Say whether a file name is one of the gateway's log."""
    return bool(log.SEGMENT.fullmatch(name) or log.OWN_OUTCOMES.fullmatch(name) or name == log.REVIEW)


def read(files: list[SourceFile]) -> Gathered:
    """Read the files of one folder."""
    found = Gathered()
    joined = join(files)
    judged = protect(joined.votes, accepted=joined.review.accepted_candidates)
    left_out: Counter[str] = Counter(joined.unjoined)
    for i, reason in enumerate(judged.reasons.tolist()):
        if reason:
            # What the operator judged counts, by the operator's own vote.
            left_out[reason] += reason != JUDGED
            continue
        answer, usage = joined.answers_of[i], joined.usage[i]
        file, line = joined.places[i]
        told = {name: usage.get(name) for name in ("cost_usd", "latency_seconds", "tokens_in", "tokens_out")}
        told |= {
            "at": answer["at"],
            "prompt": answer["prompt"],
            "model": answer["candidate"],
            "outcome": float(joined.votes.scores[i]),
            "propensity": answer["propensity"] if answer["outcome"] in _DECIDED else None,
        }
        found.add(file.uri, line, told)
    for file, number, fault in joined.faults:
        found.reject(file.uri, "whole file" if number is None else number, fault)
    if left_out.total():
        told_of = ", ".join(f"{n} since {reason}" for reason, n in left_out.most_common() if n)
        found.notes.append(f"outcomes of the gateway's log that are left out: {told_of}")
    return found
