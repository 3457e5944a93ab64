"""The fusion router: one forward pass per prompt, then all candidates from the outcome surface."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from modelsat.aptitude import balanced_order
from modelsat.policy.costs import tokens_in
from modelsat.routers.fusion import foreign, members, newcomer, stored
from modelsat.routers.fusion import surface as surfaces
from modelsat.routers.fusion.cost_head import CostHead
from modelsat.routers.fusion.foreign import ForeignScale
from modelsat.routers.fusion.members import Beside, Tokens
from modelsat.routers.fusion.newcomer import NewcomerAnswers
from modelsat.routers.fusion.surface import Surface, completed
from modelsat.routers.profile import Profile
from modelsat.routers.router import Member, Prediction, Progress, Router
from modelsat.text.backbone import copy_backbone
from modelsat.text.core import Core
from modelsat.text.encoder import Encoder


@dataclass(frozen=True)
class Anchors:
    """The aptitude questions on the surface, by which newcomers are placed; a questions in their frozen order.

    Attributes:
        vectors: Their encodings, (a, layers, width).
        zoo: Scores of the surface's candidates on them, (a, m), no NaN.
    """

    vectors: np.ndarray
    zoo: np.ndarray


class Fusion(Router):
    """Predicts success from the outcome surface.

    Args:
        candidates: Candidate names, in the order of the surface.
        encoder: Encodes prompts, with the layers that the surface was fitted to.
        surface: The fitted surface.
        anchors: The aptitude questions on it.
        cost_head: What answers cost, with the surface's candidates as columns; None where too little was measured.
        beside: Simple members that are mixed with the surface; None for the surface alone, as in older bundles.
    """

    kind = "fusion"

    def __init__(
        self,
        candidates: Sequence[str],
        encoder: Encoder,
        surface: Surface,
        anchors: Anchors,
        cost_head: CostHead | None = None,
        beside: Beside | None = None,
    ) -> None:
        self.candidates = tuple(candidates)
        self.encoder = encoder
        self.surface = surface
        self.anchors = anchors
        self.cost_head = cost_head
        self.beside = beside

    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Encode the prompts and evaluate the surface, and what stands beside it."""
        return self.from_vectors(*self.encoder.read(texts, progress))

    def from_vectors(self, vectors: np.ndarray, tokens: Tokens) -> np.ndarray:
        """Return success probabilities of prompts that were encoded already.

        Args:
            vectors: Of n prompts (n, layers, width).
            tokens: Token ids that the encoder read of each.
        """
        if self.beside is None:
            return self.surface.success_probability(self.surface.directions(vectors)).astype(np.float32)
        return members.mixed(self.beside.say(self.surface, vectors, tokens), self.beside.weights)

    def members(self, texts: Sequence[str]) -> list[Member]:
        """Return what each member says."""
        return self.members_of(*self.encoder.read(texts))

    def members_of(self, vectors: np.ndarray, tokens: Tokens) -> list[Member]:
        """Return what each member that has a weight says of prompts that were encoded already, as of `from_vectors`."""
        if self.beside is None:
            return [Member(members.SURFACE, 1.0, self.from_vectors(vectors, tokens))]
        said = self.beside.say(self.surface, vectors, tokens)
        weighed = zip(members.NAMES, self.beside.weights, said, strict=True)
        return [Member(name, float(weight), one) for name, weight, one in weighed if weight > 0]

    @property
    def doubt(self) -> np.ndarray:
        """Return the surface's."""
        return self.surface.doubt

    def admit(self, newcomers: Profile) -> "Fusion":
        """Place the newcomers by their answers to the aptitude test and to other questions."""
        others = self.encoder.encode(newcomers.texts)
        surface = self.surface
        for i in range(len(newcomers.names)):
            surface = newcomer.place(surface, self._answers(newcomers, i, others, surface))
        names = [*self.candidates, *newcomers.names]
        columns = [*range(len(self.candidates)), *(-1 for _ in newcomers.names)]
        heads = None if self.cost_head is None else self.cost_head.of(columns)
        return Fusion(names, self.encoder, surface, self.anchors, heads, self.beside)

    def _answers(self, newcomers: Profile, i: int, others: np.ndarray, surface: Surface) -> NewcomerAnswers:
        tested = newcomers.answers[:, i] if len(newcomers.answers) else np.empty(0, dtype=np.float32)
        rows = np.flatnonzero(~np.isnan(tested))
        asked = np.flatnonzero(~np.isnan(newcomers.scores[:, i])) if len(others) else np.empty(0, dtype=np.int64)
        scores = np.concatenate([tested[rows], newcomers.scores[asked, i] if len(others) else []])
        zoo = np.concatenate([self.anchors.zoo[rows], self._zoo(newcomers, others, asked)])
        features = surface.features(np.concatenate([self.anchors.vectors[rows], others[asked]]))
        fair = None
        if newcomers.in_fair_order:
            # Other questions were not chosen for what they tell, so they are read beside a beginning of the test.
            fair = np.append(balanced_order.beginning(~np.isnan(tested))[rows], np.ones(len(asked), dtype=bool))
        return NewcomerAnswers(scores, zoo, features, fair, newcomers.levels.get(newcomers.names[i]))

    def _zoo(self, newcomers: Profile, others: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Return what the zoo scored on other questions; where that is not known, what it is expected to."""
        expected, names = self.surface.expected(others[asked]), self.candidates[: self.surface.zoo]
        unknown = np.full(len(others), np.nan)
        observed = [newcomers.known.get(name, unknown)[asked] for name in names]
        return completed(np.column_stack(observed), expected)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write surface and anchors, what stands beside the surface, and the backbone."""
        tensors, numbers = stored.surface_as_tensors(self.surface)
        tensors |= {
            "anchors.vectors": self.anchors.vectors.astype(np.float16),
            "anchors.zoo": self.anchors.zoo.astype(np.float32),
        }
        if self.encoder.core is not None:
            tensors |= {f"core.{name}": value for name, value in vars(self.encoder.core).items()}
        if self.cost_head is not None:
            tensors |= {f"cost.{name}": value for name, value in vars(self.cost_head).items()}
        more: dict[str, Any] = {}
        if self.beside is not None:
            beside, more = stored.beside_as_tensors(self.beside)
            tensors |= beside
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / "router.safetensors")
        copy_backbone(self.encoder.folder, folder / "encoder")
        return {
            "max_tokens": self.encoder.max_tokens,
            "layers": self.encoder.layers,
            "surface": numbers,
        } | more

    @classmethod
    def load(cls, folder: Path, candidates: tuple[str, ...], settings: dict[str, Any]) -> "Fusion":
        """Rebuild from the folder."""
        tensors = load_file(folder / "router.safetensors")
        # Older bundles subtracted the uncertainty margin from the means.
        tensors.setdefault("surface.doubt", np.zeros(len(tensors["surface.means"]), dtype=np.float32))
        surface = stored.surface(tensors, settings["surface"])
        anchors = Anchors(tensors["anchors.vectors"].astype(np.float32), tensors["anchors.zoo"])
        # Older bundles read all of every prompt.
        learned = {name.removeprefix("core."): value for name, value in tensors.items() if name.startswith("core.")}
        core = Core(**learned) if learned else None
        encoder = Encoder(folder / "encoder", settings["max_tokens"], settings["layers"], core)
        priced = {name.removeprefix("cost."): value for name, value in tensors.items() if name.startswith("cost.")}
        heads = CostHead(**priced) if priced else None
        return cls(candidates, encoder, surface, anchors, heads, stored.beside(tensors, settings))

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Say which prompts are longer than the encoder reads."""
        return self.encoder.truncated(texts)

    def read(self, texts: Sequence[str]) -> Prediction:
        """Encode the prompts once, evaluate the surface, and measure how foreign they are and what answers cost."""
        vectors, tokens = self.encoder.read(texts)
        cost = self.expected_cost(vectors, texts)
        return Prediction(self.from_vectors(vectors, tokens), self.truncated(texts), self.foreign(vectors), cost)

    def expected_cost(self, vectors: np.ndarray, texts: Sequence[str]) -> np.ndarray | None:
        """Return what the cost head expects of prompts with known vectors, (n, candidates); None without a head."""
        return None if self.cost_head is None else self.cost_head(vectors, tokens_in(texts))

    @property
    def predicts_cost(self) -> bool:
        """Say whether there is a cost head."""
        return self.cost_head is not None

    def forgetting_cost(self, column: int) -> "Fusion":
        """Leave out the candidate's cost head."""
        if self.cost_head is None:
            return self
        heads = self.cost_head.of([-1 if i == column else i for i in range(len(self.candidates))])
        return Fusion(self.candidates, self.encoder, self.surface, self.anchors, heads, self.beside)

    @cached_property
    def foreign(self) -> ForeignScale:
        """Return the scale that says how foreign prompts are, by their vectors."""
        return foreign.scale(self.surface)

    def likeness(self, texts: Sequence[str]) -> np.ndarray:
        """Compare as the surface does, in all layers; a question without a vector has no answers from the zoo."""
        held = self.anchors.vectors.any(axis=(1, 2))
        return np.where(held, self.surface.similarity(self.encoder.encode(texts), self.anchors.vectors), -1.0)

    def kernel(self, likeness: np.ndarray) -> np.ndarray:
        """Return the surface's kernel."""
        return surfaces.kernel(likeness)
