"""The validation page: broken checks first, each with the rows that break it."""

from pathlib import Path

from modelsat.data.collection import Collection
from modelsat.data.expectations import CRITICAL, Check
from modelsat.data.validation import ValidationOutcome
from modelsat.reports import collected, page
from modelsat.reports.page import Section, TableRow


def write(outcome: ValidationOutcome, collection: Collection, path: Path | str) -> None:
    """Write the page of the validate step."""
    broken = [check for check in outcome.checks if not check.passed]
    broken.sort(key=lambda check: check.severity != CRITICAL)
    sections = [_rows(check) for check in broken if check.rows]
    if collection.rejects.num_rows:
        sections.insert(0, collected.rejects(collection))
    sections.append(
        Section(
            "All checks",
            heads=("result", "expectation", "rows"),
            rows=[
                TableRow((_state(check), check.title, check.unexpected or ""), _tone(check))
                for check in [*broken, *(c for c in outcome.checks if c.passed)]
            ],
            numeric=frozenset({2}),
        )
    )
    halted = "" if outcome.passed else "The run stops here: "
    page.write(
        path,
        "Validated scores",
        halted + outcome.sentence(),
        sections,
        "good" if outcome.passed else "bad",
        "Checked with Great Expectations; tables are guarded against emptiness and NaN beforehand.",
    )


def _rows(check: Check) -> Section:
    heads = tuple(check.rows[0])
    rows = [TableRow(tuple("–" if value is None else value for value in row.values())) for row in check.rows]
    more = f"{check.unexpected - len(rows)} more rows. " if check.unexpected > len(rows) else ""
    return Section(f"{check.title}: broken", heads=heads, rows=rows, note=f"{more}What to do: {check.remedy}.")


def _state(check: Check) -> str:
    return "holds" if check.passed else "broken" if check.severity == CRITICAL else "warning"


def _tone(check: Check) -> str:
    return "good" if check.passed else "bad" if check.severity == CRITICAL else "warn"
