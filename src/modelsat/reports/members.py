"""The member table of a page: who contributes what to the router."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelsat.reports import page
from modelsat.reports.page import Section, TableRow

HEADS = ("member", "weight", "log-loss", "accuracy of its choices", "prompts")


def section(rows: Sequence[Mapping[str, Any]]) -> Section | None:
    """Return the table; None for a router without parts.

    Args:
        rows: As of `modelsat.challenger.member_table`.
    """
    if not rows:
        return None
    cells = [
        (
            row["name"],
            page.percent(row["weight"]),
            "" if row["log_loss"] is None else f"{row['log_loss']:.4f}",
            "" if row["accuracy"] is None else page.percent(row["accuracy"]),
            f"{row['prompts']:,}",
        )
        for row in rows
    ]
    return Section(
        "Who contributes what",
        "The router's success probability is the weighted mean of its members' probabilities. Log-loss, in nats per "
        "answer, and accuracy are on training and validation prompts that the member was not fitted to.",
        heads=HEADS,
        rows=[TableRow(row) for row in cells],
        numeric=frozenset({1, 2, 3, 4}),
        note="Weights minimise the error in the differences between the candidates of a prompt, on the same prompts, "
        "and are shrunk towards equal ones: where two members agree, either may have the weight. "
        '"levels" is each candidate\'s mean, so its choice is the best single candidate.',
    )
