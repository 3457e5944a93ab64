"""What was collected: counts, the coverage map, what was rejected."""

from pathlib import Path

import numpy as np

from modelsat.data import score_matrix
from modelsat.data.collection import Collection
from modelsat.reports import figures, page
from modelsat.reports.page import Section, TableRow


def sentence(collection: Collection) -> str:
    """Return the collection in one sentence."""
    candidates = collection.candidates.num_rows
    cells = candidates * collection.prompts.num_rows
    missing = 1 - collection.rows / cells if cells else 0.0
    lost = collection.rejects.num_rows
    rejected = f", {lost:,} {'row' if lost == 1 else 'rows'} rejected" if lost else ""
    return (
        f"{collection.rows:,} scores of {candidates} candidates on {collection.prompts.num_rows:,} prompts "
        f"({100 * max(missing, 0.0):.0f} % not run){rejected}"
    )


def write(collection: Collection, path: Path | str, changed: str = "") -> None:
    """Write the page of the collect step.

    Args:
        collection: What was collected.
        path: Of the page.
        changed: What changed since the last collection; empty where none is known.
    """
    names = collection.candidates["candidate"].to_pylist()
    benchmarks = np.asarray(collection.prompts["benchmark"].to_pylist(), dtype=str)
    columns = [str(name) for name in np.unique(benchmarks)]
    blocks = collection.blocks("candidate", "prompt_id", "score")
    table = score_matrix.spread(blocks, collection.prompts["prompt_id"].to_pylist(), names)
    asked = ~np.isnan(table)
    shares = np.asarray([asked[benchmarks == column].mean(axis=0) for column in columns]).T.reshape(
        len(names), len(columns)
    )
    sections = []
    if changed:
        rows = [TableRow((part,)) for part in changed.split("; ")]
        sections.append(Section("Since the last collection", rows=rows, heads=("what changed",)))
    if names and columns:
        sections.append(
            Section(
                "Coverage",
                "Share of each benchmark's prompts on which a candidate was run, in percent; red: not run at all.",
                figures.coverage(names, columns, shares),
            )
        )
    np.nan_to_num(table, copy=False, nan=0.0)
    sections.append(_candidates(collection, table, asked))
    if collection.notes:
        sections.append(
            Section("Remarks", rows=[TableRow((note,)) for note in collection.notes], heads=("what was noticed",))
        )
    if collection.rejects.num_rows:
        sections.append(rejects(collection))
    page.write(
        path,
        "Collected benchmark scores",
        sentence(collection),
        sections,
        footer=f"sources: {', '.join(collection.sources)}",
    )


def rejects(collection: Collection) -> Section:
    """Return the table of rejected rows with file, row and reason."""
    shown = collection.rejects.slice(0, 50).to_pylist()
    rows = [
        TableRow(
            (
                row["source_uri"],
                "whole file" if row["source_row"] is None else row["source_row"],
                row["value"] or "",
                row["reason"],
            ),
            "bad",
        )
        for row in shown
    ]
    note = f"{collection.rejects.num_rows - 50} more" if collection.rejects.num_rows > 50 else ""
    return Section(
        "Rejected rows", heads=("file", "row", "value", "reason"), rows=rows, numeric=frozenset({1}), note=note
    )


def _candidates(collection: Collection, scores: np.ndarray, asked: np.ndarray) -> Section:
    """Return the table of candidates.

    Args:
        collection: What was collected.
        scores: Of (prompts, candidates), 0 where not run.
        asked: Where they were run, (prompts, candidates).
    """
    mean = scores.sum(axis=0) / np.maximum(asked.sum(axis=0), 1)
    facts = collection.candidates.to_pylist()
    order = np.argsort(-mean, kind="stable")
    rows = [
        TableRow(
            (
                facts[i]["candidate"],
                facts[i]["released_at"] or "–",
                page.dollars(facts[i]["price_in"]),
                page.dollars(facts[i]["price_out"]),
                f"{asked[:, i].sum():,}",
                page.percent(float(mean[i])),
            )
        )
        for i in order
    ]
    return Section(
        "Candidates",
        heads=("candidate", "released", "USD/M in", "USD/M out", "prompts", "mean score"),
        rows=rows,
        numeric=frozenset({2, 3, 4, 5}),
        note="Means are over the prompts a candidate was run on, so they compare only where coverage is equal.",
    )
