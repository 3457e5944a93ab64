"""Reader of the gateway's log: answers with their outcomes, as far as whoever gave them is believed.

An answer whose model was drawn carries the probability with which it was. One that was not decided anew, since its
conversation stayed or another upstream had failed, has none. How much one client may move a training
(`modelsat.feedback.protection`) is no limit here: a proof is read by a person, and says who spoke.
"""

from collections import Counter

import numpy as np

from modelsat.feedback import believed, log
from modelsat.feedback.joining import Joined, join
from modelsat.io.storage import SourceFile
from modelsat.offpolicy.readers.gathered import Gathered

_DECIDED = ("routed", "explored")
_NO_TEXT = "the prompt's text was not kept (--feedback-text keeps it)"


def claims(name: str) -> bool:
    """Say whether a file name is one of the gateway's log."""
    return bool(log.SEGMENT.fullmatch(name) or log.OWN_OUTCOMES.fullmatch(name) or name == log.REVIEW)


def read(files: list[SourceFile]) -> Gathered:
    """Read the files of one folder."""
    found, joined = Gathered(), join(files)
    doubtful = believed.not_believed(joined.votes)
    left_out: Counter[str] = Counter(joined.unjoined)
    for i, giver in enumerate(joined.votes.givers):
        if joined.votes.by_clients[i] and not np.isnan(joined.votes.known[i]):
            continue  # The operator judged the answer, too, and that vote counts.
        answer = joined.answers_of[i]
        reason = doubtful.get(str(giver)) or ("" if answer.get("prompt") else _NO_TEXT)
        if reason:
            left_out[reason] += 1
        else:
            file, line = joined.places[i]
            found.add(file.uri, line, _told(joined, i))
    for file, number, fault in joined.faults:
        found.reject(file.uri, "whole file" if number is None else number, fault)
    if left_out:
        told_of = ", ".join(f"{n} since {reason}" for reason, n in left_out.most_common())
        found.notes.append(f"outcomes of the gateway's log that are left out: {told_of}")
    counts = np.unique(joined.votes.givers[joined.votes.by_clients].astype(str), return_counts=True)[1]
    if len(counts):
        most = 100 * counts.max() / len(joined.votes.ids)
        found.notes.append(
            f"{len(counts)} clients gave outcomes, one of them {most:.0f} % of all"
            if len(counts) > 1
            else f"{most:.0f} % of the outcomes are of one client"
        )
    return found


def _told(joined: Joined, i: int) -> dict[str, object]:
    answer, usage = joined.answers_of[i], joined.usage[i]
    told = {name: usage.get(name) for name in ("cost_usd", "latency_seconds", "tokens_in", "tokens_out")}
    return told | {
        "at": answer["at"],
        "prompt": answer["prompt"],
        "model": answer["candidate"],
        "outcome": float(joined.votes.scores[i]),
        "propensity": answer["propensity"] if answer["outcome"] in _DECIDED else None,
    }
