"""Templates of lm-evaluation-harness tasks, rendered with a document so that a results file can do no harm.

A results file may come from anywhere, and Jinja is a programming language: a loop in a loop can run for days. So only
templates of harmless parts are rendered, in Jinja's sandbox: conditions, one level of loops, and methods and filters
that do not let a text grow beyond a bound. Of any other template nothing is said.
"""

import ast
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

_LONGEST_TEMPLATE = 100_000
_LONGEST_TEXT = 10_000_000
_MOST_VARIABLES = 5
_METHODS = frozenset(
    (
        *("strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize", "split", "rsplit", "splitlines"),
        *("join", "index", "find", "count", "startswith", "endswith", "items", "keys", "values", "get", "isdigit"),
        *("removeprefix", "removesuffix", "partition", "rpartition", "replace"),
    )
)
_FILTERS = frozenset(
    (
        *("trim", "upper", "lower", "title", "capitalize", "string", "int", "length", "count", "first", "last", "list"),
        *("join", "default", "d", "replace", "sort", "reverse", "tojson", "round", "abs"),
    )
)
_FUNCTIONS = frozenset(("range", "zip", "enumerate", "len", "str"))
_PARTS = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem),
    *(nodes.Slice, nodes.Filter, nodes.Call, nodes.CondExpr, nodes.If, nodes.For, nodes.Assign, nodes.List),
    *(nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Concat, nodes.Add, nodes.Sub, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Test, nodes.Keyword, nodes.Mod),
)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox that also bounds how long a text can become."""

    intercepted_binops = frozenset("+%")

    def call(self, context: Any, callee: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the template unless the result could be huge."""
        text, name = getattr(callee, "__self__", None), getattr(callee, "__name__", "")
        if isinstance(text, str) and name == "replace":
            return _replace(text, *args)
        if isinstance(text, str) and name == "join":
            return _join(args[0], text)
        return super().call(context, callee, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Add what stays short, and take remainders of numbers only: `%` of a text can be as long as it likes."""
        if operator == "%" and isinstance(left, str):
            raise ValueError("a text is formatted")
        if operator == "+" and isinstance(left, str | list):
            _bound(len(left) + len(right))
        return super().call_binop(context, operator, left, right)


def render(template: object, doc: Mapping[str, object]) -> str | None:
    """Return the text of a task's template for a document as the harness makes it, None where that cannot be told.

    Args:
        template: A field of a task's configuration: Jinja, the name of a field of the document, or source code.
        doc: The document.
    """
    if not isinstance(template, str):
        return None
    if template in doc:
        value = doc[template]
        return value if isinstance(value, str) else json.dumps(value)
    compiled = _compiled(template)
    if compiled is None:
        return None
    try:
        pieces, size = [], 0
        for piece in compiled.generate(**{str(name): value for name, value in doc.items()}):
            size += len(piece)
            if size > _LONGEST_TEXT:
                return None
            pieces.append(piece)
        return "".join(pieces)
    except Exception:
        # A template fails in as many ways as Python: a field may be absent, of another type, or too short.
        return None


def render_list(template: object, doc: Mapping[str, object]) -> list[str] | None:
    """Return the options that a task's `doc_to_choice` gives for a document, None where that cannot be told."""
    value = template
    if isinstance(template, str):
        value = doc.get(template)
        if value is None:
            try:
                value = ast.literal_eval(render(template, doc) or "")
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                return None
    if isinstance(value, Mapping):
        value = list(value.values())
    return [str(item) for item in value] if isinstance(value, list) else None


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template | None:
    if len(template) > _LONGEST_TEMPLATE or template.lstrip().startswith(("def ", "<function", "lambda", "functools")):
        return None
    environment = _Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.globals.update(zip=zip, enumerate=enumerate, len=len, str=str)
    environment.filters.update(replace=_replace, join=_join)
    try:
        if not _is_harmless(environment.parse(template)):
            return None
        return environment.from_string(template)
    except (TemplateError, RecursionError, ValueError):
        return None


def _is_harmless(tree: nodes.Template) -> bool:
    variables = sum(1 for _ in tree.find_all(nodes.Assign))
    if variables > _MOST_VARIABLES or (variables and tree.find(nodes.Concat)):
        return False
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while waiting:
        node, loops = waiting.pop()
        loops += isinstance(node, nodes.For)
        if loops > 1 or not isinstance(node, _PARTS) or (isinstance(node, nodes.For) and node.recursive):
            return False
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            return False
        if isinstance(node, nodes.Call) and not _is_known(node.node):
            return False
        waiting += [(child, loops) for child in node.iter_child_nodes()]
    return True


def _is_known(callee: nodes.Node) -> bool:
    if isinstance(callee, nodes.Getattr):
        return callee.attr in _METHODS
    return isinstance(callee, nodes.Name) and callee.name in _FUNCTIONS


def _replace(text: object, old: object, new: object) -> str:
    _bound(len(str(text)) * max(1, len(str(new))))
    return str(text).replace(str(old), str(new))


def _join(values: Iterable[object], separator: object = "") -> str:
    texts = [str(value) for value in values]
    _bound(sum(map(len, texts)) + len(texts) * len(str(separator)))
    return str(separator).join(texts)


def _bound(size: int) -> None:
    if size > _LONGEST_TEXT:
        raise ValueError("the text would become too long")
