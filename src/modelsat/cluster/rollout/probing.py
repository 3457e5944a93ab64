"""Sends the same held-out prompts to champion and challenger and records the answers; client prompts are not used."""

import contextlib
import json
import math
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modelsat.cluster.rollout.evidence import Pairs
from modelsat.data import routed_texts
from modelsat.data.collection import Collection
from modelsat.errors import ConflictError, InputError
from modelsat.evaluation.table import CHALLENGER
from modelsat.evaluation.verdict import GateOutcome
from modelsat.io import storage
from modelsat.io.redirects import open_without_redirects

MODEL = "router"
TOKEN = "MODELSAT_ENDPOINT_TOKEN"  # noqa: S105 - the name of a variable
_TIMEOUT_SECONDS = 10.0
_CHAMPION = "champion"
_VERSION_LENGTH = 12
_BEFORE = "before"
_KEPT = 200
_COUNTED = 50


@dataclass(frozen=True)
class Probes:
    """Held-out prompts with what the evaluation says each version chooses.

    Attributes:
        prompts: Rendered texts.
        expected: Choices (prompts, 2) of champion and challenger; empty where the evaluation does not say.
    """

    prompts: tuple[str, ...]
    expected: np.ndarray


_ANY_PROMPTS = ("What is the capital of France?", "What is 17 * 23?", "Write a haiku about rain.")
ANY = Probes(_ANY_PROMPTS, np.full((len(_ANY_PROMPTS), 2), "", dtype=object))
"""Used without an evaluation: errors and latency can still be compared."""


@dataclass(frozen=True)
class ProbeAnswer:
    """One answer: router version, choice and time; without a version there was no answer."""

    version: str
    choice: str
    seconds: float


Ask = Callable[[str, str], ProbeAnswer]


def probes(scores: Path | None, decisions: Path | None, verdict: str) -> Probes:
    """Read the probes of a contest: its held-out prompts that every candidate answered, in the order of their ids.

    An evaluation ranks only the candidates that were run on a prompt, so prompts with missing candidates would look
    wrong.

    Args:
        scores: Folder of the collection; None where there was no contest: then there are no right answers.
        decisions: Decisions of the evaluation, Parquet; None likewise.
        verdict: The gate's outcome; the constant router of do not route makes no choices that were written down.
    """
    if scores is None or decisions is None:
        return ANY
    collection = Collection.read(scores)
    decided = pq.read_table(decisions)
    asked = collection.scores.group_by("prompt_id").aggregate([("candidate", "count_distinct")])
    whole = asked.filter(pc.equal(asked["candidate_count_distinct"], pc.max(asked["candidate_count_distinct"])))
    kept = decided.join(whole.select(["prompt_id"]), "prompt_id", join_type="left semi").sort_by("prompt_id")
    if not kept.num_rows:
        return ANY
    ids = collection.prompts["prompt_id"].to_pylist()
    rendered = dict(zip(ids, routed_texts.of(collection.prompts), strict=True))
    names = (_CHAMPION, CHALLENGER if verdict != GateOutcome.DO_NOT_ROUTE else "")
    columns = [_strings(kept, name) for name in names]
    return Probes(
        tuple(rendered[key] for key in kept["prompt_id"].to_pylist()), np.array(columns, dtype=object).T.reshape(-1, 2)
    )


def ask(address: str, prompt: str) -> ProbeAnswer:
    """Ask an endpoint over KServe's protocol v1; every failure counts as no answer.

    Where the endpoint lets in tokens only, the one in MODELSAT_ENDPOINT_TOKEN is sent.
    """
    token = os.environ.get(TOKEN, "").strip()
    login = {"authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(  # noqa: S310
        f"{address.rstrip('/')}/v1/models/{MODEL}:predict",
        json.dumps({"instances": [prompt]}).encode(),
        {"content-type": "application/json", **login},
    )
    began = time.perf_counter()
    try:
        with open_without_redirects(request, _TIMEOUT_SECONDS) as reply:
            first = json.load(reply)["predictions"][0]
        return ProbeAnswer(str(first["router_version"]), str(first["model"]), time.perf_counter() - began)
    except (OSError, ValueError, LookupError, TypeError, urllib.error.URLError):
        return ProbeAnswer("", "", time.perf_counter() - began)


