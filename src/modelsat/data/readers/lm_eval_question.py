"""The question that lm-evaluation-harness put to a model for one document, without what belongs to the run.

What was really sent is the truth. The task's own template, rendered with the document, finds the question in it
exactly, whatever stands around: system prompt, description, examples, markers of a chat template. Where the template
is code, the chat's last user message is taken and the known parts are cut off before and after.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelsat.data.readers.lm_eval_chat import has_markers, last_user_text
from modelsat.data.readers.lm_eval_options import OptionList, are_labels, listed, listed_again, listed_under
from modelsat.data.readers.lm_eval_requests import HarnessRequests, last_user_message
from modelsat.data.readers.lm_eval_shots import leaves, without_examples, without_own_examples
from modelsat.data.readers.lm_eval_templates import render, render_list

ELSEWHERE = 3

_QUESTIONS = ("question", "query", "problem", "prompt", "instruction", "goal")
_ASKS = re.compile(r"^(?:question|query|problem|q)\s*[:\uff1a]\s*", re.IGNORECASE)
_ANSWERS = re.compile(r"\s*\n\s*(?:answer|a|solution|response|output)\s*[:\uff1a]\s*$", re.IGNORECASE)
_OPTIONS = re.compile(r"\s*\n\s*(?:answer )?(?:options|choices)\s*[:\uff1a]\s*$", re.IGNORECASE)
_WORDY = 12


@dataclass(frozen=True)
class TaskSetting:
    """How a task was run: the parts of a results file that say what stands around a question.

    Attributes:
        config: The task's configuration.
        n_shots: How many examples stood before each question.
        system: The system prompt of the run.
        is_chat: Whether a chat template was applied.
    """

    config: Mapping[str, object]
    n_shots: int
    system: str
    is_chat: bool

    @property
    def output_type(self) -> str:
        """Return how the task was run, such as `multiple_choice` or `generate_until`."""
        return str(self.config.get("output_type"))

    def text(self, name: str, otherwise: str = "") -> str:
        """Return a text of the configuration."""
        value = self.config.get(name)
        return value if isinstance(value, str) else otherwise


@dataclass(frozen=True)
class HarnessQuestion:
    """What was asked.

    Attributes:
        prompt: The question; empty where the task asks none.
        choices: The options in their order, None where there are none.
        labels: What the options stood under in the prompt; empty where they had no labels.
        doubt: How far the text had to be guessed: 0 as the task's template gives it or as sent without examples and
            chat template, 1 taken out of a chat, 2 cut out from behind examples, `ELSEWHERE` where the document does
            not give what was sent, as when the harness shuffled options anew; then its right answer is unknown, too.
    """

    prompt: str
    choices: tuple[str, ...] | None
    labels: tuple[str, ...]
    doubt: int


def asked(
    requests: HarnessRequests, doc: Mapping[str, object], target: str, setting: TaskSetting
) -> HarnessQuestion | None:
    """Return what was asked about a document, None where the row says nothing of it.

    Args:
        requests: What was sent to the model.
        doc: The document.
        target: The right answer as the harness wrote it.
        setting: How the task was run.
    """
    if not requests.contexts or setting.output_type == "loglikelihood_rolling":
        return None
    if len(requests.contexts) > 1:
        return _partial(requests, doc, setting)
    text, doubt = _rendered(requests.contexts[0], doc, setting)
    text = without_own_examples(text, doc).strip()
    listing = _listing(text, requests.continuations, doc, target, setting)
    choices = listing.options if listing else _continued(requests.continuations)
    return HarnessQuestion(_stem(text, listing, doc), choices, listing.labels if listing else (), doubt)


def _rendered(context: object, doc: Mapping[str, object], setting: TaskSetting) -> tuple[str, int]:
    """Return the text that the task makes of a document, and how far it was guessed."""
    sent = "\n".join(text for _, text in context) if isinstance(context, tuple) else str(context)
    exact = render(setting.config.get("doc_to_text"), doc)
    if exact is not None and (not exact.strip() or exact.strip() in sent):
        return exact.strip(), 0
    doubt = 0
    if isinstance(context, tuple):
        text, is_multiturn = last_user_message(context), any(role == "assistant" for role, _ in context[:-1])
    else:
        said = last_user_text(sent, setting.is_chat)
        text, turns = said or (sent, 1)
        is_multiturn, doubt = turns > 1, int(said is not None or has_markers(sent))
    text = _without_frame(text, doc, setting)
    if setting.n_shots and not is_multiturn:
        delimiter = setting.text("fewshot_delimiter", "\n\n")
        text, doubt = without_examples(text, doc, delimiter, setting.n_shots), 2
    return text.strip(), doubt if exact is None else ELSEWHERE


def _without_frame(text: str, doc: Mapping[str, object], setting: TaskSetting) -> str:
    """Cut off the system prompt and the description before a prompt, and the beginning of the answer after it."""
    for name in (setting.system, render(setting.config.get("description"), doc)):
        start = (name or "").strip()
        if start and text.lstrip().startswith(start):
            text = text.lstrip()[len(start) :].lstrip()
    begun = (render(setting.config.get("gen_prefix"), doc) or "").strip()
    return text.rstrip().removesuffix(begun) if begun else text


def _partial(requests: HarnessRequests, doc: Mapping[str, object], setting: TaskSetting) -> HarnessQuestion | None:
    """Read a task that puts its options into the context, each with the same continuation, as Winogrande does.

    What the contexts share is the question; how each goes on, with the continuation, is an option.
    """
    endings = requests.continuations or ("",) * len(requests.contexts)
    whole = render_list(setting.config.get("doc_to_choice"), doc)
    texts, doubt = [], 0
    for i, context in enumerate(requests.contexts):
        sent = context if isinstance(context, str) else last_user_message(context)
        given = whole[i].strip() if whole and len(whole) == len(requests.contexts) else None
        if given and given in sent:
            texts.append(given)
        else:
            text, guessed = _rendered(context, doc, setting)
            texts.append(text)
            doubt = max(doubt, guessed)
    shared = _shared_start(texts)
    options = tuple(
        f"{text[len(shared) :].strip()} {ending.strip()}".strip() for text, ending in zip(texts, endings, strict=True)
    )
    return HarnessQuestion(shared.strip(), options if all(options) else None, (), doubt)


def _listing(
    text: str, continuations: Sequence[str], doc: Mapping[str, object], target: str, setting: TaskSetting
) -> OptionList | None:
    answers = [answer.strip() for answer in continuations]
    if setting.output_type != "multiple_choice":
        return listed(text, doc, target)
    if are_labels(answers):
        # A document may show fewer options than the task has labels.
        shown = (listed_under(text, answers[:n], doc) for n in range(len(answers), 1, -1))
        return next(filter(None, shown), None) or _known(text, len(answers), doc)
    return listed_again(text, answers, doc)


def _known(text: str, n: int, doc: Mapping[str, object]) -> OptionList | None:
    """Return the options that the document holds in a list and the prompt shows in another way than under labels."""
    for value in doc.values():
        given = value.get("text") if isinstance(value, dict) else value
        if (
            isinstance(given, list)
            and len(given) == n
            and all(isinstance(item, str) and item in text for item in given)
        ):
            return OptionList(text, (), tuple(item.strip() for item in given), "")
    return None


def _continued(continuations: Sequence[str]) -> tuple[str, ...] | None:
    answers = tuple(answer.strip() for answer in continuations)
    return answers if len(answers) > 1 and all(answers) and not are_labels(answers) else None


def _stem(text: str, listing: OptionList | None, doc: Mapping[str, object]) -> str:
    """Return the question without its options and without the labels around it.

    Where the prompt holds the document's own question and nothing else of the document, that is the question: a task
    that words its instructions otherwise asks the same.
    """
    after = listing.after if listing else ""
    is_asked_after = any(leaf in after for leaf in leaves(doc))
    stem = _OPTIONS.sub("", listing.before) if listing else text
    fields = {str(name).lower(): value for name, value in doc.items()}
    for name in _QUESTIONS:
        own = fields.get(name)
        if isinstance(own, str) and len(own.strip()) >= _WORDY and own.strip() in stem and not is_asked_after:
            rest = stem.replace(own.strip(), "\n", 1)
            if not any(leaf in rest for leaf in leaves(doc)):
                return own.strip()
    if is_asked_after:
        return _without_labels(f"{stem}\n\n{after}")
    return _without_labels(stem)


def _without_labels(text: str) -> str:
    bare = _ANSWERS.sub("", "\n" + text.strip()).strip()
    return (_ASKS.sub("", bare, count=1) or bare).strip()


def _shared_start(texts: Sequence[str]) -> str:
    """Return what texts share at the front, up to the end of a word."""
    first, last = min(texts), max(texts)
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    if n == len(first) == len(last):
        return first
    return first[: max((i + 1 for i in range(n) if first[i].isspace()), default=0)]
