"""The training page: loss and learning rate over the steps, and what was trained on what."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelsat.reports import figures, page
from modelsat.reports.page import Section, TableRow


def write(history: Sequence[Mapping[str, float]], facts: Mapping[str, Any], path: Path | str) -> None:
    """Write the page of the fine-tune step.

    Args:
        history: One mapping per logged step with step, loss, learning_rate and examples_per_second.
        facts: Names and values of what was derived before training.
        path: Where to.
    """
    steps = [row["step"] for row in history]
    losses = [row["loss"] for row in history]
    sections = []
    if history:
        sections.append(Section("Loss", figure=figures.lines({"training loss": (steps, losses)}, "step", "loss")))
        rates = {"learning rate": (steps, [row["learning_rate"] for row in history])}
        sections.append(Section("Learning rate", figure=figures.lines(rates, "step", "learning rate")))
    rows = [TableRow((name.replace("_", " "), _shown(value))) for name, value in facts.items()]
    sections.append(Section("What was trained", heads=("fact", "value"), rows=rows))
    sentence = (
        f"loss {losses[0]:.4f} to {losses[-1]:.4f} in {int(steps[-1]):,} steps"
        if history
        else "nothing was left to train"
    )
    page.write(path, "Fine-tuned router", sentence, sections)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
