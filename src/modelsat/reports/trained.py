"""The training page: loss and learning rate over the steps, and what was trained on what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelsat.reports import figures, page
from modelsat.reports.page import Section, TableRow

_VERDICTS = {
    True: "The network may add to fusion, so training took all steps of its recipe.",
    False: "The network adds nothing to fusion, so training ended here: further steps would not have helped.",
}


@dataclass(frozen=True)
class Worth:
    """What training was worth, as `trained.json` has it.

    Attributes:
        steps: Taken.
        planned: Of the recipe.
        checks: What the network added to fusion: `step`, `mean` in nats per answer, `error`, its standard error.
    """

    steps: int = 0
    planned: int = 0
    checks: Sequence[Mapping[str, float]] = ()

    def clause(self) -> str:
        """Return why training ended early, for the middle of a sentence; empty where it did not."""
        if self.steps == self.planned:
            return ""
        return f" of {self.planned:,} (the network adds nothing to fusion)"


def write(
    history: Sequence[Mapping[str, float]], facts: Mapping[str, Any], path: Path | str, worth: Worth | None = None
) -> None:
    """Write the page of the fine-tune step.

    Args:
        history: One mapping per logged step with step, loss, learning_rate and examples_per_second.
        facts: Names and values of what was derived before training.
        path: Where to.
        worth: What training was worth; None where it was not measured.
    """
    worth = worth or Worth()
    steps = [row["step"] for row in history]
    losses = [row["loss"] for row in history]
    sections = []
    if history:
        sections.append(Section("Loss", figure=figures.lines({"training loss": (steps, losses)}, "step", "loss")))
        rates = {"learning rate": (steps, [row["learning_rate"] for row in history])}
        sections.append(Section("Learning rate", figure=figures.lines(rates, "step", "learning rate")))
    if worth.checks:
        measured = [
            TableRow((f"{int(row['step']):,}", f"{1000 * row['mean']:+.1f}", f"{1000 * row['error']:.1f}"))
            for row in worth.checks
        ]
        sections.append(
            Section(
                "What the network adds to fusion",
                text=_VERDICTS[worth.steps == worth.planned],
                heads=("after step", "log-loss saved, thousandths of a nat per answer", "standard error"),
                rows=measured,
                numeric=frozenset({0, 1, 2}),
                note="Measured on validation prompts, which neither was trained on; the network's weight is chosen on "
                "other prompts than those measured.",
            )
        )
    rows = [TableRow((name.replace("_", " "), _shown(value))) for name, value in facts.items()]
    sections.append(Section("What was trained", heads=("fact", "value"), rows=rows))
    sentence = (
        f"loss {losses[0]:.4f} to {losses[-1]:.4f} in {int(steps[-1]):,} steps{worth.clause()}"
        if history
        else "nothing was left to train"
    )
    page.write(path, "Fine-tuned router", sentence, sections)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
