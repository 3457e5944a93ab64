"""Where the question begins in a prompt that also holds a description and solved examples.

The harness writes description, examples and question one after the other, with a delimiter after each example. The
examples are other documents, so the question begins at the last delimiter before the words of its own document.
"""

import re
from collections.abc import Mapping

_WORDY = 12
_LABEL = re.compile(r"^[ \t]*(?P<label>[^\W\d_][^\n:\uff1a]{0,30}?)[ \t]*[:\uff1a]", re.MULTILINE)


def without_examples(text: str, doc: Mapping[str, object], delimiter: str, n_examples: int) -> str:
    """Return the part of a prompt that asks about `doc`, without the examples before it.

    Paragraphs before the document's words belong to the question where every example has them, too.

    Args:
        text: A prompt that begins with examples.
        doc: The document it asks about.
        delimiter: What the harness writes after each example.
        n_examples: How many examples there are.
    """
    if not delimiter or delimiter not in text:
        return text
    body = text.rstrip()
    once = [body.find(leaf) for leaf in leaves(doc) if body.count(leaf) == 1]
    anchors = [at for at in once if at >= 0] or [body.rfind(leaf) for leaf in leaves(doc) if leaf in body]
    if not anchors:
        return body.rpartition(delimiter)[2]
    cut = body.rfind(delimiter, 0, min(anchors))
    while cut >= 0:
        earlier = body.rfind(delimiter, 0, cut)
        paragraph = body[earlier + len(delimiter) if earlier >= 0 else 0 : cut + len(delimiter)]
        if not paragraph.strip() or body.count(paragraph) <= n_examples:
            break
        cut = earlier
    return body[cut + len(delimiter) :] if cut >= 0 else body


def without_own_examples(text: str, doc: Mapping[str, object]) -> str:
    """Return a question without solved examples that the task itself writes before it, as some templates do.

    They show as labels that come again: the text ends with `A:`, and that label stands before with an answer. A
    conversation that belongs to the document looks alike, so nothing that the document holds is cut.
    """
    found = list(_LABEL.finditer(text))
    if len(found) < 4 or text[found[-1].end() :].count("\n") > 1:
        return text
    cue, question = found[-1]["label"], found[-2]["label"]
    if cue == question or sum(match["label"] == cue for match in found) < 2:
        return text
    starts = [match.start() for match in found if match["label"] == question]
    before = text[: starts[-1]]
    is_repeated = len(starts) > 1
    return text[starts[-1] :] if is_repeated and not any(leaf in before for leaf in leaves(doc)) else text


def leaves(doc: object) -> list[str]:
    """Return the texts of a document that are long enough to know it by, stripped."""
    out, waiting = [], [doc]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
        elif isinstance(node, str) and len(node.strip()) >= _WORDY:
            out.append(node.strip())
    return out
