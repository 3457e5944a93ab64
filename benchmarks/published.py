"""Fits what `modelsat.aptitude.published` knows of benchmarks, and measures what published scores say of a level.

    python benchmarks/published.py

The one-factor model is fitted by expectation-maximisation to the averages of `../shared/data/model_aggregates` (two
leaderboards and a table that joins them; missing is missing). Then every candidate of a set whose averages are listed
there is left out in turn: its level is predicted by the line of the others, and by the zoo alone.
"""

import numpy as np
import pandas as pd
from markdown import table
from quality import DATA
from strangers import Prompts
from threadpoolctl import threadpool_limits

from modelsat.aptitude import published
from modelsat.data.collection import collect
from modelsat.routers.fusion import level

SETS = ("mmlupro", "zeroeval", "mmlu_helm")
LEADERBOARD_1 = ["ARC", "HellaSwag", "MMLU", "TruthfulQA", "Winogrande", "GSM8K"]
LEADERBOARD_2 = ["IFEval", "BBH", "MATH Lvl 5", "GPQA", "MUSR", "MMLU-PRO"]
COLUMNS = [*LEADERBOARD_1, *LEADERBOARD_2, "HumanEval"]
FEWEST_SCORES, ROUNDS, LEAST_DEVIATION = 4, 200, 0.1


def main() -> None:
    scores, names = averages()
    with threadpool_limits(1):
        facts = fitted(scores.to_numpy())
        for column, (centre, loading, deviation) in zip(COLUMNS, facts, strict=True):
            print(f"{column:12s} {centre:+.2f} {loading:.2f} {max(deviation, LEAST_DEVIATION):.2f}")
        listed = scores.groupby(names).mean()
        heads = ["", "candidates", "by published scores: rms", "promised", "by the zoo alone: rms"]
        print(table(heads, [measured(name, listed) for name in SETS]))


def averages() -> tuple[pd.DataFrame, pd.Series]:
    """Return scores in [0, 1] (models, benchmarks), NaN where not known, and our names of the models that we know."""
    folder = DATA / "model_aggregates"
    one, two, joined = (
        pd.read_csv(folder / f"{name}.csv.gz").drop_duplicates("Model").set_index("Model")
        for name in ("leaderboard_v1", "leaderboard_v2", "mmlu57_bbh_math")
    )
    second = two[[f"{name} Raw" for name in LEADERBOARD_2]].set_axis(LEADERBOARD_2, axis=1)
    both = (one[LEADERBOARD_1] / 100).join(second, how="outer")
    scores = pd.concat([both.reindex(columns=COLUMNS), joined.reindex(columns=COLUMNS)])
    ours = {model: name for each in (one, two, joined) for model, name in each["registry_model"].dropna().items()}
    return scores, pd.Series(scores.index, index=scores.index).map(ours)


def fitted(scores: np.ndarray) -> np.ndarray:
    """Return mean log-odds, loading and deviation of each benchmark, (benchmarks, 3)."""
    odds = np.log(np.clip(scores, 0.01, 0.99) / (1 - np.clip(scores, 0.01, 0.99)))
    odds = odds[(~np.isnan(odds)).sum(axis=1) >= FEWEST_SCORES]
    known = ~np.isnan(odds)
    centre, scale = np.nanmean(odds, axis=0), np.nanstd(odds, axis=0)
    loading, noise = 0.8 * scale, (0.6 * scale) ** 2
    for _ in range(ROUNDS):
        precision = 1 + (known * (loading**2 / noise)).sum(axis=1)
        ability = np.where(known, (odds - centre) * loading / noise, 0.0).sum(axis=1) / precision
        for b in range(odds.shape[1]):
            rows = known[:, b]
            design = np.column_stack([np.ones(rows.sum()), ability[rows]])
            unsure = float((1 / precision[rows]).sum())
            centre[b], loading[b] = np.linalg.solve(
                design.T @ design + np.diag([0.0, unsure]), design.T @ odds[rows, b]
            )
            residual = odds[rows, b] - design @ [centre[b], loading[b]]
            noise[b] = (residual @ residual + loading[b] ** 2 * unsure) / rows.sum()
    return np.column_stack([centre, loading, np.sqrt(noise)])


def measured(name: str, listed: pd.DataFrame) -> list[str]:
    """Return a row of the table: errors in points over the candidates of a set that are listed."""
    collection = collect([str(DATA / name)])
    candidates, levels = collection.candidates["candidate"].to_pylist(), Prompts(collection).levels
    told = [listed.loc[one].dropna().to_dict() if one in listed.index else {} for one in candidates]
    mine, promised, alone = [], [], []
    for i in np.flatnonzero([bool(each) for each in told]):
        others = [j for j in range(len(told)) if j != i]
        prior = published.level(told[i], [told[j] for j in others], levels[others])
        if prior is not None:
            mine.append(prior.mean - levels[i])
            promised.append(prior.variance)
            alone.append(level.prior(levels[others])[0] - levels[i])
    rms = [100 * float(np.sqrt(np.mean(each))) for each in (np.square(mine), promised, np.square(alone))]
    return [name, str(len(mine)), *(f"{one:.1f}" for one in rms)]


if __name__ == "__main__":
    main()
