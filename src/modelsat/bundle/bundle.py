"""The router bundle: what fine-tuning writes, MLflow stores and KServe loads, one format for every kind of router.

    bundle.json             kind, versions, settings, calibration, lineage
    candidates.parquet      the candidates with prices and dates
    aptitude_test.parquet   the frozen questions
    cards.parquet           what each candidate did on them, by task
    aptitude_answers.parquet   and question by question, where that is known
    seen_prompts.parquet    digests of the prompts that it learned from
    default_evidence.parquet   on what its default was settled, without texts, where that is known
    router.safetensors      tensors of the router; encoder/ its backbone and tokenizer
    ATTRIBUTION.md          licences of the data behind it, since question text travels along
    manifest.json           size and SHA-256 of every file, written last; signed where there is a key (`signing`)

Nothing in it is executable: no pickle, no code.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelsat.bundle import kept_evidence, manifest, pool
from modelsat.bundle.kept_evidence import KeptEvidence
from modelsat.bundle.manifest import MANIFEST, verify
from modelsat.bundle.pool import CandidatePool
from modelsat.data import contracts
from modelsat.errors import InputError, ModelsatError
from modelsat.io import storage
from modelsat.io.atomic import atomic_folder, write_json, write_text
from modelsat.policy import choice, picture_promise
from modelsat.policy.picture_promise import Defaults
from modelsat.policy.preferences import Preferences
from modelsat.policy.promise import Promise
from modelsat.routers import kinds
from modelsat.routers.kinds import load_router
from modelsat.routers.router import Prediction, Progress, Router
from modelsat.text import rendering

__all__ = ["MANIFEST", "Bundle", "Calibration", "kind", "needed_extra", "publish", "read", "verify"]

FORMAT = 1
_PROBE = "What is the capital of France?"
ANSWERS = "aptitude_answers.parquet"
SEEN = "seen_prompts.parquet"


@dataclass(frozen=True)
class Calibration:
    """Platt scaling of log-odds, fitted on validation prompts: p' = sigmoid(slope * logit(p) + intercept)."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Map probabilities in [0, 1] to calibrated ones; the order of candidates never changes."""
        clipped = np.clip(probabilities, 1e-6, 1 - 1e-6)
        logits = self.slope * np.log(clipped / (1 - clipped)) + self.intercept
        return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)


@dataclass(frozen=True)
class Bundle:
    """A router with everything that travels with it.

    Attributes:
        router: Scores prompts.
        candidates: Table of the contract `CANDIDATES`, in the order of `router.candidates`.
        aptitude_test: Table of the contract `APTITUDE_TEST`.
        cards: Table of the contract `CARDS`.
        calibration: Applied to the router's probabilities.
        lineage: Facts on where it comes from: digests, run id, seed, recipe, training means.
        attribution: Licence lines of the data, Markdown.
        answers: Table of the contract `APTITUDE_ANSWERS`; empty where only the cards are known.
        seen_prompts: Table of the contract `SEEN_PROMPTS`; empty where no record was kept.
        evidence: On what its default was settled, so that it can be again; None where that was not kept.
        digest: SHA-256 over the manifest; empty before the bundle was written.
    """

    router: Router
    candidates: pa.Table
    aptitude_test: pa.Table
    cards: pa.Table
    calibration: Calibration = Calibration()
    lineage: dict[str, Any] = field(default_factory=dict)
    attribution: str = ""
    answers: pa.Table = field(default_factory=contracts.APTITUDE_ANSWERS.empty_table)
    seen_prompts: pa.Table = field(default_factory=contracts.SEEN_PROMPTS.empty_table)
    evidence: KeptEvidence | None = None
    digest: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the candidates in column order."""
        return self.router.candidates

    def success_probability(self, texts: list[str], progress: Progress | None = None) -> np.ndarray:
        """Return calibrated success probabilities, float32 of shape (prompts, candidates)."""
        return self.calibration(self.router.success_probability(texts, progress))

    def assured(self, probability: np.ndarray) -> np.ndarray:
        """Return what choices count on: success probabilities less their uncertainty margins, of the same shape."""
        return choice.assured(probability, self.router.doubt)

    def reading(self, texts: list[str]) -> Prediction:
        """Return all that the router makes of prompts, success probabilities calibrated."""
        told = self.router.read(texts)
        return replace(told, success_probability=self.calibration(told.success_probability))

    @cached_property
    def pool(self) -> CandidatePool:
        """Return the candidates as arrays."""
        return pool.of(self.candidates, self.lineage)

    @cached_property
    def defaults(self) -> Defaults:
        """Return what requests with and without pictures get by default."""
        return picture_promise.read(self.lineage)

    @property
    def promise(self) -> Promise | None:
        """Return what the router's default promises; None for a router that promises nothing."""
        return self.defaults.usual

    @property
    def single(self) -> int | None:
        """Return the column of the candidate that the promise names as best single; None where it names none."""
        return self.single_for(Preferences())

    def single_for(self, preferences: Preferences) -> int | None:
        """Return the column of the best single candidate for a request with these preferences; None likewise."""
        promised = self.defaults.of(preferences)
        named = promised.best_single if promised else None
        return self.names.index(named) if named in self.names else None

    @property
    def best_single(self) -> str | None:
        """Return the best single candidate: whom the promise names, else the best mean score; None where none is."""
        if self.single is not None:
            return self.names[self.single]
        return self.names[int(self.pool.mean_score.argmax())] if self.pool.mean_score.any() else None

    def write(self, folder: Path) -> "Bundle":
        """Write the bundle, completely or not at all, and return it with its digest."""
        if self.candidates["candidate"].to_pylist() != list(self.names):
            raise InputError("the bundle's candidates table and its router name different candidates; rebuild both")
        with atomic_folder(folder) as beside:
            settings = self.router.save(beside)
            contracts.write(self.candidates, beside / "candidates.parquet", contracts.CANDIDATES)
            contracts.write(self.aptitude_test, beside / "aptitude_test.parquet", contracts.APTITUDE_TEST)
            contracts.write(self.cards, beside / "cards.parquet", contracts.CARDS)
            contracts.write(self.answers, beside / ANSWERS, contracts.APTITUDE_ANSWERS)
            contracts.write(self.seen_prompts, beside / SEEN, contracts.SEEN_PROMPTS)
            if self.evidence is not None:
                self.evidence.write(beside)
            write_text(beside / "ATTRIBUTION.md", self.attribution)
            write_json(
                beside / "bundle.json",
                {
                    "format": FORMAT,
                    "kind": self.router.kind,
                    "renderer_version": rendering.VERSION,
                    "candidates": list(self.names),
                    "settings": settings,
                    "calibration": {"slope": self.calibration.slope, "intercept": self.calibration.intercept},
                    "lineage": self.lineage,
                },
            )
            digest = manifest.write(beside)
        return replace(self, digest=digest)


