"""The list of verbs in `modelsat --help`: in groups, and with no sentence cut off."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from typer.core import TyperGroup

from modelsat.cli import config_file

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

GROUPS = {
    "Run on this machine": ("run", "status", "champions", "stop", "sample"),
    "Data": ("collect", "validate", "feedback"),
    "Training and evaluation": ("prove", "instruct", "evaluate"),
    "Serve": ("route", "explain", "serve", "gateway"),
    "Models": ("catalogue", "measure", "ask", "onboard", "watch", "releases", "webhooks"),
    "Cluster": ("compile", "submit", "pack", "reconcile", "rollback"),
}
_HELPS = frozenset({"--help", "--version", "--show-completion", "--install-completion"})


class WholeSentences(TyperGroup):
    """Lists each verb with the whole first sentence of its help, wrapped rather than cut off."""

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write the list by groups; verbs of no group come last."""
        grouped = {verb for verbs in self.groups.values() for verb in verbs}
        others = tuple(verb for verb in self.list_commands(ctx) if verb not in grouped)
        width = max(map(len, self.list_commands(ctx)))
        for group, verbs in {**self.groups, "Commands": others}.items():
            shown = [verb for verb in verbs if verb in self.commands and not self.commands[verb].hidden]
            if shown:
                with formatter.section(group):
                    # Equal columns in all groups.
                    formatter.write_dl(
                        [(f"{verb:<{width}}", first_sentence(self.commands[verb].help)) for verb in shown]
                    )


class GroupedVerbs(WholeSentences):
    """Lists verbs by `GROUPS`, and takes defaults of options from the configuration file."""

    groups = GROUPS

    def make_context(
        self, info_name: str | None, args: list[str], parent: "Context | None" = None, **extra: Any
    ) -> "Context":
        """Begin to read the command line; help is shown whatever the configuration file says."""
        if args and not _HELPS & {*args}:
            file = config_file.find(Path.cwd())
            if file is not None:
                extra["default_map"] = _nested(config_file.defaults(file, dict(_options(self))))
        return super().make_context(info_name, args, parent, **extra)


def _options(group: Any, path: str = "") -> Iterator[tuple[str, dict[str, config_file.Option]]]:
    """Yield each verb with its options by name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _options(command, f"{path}{name} ")
            continue
        options: dict[str, config_file.Option] = {}
        for param in command.params:
            annotation = str(getattr(param.type_descriptor, "annotation", ""))
            option = config_file.Option(param.name, "pathlib" in annotation, "list[" in annotation)
            options |= {opt[2:].replace("-", "_"): option for opt in param.opts if opt.startswith("--")}
        yield f"{path}{name}", options


def _nested(defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return defaults as contexts hand them on: those of a verb below its group."""
    nested: dict[str, Any] = {}
    for verb, settings in defaults.items():
        *groups, name = verb.split(" ")
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[name] = {**place.get(name, {}), **settings}
    return nested


def first_sentence(help_text: str | None) -> str:
    """Return the first sentence of a verb's help, which stands on its own in its first paragraph."""
    paragraph = " ".join((help_text or "").split("\n\n")[0].split())
    sentence, end, _ = paragraph.partition(". ")
    return sentence + end.strip()
