"""The code that a module depends on, found without running it, as a key for results that are kept.

A result that took hours is still good after a change of code it never ran, and stale after one that it did. So its key
is the digest of its own module and of all modules below it: what is imported, at the top or inside a function, and what
is named in a string ("modelsat.routers.knn:Knn"), as tables of lazily imported modules have it. Comments, docstrings
and layout of code change nothing.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from modelsat.errors import InputError

PACKAGES = ("modelsat", "training")
"""Whose code is followed; versions of other packages are no part of the digest."""

_HARMLESS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)


def code_digest(modules: Iterable[str], folders: Mapping[str, Path] | None = None) -> str:
    """Return a digest of everything that decides what modules compute: 32 hexadecimal digits.

    Args:
        modules: Dotted names.
        folders: Folder by top-level package; by default the installed ones of `PACKAGES`.

    Raises:
        InputError: As of `code_below`.
    """
    digest = hashlib.sha256()
    for module, tree in sorted(_trees(modules, folders).items()):
        digest.update(f"{module}\n{ast.dump(_bare(tree))}\n".encode())
    return digest.hexdigest()[:32]


def code_below(modules: Iterable[str], folders: Mapping[str, Path] | None = None) -> frozenset[str]:
    """Return the names of all modules that given ones depend on, themselves included.

    Of a package above a module, which runs first, nothing counts but what it does beside importing and defining.

    Args:
        modules: Dotted names.
        folders: As of `code_digest`.

    Raises:
        InputError: There is no such module, or one cannot be parsed.
    """
    return frozenset(_trees(modules, folders))


def _trees(modules: Iterable[str], folders: Mapping[str, Path] | None) -> dict[str, ast.Module]:
    source = _Source(dict(folders) if folders is not None else dict(_installed(PACKAGES)))
    waiting, trees = list(modules), {}
    for module in waiting:
        if source.path(module) is None:
            raise InputError(f"there is no module {module!r} in {sorted(source.folders)}; correct the name")
    while waiting:
        module = waiting.pop()
        if module in trees:
            continue
        trees[module] = source.tree(module)
        waiting += _named(module, trees[module], source)
        waiting += [parent for parent in _parents(module) if _acts(source.tree(parent))]
    return trees


def _installed(packages: Iterable[str]) -> Iterator[tuple[str, Path]]:
    for package in packages:
        spec = find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            yield package, Path(next(iter(spec.submodule_search_locations)))


class _Source:
    """Modules by name, parsed once."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders
        self._trees: dict[str, ast.Module] = {}

    def path(self, module: str) -> Path | None:
        """Return the file of a module or package of ours; None where there is none."""
        top, *rest = module.split(".")
        if top not in self.folders or not all(part.isidentifier() for part in rest):
            return None
        place = self.folders[top].joinpath(*rest)
        files = (place / "__init__.py", place.with_suffix(".py"))
        return next((file for file in files if file.is_file()), None)

    def tree(self, module: str) -> ast.Module:
        """Return the syntax tree of a module that is there; a package without a file is empty."""
        if module not in self._trees:
            path = self.path(module)
            try:
                text = path.read_text(encoding="utf-8") if path is not None else ""
                self._trees[module] = ast.parse(text)
            except (OSError, SyntaxError, ValueError) as error:
                raise InputError(f"module {module!r} cannot be parsed ({error}); mend {str(path)!r}") from error
        return self._trees[module]

    def below(self, package: str) -> list[str]:
        """Return the modules right below a package."""
        path = self.path(package)
        if path is None or path.name != "__init__.py":
            return []
        return [f"{package}.{file.stem}" for file in sorted(path.parent.glob("*.py")) if file.stem != "__init__"]


def _named(module: str, tree: ast.Module, source: _Source) -> Iterator[str]:
    """Yield the modules of ours that a module imports or names in a string."""
    path = source.path(module)
    is_package = path is not None and path.name == "__init__.py"
    here = module if is_package else module.rpartition(".")[0]
    for node in _run_nodes(_bare(tree)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if source.path(alias.name))
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                above = here.split(".")[: len(here.split(".")) - node.level + 1]
                origin = ".".join([*above, *filter(None, [origin])])
            below = [f"{origin}.{alias.name}" for alias in node.names]
            yield from (name for name in below if source.path(name))
            # A name that is no module of the package is made by the package itself; its version decides nothing.
            own = [name for name in below if not source.path(name) and not name.endswith(".__version__")]
            if source.path(origin) and own:
                yield origin
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.partition(":")[0]
            if "." in name and source.path(name):
                yield name
            elif name.endswith("."):
                # The beginning of an f-string: any module of the package may be meant.
                yield from source.below(name[:-1])


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from _run_nodes(other)
            continue
        yield node
        yield from _run_nodes(node)


def _bare(tree: ast.Module) -> ast.Module:
    """Return a tree without docstrings and other strings that stand alone."""
    return _WithoutText().visit(ast.Module(tree.body, []))


class _WithoutText(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node


def _parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    return (".".join(parts[:i]) for i in range(1, len(parts)))


def _acts(tree: ast.Module | ast.If) -> bool:
    """Say whether a package does something when it is imported, such as setting a variable of the environment."""
    body = [*tree.body, *tree.orelse] if isinstance(tree, ast.If) else _bare(tree).body
    return any(_is_act(node) for node in body)


def _is_act(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return _calls(node.test) or _acts(node)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return _calls(node)
    return not isinstance(node, _HARMLESS)


def _calls(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Call) for part in ast.walk(node))