def read(folder: Path, with_router: bool = True, uri: str = "") -> Bundle:
    """Load a bundle after checking every file against its manifest.

    Args:
        folder: Of the bundle.
        with_router: Whether to load the router itself; without, a constant one stands in its place, which is fast
            where only the tables are wanted.
        uri: Where the bundle was fetched from, which error messages name; empty names the folder.

    Raises:
        InputError: A file is absent, changed or superfluous, or the bundle is of another format or renderer.
    """
    digest = verify(folder, uri)
    with _saying_what_is_unusable(uri or str(folder)):
        return _read(folder, with_router, uri, digest)


def _read(folder: Path, with_router: bool, uri: str, digest: str) -> Bundle:
    facts = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    for name, expected in (("format", FORMAT), ("renderer_version", rendering.VERSION)):
        if facts[name] != expected:
            remedy = "upgrade modelsat" if facts[name] > expected else "retrain the router"
            raise InputError(
                f"bundle {(uri or str(folder))!r} has {name} {facts[name]}, this modelsat reads {expected}; {remedy}"
            )
    names = tuple(facts["candidates"])
    # Bundles of earlier versions hold neither.
    later = {"answers": (ANSWERS, contracts.APTITUDE_ANSWERS), "seen_prompts": (SEEN, contracts.SEEN_PROMPTS)}
    told = {
        field: contracts.read(folder / name, schema)
        for field, (name, schema) in later.items()
        if (folder / name).exists()
    }
    kind, settings = facts["kind"], facts["settings"]
    if not with_router:
        kind, settings = "constant", {"probabilities": [0.0] * len(names)}
    bundle = Bundle(
        router=load_router(folder, kind, names, settings),
        candidates=contracts.read(folder / "candidates.parquet", contracts.CANDIDATES),
        aptitude_test=contracts.read(folder / "aptitude_test.parquet", contracts.APTITUDE_TEST),
        cards=contracts.read(folder / "cards.parquet", contracts.CARDS),
        calibration=Calibration(**facts["calibration"]),
        lineage=facts["lineage"],
        attribution=(folder / "ATTRIBUTION.md").read_text(encoding="utf-8"),
        evidence=kept_evidence.read(folder),
        digest=digest,
        **told,
    )
    if bundle.candidates["candidate"].to_pylist() != list(names):
        raise ValueError("its candidates table and its router name different candidates")
    # What is wrong with lineage and encoder would otherwise be seen by the first who asks.
    _ = bundle.pool, bundle.reading([_PROBE]) if with_router else None
    return bundle


@contextlib.contextmanager
def _saying_what_is_unusable(named: str) -> Iterator[None]:
    """Turn whatever parsers raise of content that is whole, and still not a router's, into one error."""
    try:
        yield
    except (ModelsatError, MemoryError):
        raise
    except Exception as error:
        fault = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"bundle {named!r} is as its manifest says, but its content is not usable ({fault}); register it anew"
        ) from error


def kind(folder: Path) -> str:
    """Return the kind of router in a bundle's folder, without loading it; a selection names what it selects from."""
    outer, inner = _kinds(folder)
    return outer if outer == inner else f"{outer} of {inner}"


def needed_extra(folder: Path) -> str:
    """Return the optional dependencies of modelsat that the router in a bundle's folder needs; "" for none."""
    return kinds.needed_extra(_kinds(folder)[1])


def _kinds(folder: Path) -> tuple[str, str]:
    """Return the kind of router in a bundle's folder, and the one that it selects from: the same for most."""
    with _saying_what_is_unusable(str(folder)):
        facts = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        outer = str(facts["kind"])
        return outer, str(facts["settings"].get("kind") or outer) if outer == "selection" else outer


def publish(folder: Path, store: str) -> str:
    """Copy a bundle to `store`, under its digest, the manifest last; return its URI. Publishing twice is harmless."""
    uri = storage.join(store, verify(folder))
    storage.publish_folder(folder, uri, last=MANIFEST)
    return uri
