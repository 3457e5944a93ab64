"""An LLM as annotator: ranked tags of prompts, asked of a chat endpoint.

As InferenceDynamics does (Shi et al., ACL 2026, arXiv 2505.16303, query annotation).

The annotator reads only the prompt's text. Answers are cached on disk, so that a stopped run resumes. The wording is
ours; the temperature is 0 instead of the published 1, so that routing is deterministic.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from modelsat.errors import ServiceError
from modelsat.io.atomic import write_json
from modelsat.io.chat_endpoint import ChatEndpoint
from modelsat.text.rendering import digest

CAPABILITIES = (
    "reasoning",
    "comprehension",
    "instruction following",
    "agentic",
    "knowledge retrieval",
    "coding",
    "in-context learning",
    "multilingual",
)
"""The closed set of the paper."""

RANKS = 4
"""How many tags of a kind are read of an answer."""

CONCURRENT = 8
CHARACTERS = 8000
"""Of a prompt that are sent; a longer one loses its middle."""

INSTRUCTION = f"""You describe requests to language models. Do not answer the request; say what answering it takes.
Reply with one JSON object and nothing else, in this form:
{{"capabilities": ["..."], "knowledge": ["..."]}}
capabilities: one to {RANKS} of the following, the most important first: {", ".join(CAPABILITIES)}.
knowledge: one to {RANKS} fields of knowledge that an answer draws on, the most important first, each a short English
phrase in lower case such as "organic chemistry" or "contract law"."""

TAGS = pa.schema([("capabilities", pa.list_(pa.string())), ("knowledge", pa.list_(pa.string()))])
"""One row per prompt, the most important tag first; null where the endpoint gave no tags that can be read."""


def annotate(
    texts: Sequence[str],
    endpoint: ChatEndpoint,
    cache: Path,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> pa.Table:
    """Return the tags of prompts as a table of the schema `TAGS`.

    Args:
        texts: Rendered prompts.
        endpoint: The annotating model.
        cache: Folder that keeps answers by the digest of text, model and wording; it holds no prompt.
        progress: Called with (prompts done, prompts in all), equal ones counted once.

    Raises:
        ServiceError: The endpoint fails for good, or no answer of it can be read.
    """
    distinct = list(dict.fromkeys(texts))
    tags = {}
    with ThreadPoolExecutor(CONCURRENT) as pool:
        answers = [pool.submit(_answer, text, endpoint, cache) for text in distinct]
        try:
            for done, (text, answer) in enumerate(zip(distinct, answers, strict=True), start=1):
                tags[text] = read(answer.result() or "")
                progress(done, len(distinct))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    if texts and not any(tags.values()):
        raise ServiceError(
            f"model {endpoint.model!r} refused every prompt or gave no answer that can be read as tags; "
            "name another annotator"
        )
    return pa.Table.from_pylist([tags[text] or dict.fromkeys(TAGS.names) for text in texts], schema=TAGS)


def read(answer: str) -> dict[str, list[str]] | None:
    """Read the tags from an answer: each once, in lower case, capabilities of the closed set only.

    Returns:
        Tags by column of `TAGS`, or None where the answer holds no JSON object with tags.
    """
    try:
        parsed = json.JSONDecoder().raw_decode(answer, answer.find("{"))[0] if "{" in answer else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    capabilities = _ranked(one for one in _phrases(parsed.get("capabilities")) if one in CAPABILITIES)
    knowledge = _ranked(_phrases(parsed.get("knowledge")))
    return {"capabilities": capabilities, "knowledge": knowledge} if capabilities or knowledge else None


def _phrases(listed: Any) -> list[str]:
    stated = listed if isinstance(listed, list) else []
    phrases = (" ".join(one.lower().split()) for one in stated if isinstance(one, str))
    return [phrase for phrase in phrases if phrase]


def _ranked(phrases: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(phrases))[:RANKS]


def _answer(text: str, endpoint: ChatEndpoint, cache: Path) -> str | None:
    key = digest("\x00".join([INSTRUCTION, endpoint.model, text]))
    path = cache / key[:2] / f"{key}.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["answer"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        answer = endpoint.ask(INSTRUCTION, f"The request:\n\n{_shortened(text)}")
    if answer is not None:
        # A lone surrogate can be in JSON and not in UTF-8.
        write_json(path, {"answer": answer.encode("utf-8", "replace").decode()})
    return answer


def _shortened(text: str) -> str:
    half = CHARACTERS // 2
    return text if len(text) <= CHARACTERS else f"{text[:half]}\n[...]\n{text[-half:]}"