def pairs(
    addresses: tuple[str, str],
    versions: tuple[str, str],
    chosen: Probes,
    rows: np.ndarray,
    before: Sequence[ProbeAnswer],
    ask: Ask = ask,
) -> Pairs:
    """Ask champion and challenger in turn; a pair in which another version answered says nothing and is left out.

    Args:
        addresses: Of champion and challenger; a champion without one is represented by what it answered before.
        versions: Router versions, the starts of the bundles' digests.
        chosen: The probes.
        rows: Which of them, in order.
        before: What the champion answered before; none counts as faultless and of unknown speed.
        ask: Asks an address a prompt.
    """
    failed, wrong, seconds = [], [], []
    for turn, row in enumerate(rows):
        prompt, expected = chosen.prompts[row], chosen.expected[row]
        past = before[turn % len(before)] if before else ProbeAnswer(_BEFORE, "", math.inf)
        answers = [replace(past, choice="", version=past.version and _BEFORE), ProbeAnswer("", "", 0.0)]
        # The second version benefits from warm caches, so the order alternates.
        for side in (0, 1) if turn % 2 else (1, 0):
            if addresses[side]:
                answers[side] = ask(addresses[side], prompt)
        if any(one.version not in ("", _BEFORE, version) for one, version in zip(answers, versions, strict=True)):
            continue
        failed.append([not one.version for one in answers])
        wrong.append([_is_wrong(one, want) for one, want in zip(answers, expected, strict=True)])
        seconds.append([one.seconds for one in answers])
    if not failed:
        return Pairs()
    return Pairs(np.array(failed), np.array(wrong), np.array(seconds, float))


def champion_side(asked: Pairs) -> list[ProbeAnswer]:
    """Return what the champion answered in pairs, for later ones in which it cannot be asked any more."""
    return [
        ProbeAnswer("" if failed else _BEFORE, "", taken)
        for failed, taken in zip(asked.failed[:, 0], asked.seconds[:, 0], strict=True)
    ]


def counts(address: str, chosen: Probes, ask: Ask = ask) -> dict[str, int]:
    """Return how often each version answered at one address: the split as clients meet it."""
    by_version: dict[str, int] = {}
    for prompt in chosen.prompts[:_COUNTED] if address else ():
        version = ask(address, prompt).version or "no answer"
        by_version[version] = by_version.get(version, 0) + 1
    return by_version


def keep(store: str, run_id: str, chosen: Probes) -> None:
    """Store the probes of a run beside the champion records, for any process that continues its promotion."""
    content = {"prompts": list(chosen.prompts[:_KEPT]), "expected": chosen.expected[:_KEPT].tolist()}
    # A resumed run has stored them already.
    with contextlib.suppress(ConflictError):
        storage.create(_uri(store, run_id), json.dumps(content).encode())


def kept(store: str, run_id: str) -> Probes:
    """Return the probes that a run left; any prompts where it left none."""
    try:
        stored = json.loads(storage.read(_uri(store, run_id)))
    except InputError:
        return ANY
    return Probes(tuple(stored["prompts"]), np.array(stored["expected"], dtype=object).reshape(-1, 2))


def version(digest: str) -> str:
    """Return the router version that an endpoint says for a bundle."""
    return digest[:_VERSION_LENGTH]


def _strings(table: pa.Table, router: str) -> list[str]:
    """Return what a router answers where it is served; where that was not noted, what the evaluation let it choose."""
    for name in (f"{router}: served", f"{router}: chosen"):
        if name in table.column_names:
            return table[name].to_pylist()
    return [""] * len(table)


def _uri(store: str, run_id: str) -> str:
    return storage.join(store, "probes", f"{run_id}.json")


def _is_wrong(answer: ProbeAnswer, expected: str) -> bool:
    """Return whether an answer differs from the evaluation's choice; without an evaluated choice it is not wrong."""
    return bool(answer.version and answer.choice and expected and answer.choice != expected)
