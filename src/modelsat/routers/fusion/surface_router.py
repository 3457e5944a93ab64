"""What every router on an outcome surface does, whatever turns its prompts into vectors."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import numpy as np

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


class Reader(Protocol):
    """Turns prompts into vectors."""

    def read(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> tuple[np.ndarray, Sequence[Sequence[int]]]:
        """Return float32 vectors of n prompts (n, layers, width), and the token ids that were read of each."""

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Return which prompts are longer than what is read, as a boolean array (n,)."""


@dataclass(frozen=True)
class Anchors:
    """The aptitude questions on the surface, by which newcomers are placed; a questions in their frozen order.

    Attributes:
        vectors: Their encodings, (a, layers, width).
        zoo: Scores of the surface's candidates on them, (a, m), no NaN.
    """

    vectors: np.ndarray
    zoo: np.ndarray


class SurfaceRouter(Router):
    """Predicts success from an outcome surface.

    Args:
        candidates: Candidate names, in the order of the surface.
        reader: Reads prompts as those that the surface was fitted to.
        surface: The fitted surface.
        anchors: The aptitude questions on it.
        cost_head: What answers cost, with the surface's candidates as columns; None where too little was measured.
        beside: Simple members that are mixed with the surface; None for the surface alone, as in older bundles.
    """

    surface_name: ClassVar[str] = members.SURFACE
    """What users know the surface by, beside the other members."""

    def __init__(
        self,
        candidates: Sequence[str],
        reader: Reader,
        surface: Surface,
        anchors: Anchors,
        cost_head: CostHead | None = None,
        beside: Beside | None = None,
    ) -> None:
        self.candidates = tuple(candidates)
        self.reader = reader
        self.surface = surface
        self.anchors = anchors
        self.cost_head = cost_head
        self.beside = beside

    def success_probability(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Encode the prompts and evaluate the surface, and what stands beside it."""
        return self.from_vectors(*self.reader.read(texts, progress))

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
        return self.members_of(*self.reader.read(texts))

    def members_of(self, vectors: np.ndarray, tokens: Tokens) -> list[Member]:
        """Return what each member that has a weight says of prompts that were encoded already, as of `from_vectors`."""
        if self.beside is None:
            return [Member(self.surface_name, 1.0, self.from_vectors(vectors, tokens))]
        said = self.beside.say(self.surface, vectors, tokens)
        names = (self.surface_name, *members.NAMES[1:])
        weighed = zip(names, self.beside.weights, said, strict=True)
        return [Member(name, float(weight), one) for name, weight, one in weighed if weight > 0]

    @property
    def doubt(self) -> np.ndarray:
        """Return the surface's."""
        return self.surface.doubt

    def admit(self, newcomers: Profile) -> Self:
        """Place the newcomers by their answers to the aptitude test and to other questions."""
        others = self.reader.read(newcomers.texts)[0]
        surface = self.surface
        for i in range(len(newcomers.names)):
            surface = newcomer.place(surface, self._answers(newcomers, i, others, surface))
        names = [*self.candidates, *newcomers.names]
        columns = [*range(len(self.candidates)), *(-1 for _ in newcomers.names)]
        heads = None if self.cost_head is None else self.cost_head.of(columns)
        return self._with(names, surface, heads)

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

    def truncated(self, texts: Sequence[str]) -> np.ndarray:
        """Say which prompts are longer than the encoder reads."""
        return self.reader.truncated(texts)

    def read(self, texts: Sequence[str]) -> Prediction:
        """Encode the prompts once, evaluate the surface, and measure how foreign they are and what answers cost."""
        vectors, tokens = self.reader.read(texts)
        cost = self.expected_cost(vectors, texts)
        return Prediction(self.from_vectors(vectors, tokens), self.truncated(texts), self.foreign(vectors), cost)

    def expected_cost(self, vectors: np.ndarray, texts: Sequence[str]) -> np.ndarray | None:
        """Return what the cost head expects of prompts with known vectors, (n, candidates); None without a head."""
        return None if self.cost_head is None else self.cost_head(vectors, tokens_in(texts))

    @property
    def predicts_cost(self) -> bool:
        """Say whether there is a cost head."""
        return self.cost_head is not None

    @property
    def tells_foreign(self) -> bool:
        """Say that it does, by the scale of its surface."""
        return True

    def forgetting_cost(self, column: int) -> Self:
        """Leave out the candidate's cost head."""
        if self.cost_head is None:
            return self
        heads = self.cost_head.of([-1 if i == column else i for i in range(len(self.candidates))])
        return self._with(self.candidates, self.surface, heads)

    @abstractmethod
    def _with(self, candidates: Sequence[str], surface: Surface, cost_head: CostHead | None) -> Self:
        """Return a router that differs in these alone."""

    @cached_property
    def foreign(self) -> ForeignScale:
        """Return the scale that says how foreign prompts are, by their vectors."""
        return foreign.scale(self.surface)

    def likeness(self, texts: Sequence[str]) -> np.ndarray:
        """Compare as the surface does, in all layers; a question without a vector has no answers from the zoo."""
        held = self.anchors.vectors.any(axis=(1, 2))
        return np.where(held, self.surface.similarity(self.reader.read(texts)[0], self.anchors.vectors), -1.0)

    def kernel(self, likeness: np.ndarray) -> np.ndarray:
        """Return the surface's kernel."""
        return surfaces.kernel(likeness)

    def tensors(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what a bundle keeps of surface, anchors, cost head and members: tensors by name, and settings."""
        tensors, numbers = stored.surface_as_tensors(self.surface)
        tensors |= {
            "anchors.vectors": self.anchors.vectors.astype(np.float16),
            "anchors.zoo": self.anchors.zoo.astype(np.float32),
        }
        if self.cost_head is not None:
            tensors |= {f"cost.{name}": value for name, value in vars(self.cost_head).items()}
        settings: dict[str, Any] = {"surface": numbers}
        if self.beside is not None:
            beside, more = stored.beside_as_tensors(self.beside)
            tensors, settings = tensors | beside, settings | more
        return tensors, settings


def restored(
    tensors: dict[str, np.ndarray], settings: dict[str, Any]
) -> tuple[Surface, Anchors, CostHead | None, Beside | None]:
    """Return what `SurfaceRouter.tensors` kept, those of older bundles included."""
    # Older bundles subtracted the uncertainty margin from the means.
    tensors.setdefault("surface.doubt", np.zeros(len(tensors["surface.means"]), dtype=np.float32))
    priced = {name.removeprefix("cost."): value for name, value in tensors.items() if name.startswith("cost.")}
    return (
        stored.surface(tensors, settings["surface"]),
        Anchors(tensors["anchors.vectors"].astype(np.float32), tensors["anchors.zoo"]),
        CostHead(**priced) if priced else None,
        stored.beside(tensors, settings),
    )
