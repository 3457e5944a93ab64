"""Two changes to a written sample after which it is known beforehand what a router can find.

They belong to the library and not to one test: the tests of several stages, the benchmarks, and anyone who checks an
installation use the same two.
"""

from pathlib import Path

import numpy as np

from modelsat.data.sample.tables import read_csv, write_csv
from modelsat.errors import InputError


def plant_specialist(folder: Path, category: str, name: str) -> None:
    """Add a candidate that is right on every prompt of `category` and wrong elsewhere: a router has to find it.

    Raises:
        InputError: There is no such category, or the candidate is there already.
    """
    columns, *prompts = read_csv(folder / "prompts.csv")
    right = {row[0] for row in prompts if row[columns.index("category")] == category}
    header, *scores = read_csv(folder / "scores.csv")
    if not right or name in header:
        fault = f"already has a candidate {name!r}" if right else f"has no category {category!r}"
        raise InputError(f"the sample in {str(folder)!r} {fault}; choose another")
    models = read_csv(folder / "models.csv")
    write_csv(folder / "scores.csv", [[*header, name], *([*row, int(row[0] in right)] for row in scores)])
    write_csv(folder / "models.csv", [*models, [name, *[""] * (len(models[0]) - 1)]])


def permute_scores(folder: Path, seed: int) -> None:
    """Shuffle each candidate's scores over the prompts it was run on: there is nothing left for a router to find."""
    rng = np.random.default_rng(seed)
    header, *rows = read_csv(folder / "scores.csv")
    cells = np.array(rows, dtype=object)
    for column in cells.T[1:]:
        run = column != ""
        column[run] = rng.permutation(column[run])
    write_csv(folder / "scores.csv", [header, *cells.tolist()])
