"""What is true in the ten days: prompts with the score of every model, which of them are known, and who asks what."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from modelsat.text.rendering import digest, render_prompt

CODE = ("mbpp", "human_eval")
"""Benchmarks that nobody measured before: the foreign traffic."""
NEW = "llama-3.1-nemotron-51b-instruct"
KNOWN_SHARE = 0.65
PRICES = "price_in_usd_per_mtok"


@dataclass(frozen=True)
class World:
    """Prompts of a set with all outcomes; n prompts, m models.

    Attributes:
        prompts: Table of the set's prompts.
        texts: As users send them and routers read them, length n.
        models: Their names.
        truth: Scores (n, m) in [0, 1], no NaN.
        prices: USD per million tokens by model.
        known: Rows that were measured before the first day.
        familiar: Rows of the same benchmarks that were kept back.
        foreign: Rows of benchmarks that were never measured.
    """

    prompts: pa.Table
    texts: list[str]
    models: list[str]
    truth: np.ndarray
    prices: dict[str, float]
    known: np.ndarray
    familiar: np.ndarray
    foreign: np.ndarray

    @classmethod
    def read(cls, folder: Path, known: float = KNOWN_SHARE) -> "World":
        """Read a set of which a share is known; which prompts are kept back is decided by their text."""
        prompts, scores = (pq.read_table(folder / f"{name}.parquet") for name in ("prompts", "scores"))
        models = [name for name in scores.column_names if name != "prompt_id"]
        place = {prompt_id: i for i, prompt_id in enumerate(scores["prompt_id"].to_pylist())}
        rows = [place[prompt_id] for prompt_id in prompts["prompt_id"].to_pylist()]
        truth = np.column_stack([scores[name].to_numpy() for name in models])[rows].astype(float)
        texts = [_text(row) for row in prompts.select(["prompt", "choices"]).to_pylist()]
        chance = np.asarray([int(digest(f"versus {text}")[:8], 16) / 2**32 for text in texts])
        foreign = np.isin(prompts["benchmark"].to_numpy(zero_copy_only=False), CODE)
        listed = pa.csv.read_csv(folder / "models.csv").to_pylist()
        prices = {row["model"]: float(row[PRICES]) for row in listed}
        return cls(
            prompts,
            texts,
            models,
            truth,
            {name: prices[name] for name in models},
            np.flatnonzero((chance < known) & ~foreign),
            np.flatnonzero((chance >= known) & ~foreign),
            np.flatnonzero(foreign),
        )

    def outcomes(self) -> dict[str, dict[str, float]]:
        """Return the score of each model by prompt."""
        rows = zip(self.texts, self.truth.tolist(), strict=True)
        return {text: dict(zip(self.models, row, strict=True)) for text, row in rows}

    def measured(self) -> "Results":
        """Return what was measured before the first day: all models but the new one."""
        truth = self.truth[self.known].copy()
        truth[:, self.models.index(NEW)] = np.nan
        return Results(self, self.known, truth)


@dataclass(frozen=True)
class Results:
    """Measured scores (n, m) of some rows of the world, NaN where not run."""

    world: World
    rows: np.ndarray
    scores: np.ndarray

    def with_newcomer(self, count: int | None, seed: int = 0) -> "Results":
        """Return the results with the new model run on so many of the prompts, None for all."""
        column, scores = self.world.models.index(NEW), self.scores.copy()
        run = np.random.default_rng(seed).permutation(len(self.rows))[:count]
        scores[run, column] = self.world.truth[self.rows[run], column]
        return Results(self.world, self.rows, scores)

    def swapped(self, one: str, other: str) -> "Results":
        """Return the results with two columns of which each has the other's head."""
        i, j = self.world.models.index(one), self.world.models.index(other)
        scores = self.scores.copy()
        scores[:, [i, j]] = self.scores[:, [j, i]]
        return Results(self.world, self.rows, scores)

    def misaligned(self, seed: int = 0) -> "Results":
        """Return the results joined to other prompts of their benchmark, as after a sort of one of two files."""
        benchmarks = self.world.prompts["benchmark"].to_numpy(zero_copy_only=False)[self.rows]
        rng, order = np.random.default_rng(seed), np.arange(len(self.rows))
        for name in np.unique(benchmarks):
            inside = np.flatnonzero(benchmarks == name)
            order[inside] = rng.permutation(inside)
        return Results(self.world, self.rows, self.scores[order])

    def without(self, model: str) -> "Results":
        """Return the results without a model."""
        scores = self.scores.copy()
        scores[:, self.world.models.index(model)] = np.nan
        return Results(self.world, self.rows, scores)

    def best_single(self) -> str:
        """Return the model with the best mean."""
        run = (~np.isnan(self.scores)).sum(axis=0)
        means = np.where(run > 0, np.nansum(self.scores, axis=0) / np.maximum(run, 1), -1.0)
        return self.world.models[int(means.argmax())]

    def write(self, folder: Path, models: list[str] | None = None) -> Path:
        """Write a folder of results as `modelsat collect` reads them, of some models or of all that were run."""
        folder.mkdir(parents=True, exist_ok=True)
        names = models or [name for i, name in enumerate(self.world.models) if not np.isnan(self.scores[:, i]).all()]
        columns = [self.world.models.index(name) for name in names]
        run = ~np.isnan(self.scores[:, columns]).all(axis=1)
        prompts = self.world.prompts.take(self.rows[run])
        pq.write_table(prompts, folder / "prompts.parquet")
        scores = {name: pa.array(self.scores[run, i], from_pandas=True) for name, i in zip(names, columns, strict=True)}
        pq.write_table(pa.table({"prompt_id": prompts["prompt_id"], **scores}), folder / "scores.parquet")
        lines = [f"model,{PRICES},price_out_usd_per_mtok"]
        lines += [f"{name},{self.world.prices[name]},{self.world.prices[name]}" for name in names]
        (folder / "models.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder

    def as_json(self) -> dict[str, dict[str, float]]:
        """Return the scores that are known, by prompt and model."""
        names = self.world.models
        return {
            self.world.texts[row]: {name: value for name, value in zip(names, line, strict=True) if value == value}
            for row, line in zip(self.rows, self.scores.tolist(), strict=True)
        }


def _text(row: dict) -> str:
    choices = row["choices"]
    return render_prompt(row["prompt"], json.loads(choices) if choices else None)
