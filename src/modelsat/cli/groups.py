"""The list of verbs in `modelsat --help`: in groups, and with no sentence cut off."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

GROUPS = {
    "Run on this machine": ("run", "status", "stop", "sample"),
    "Data": ("collect", "validate", "feedback"),
    "Training and evaluation": ("instruct", "evaluate"),
    "Serve": ("route", "explain", "serve", "gateway"),
    "Models": ("catalogue", "ask", "onboard", "watch", "releases", "webhooks"),
    "Cluster": ("compile", "submit", "reconcile", "rollback"),
}


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
    """Lists verbs by `GROUPS`."""

    groups = GROUPS


def first_sentence(help_text: str | None) -> str:
    """Return the first sentence of a verb's help, which stands on its own in its first paragraph."""
    paragraph = " ".join((help_text or "").split("\n\n")[0].split())
    sentence, end, _ = paragraph.partition(". ")
    return sentence + end.strip()
