"""A router as a notebook has it: `modelsat.load`, then `route` and `explain`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from os import PathLike
from typing import Any

from modelsat.bundle import explanation, opening, ranking
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.explanation import ExplainedChoice
from modelsat.bundle.routed import RoutedPrompts
from modelsat.errors import InputError
from modelsat.io.progress import StepProgress
from modelsat.policy import preferences as requests
from modelsat.policy.preferences import Preferences
from modelsat.routers.router import Prediction, joined
from modelsat.text.prompts import rendered, require_characters

BLOCK = 256
"""Prompts that are read at once between two reports of progress."""

Prompt = str | Mapping[str, Any]


class LoadedRouter:
    """A router in memory. Nothing is fetched or written after loading, and no LLM is called.

    Args:
        bundle: The router with everything that travels with it.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    @property
    def names(self) -> tuple[str, ...]:
        """Return the candidates that the router chooses from."""
        return self._bundle.names

    @property
    def digest(self) -> str:
        """Return the digest of the router's bundle, which names it everywhere."""
        return self._bundle.digest

    @property
    def lineage(self) -> dict[str, Any]:
        """Return the facts on where the router comes from: data, recipe, seed, training means."""
        return self._bundle.lineage

    def route(
        self,
        prompts: Prompt | Iterable[Prompt],
        preferences: Preferences = Preferences(),
        progress: Callable[[str], None] = print,
    ) -> RoutedPrompts:
        """Choose a candidate for each prompt.

        Args:
            prompts: One prompt or several, each a string or a mapping with `prompt` and optionally `choices`, a list
                of strings; rendered as the endpoint renders them.
            preferences: Which candidates may be chosen, and how.
            progress: Called with a line now and then while many prompts are read.

        Raises:
            InputError: A prompt is empty or something else, a preference is out of its range, or no candidate is
                allowed.
        """
        several = isinstance(prompts, Iterable) and not isinstance(prompts, str | Mapping)
        given: list[Any] = list(prompts) if several else [prompts]
        texts = [_text(one, f"prompt {i}") for i, one in enumerate(given)]
        wanted = requests.read(asdict(preferences))
        ranking.check(self._bundle, texts, wanted)
        prediction = read_in_blocks(self._bundle, texts, StepProgress("reading prompts", progress))
        ranked = ranking.rank(self._bundle, texts, prediction, replace(wanted, top_k=None))
        return RoutedPrompts(tuple(texts), ranked, wanted, self.digest)

    def explain(
        self, prompt: Prompt, preferences: Preferences = Preferences(), questions: int = explanation.QUESTIONS
    ) -> ExplainedChoice:
        """Show what each part of the router says of the best two candidates, and how they did on similar questions.

        Args:
            prompt: A string, or a mapping with `prompt` and optionally `choices`, a list of strings.
            preferences: Which candidates may be chosen, and how.
            questions: Most questions to show, at least 1.

        Raises:
            InputError: The prompt is empty or a list, a preference is out of its range, or no candidate is allowed.
        """
        if not isinstance(prompt, str | Mapping):
            raise InputError("explain takes one prompt; call it for each: [router.explain(one) for one in prompts]")
        routed = self.route(prompt, preferences)
        rows = ranking.rows(routed.ranking)
        foreign = float(routed.ranking.foreign[0])
        facts = explanation.explain(self._bundle, routed.prompts[0], rows, questions, foreign)
        return ExplainedChoice(routed.model[0], ranking.reason(rows, routed.ranking.preferences), **facts)

    def __repr__(self) -> str:
        """Return digest and candidates in one line."""
        shown = ", ".join(self.names[:5]) + (", ..." if len(self.names) > 5 else "")
        return f"modelsat router {self.digest[:12]} between {len(self.names)} candidates: {shown}"


def load(uri: str | PathLike[str]) -> LoadedRouter:
    """Load a router and check every file of it; a fetched copy is removed once the router is in memory.

    Args:
        uri: A folder, `s3://...`, or `models:/name@alias` and `models:/name/version` of the MLflow server that
            `MLFLOW_TRACKING_URI` names.

    Raises:
        InputError: There is no router, or a file of it is missing, changed or superfluous.
        ServiceError: MLflow or S3 does not answer.
    """
    with opening.opened(str(uri)) as bundle:
        return LoadedRouter(bundle)


def read_in_blocks(bundle: Bundle, texts: list[str], progress: StepProgress) -> Prediction:
    """Return what a router makes of prompts, a block at a time, and report progress between blocks."""
    parts = []
    for start in range(0, len(texts), BLOCK):
        parts.append(bundle.reading(texts[start : start + BLOCK]))
        if start + BLOCK < len(texts):
            progress(start + BLOCK, len(texts))
    return joined(parts)


def _text(given: Any, place: str) -> str:
    if not isinstance(given, str | Mapping):
        raise InputError(f"{place} is {type(given).__name__}; give a string, or a mapping with prompt and choices")
    text = rendered(given, place)
    require_characters(text, place)
    return text
