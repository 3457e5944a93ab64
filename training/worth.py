"""Whether training still pays: what a mixture with the network gains over fusion alone, on validation prompts.

Fusion needs no training. A network that adds nothing to it gets no weight in the challenger, so the minutes of its
training buy nothing. It is asked after stage 1 and at even distances in stage 2, at steps that the recipe alone
decides, so that a training that was killed ends where it would have ended.
"""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from modelsat.aptitude.instructions import Part
from modelsat.data import splits
from modelsat.io import atomic
from modelsat.routers.fusion import surface
from modelsat.routers.mixture_gain import FOLDS, Gain, gain
from training import recipe
from training.loop import OptimiserStep
from training.ranks import Ranks
from training.states import States

MOST_PROMPTS = 512
_BATCH = 32
_FILE = "gains.jsonl"


def checks(steps: Sequence[OptimiserStep], count: int) -> frozenset[int]:
    """Return the numbers of the steps after which is asked: the last of stage 1, and others at even distances."""
    second = [step.number for step in steps if step.stage == 2]
    # Before the first of all steps a network is neutral.
    return frozenset(second[len(second) * i // count] - 1 for i in range(count) if second) - {-1}


class Worth:
    """Asks at its steps whether training still pays.

    Args:
        train: What fusion is fitted to.
        validation: What both are measured on.
        prompts: States of the training prompts and, if anything is asked, of the validation prompts behind them.
        settings: Of the training.
        steps: All steps.
        ranks: This process and the others.
        work: Folder of the training, which keeps what was measured.
    """

    def __init__(
        self,
        train: Part,
        validation: Part,
        prompts: States,
        settings: recipe.Recipe,
        steps: Sequence[OptimiserStep],
        ranks: Ranks,
        work: Path,
    ) -> None:
        self._train, self._prompts, self._ranks = train, prompts, ranks
        few = np.random.default_rng(0).permutation(len(validation.ids))[:MOST_PROMPTS]
        self._rows, self._truth = len(train.ids) + few, validation.targets[few]
        # Fewer prompts than folds tell nothing.
        self._checks = checks(steps, settings.checks) if len(few) >= FOLDS else frozenset()
        self._file, self._steps = work / _FILE, len(steps)

    def is_enough(self, engine: Any, step: OptimiserStep) -> bool:
        """Say after a step whether training can end here; every rank has to ask."""
        if step.number not in self._checks:
            return False
        learned = self._score(engine, from_vectors=step.stage == 1)
        found = Gain(0.0, 0.0)
        if self._ranks.rank == 0:
            found = gain(self._fused(), learned, self._truth)
            self._record({"step": step.number + 1} | asdict(found))
            self._ranks.say(
                f"after step {step.number + 1:,} the network adds {found.mean:+.4f} nats (standard error "
                f"{found.error:.4f}) to fusion: training {'goes on' if found.may_pay else 'ends'}"
            )
        return self._ranks.agree(not found.may_pay)

    def ended(self) -> dict[str, Any]:
        """Return what training came to: steps taken and planned, and what was measured, by step."""
        asked = self._recorded()
        stopped = asked and not Gain(asked[-1]["mean"], asked[-1]["error"]).may_pay
        return {"steps": asked[-1]["step"] if stopped else self._steps, "planned": self._steps, "checks": asked}

    def _record(self, row: dict[str, Any]) -> None:
        """Keep what was measured; rows of this step and later ones are of a run that was killed and began again."""
        rows = [*(one for one in self._recorded() if one["step"] < row["step"]), row]
        atomic.write_text(self._file, "".join(json.dumps(one) + "\n" for one in rows))

    def _recorded(self) -> list[dict[str, Any]]:
        rows = {}
        for line in self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else ():
            # A line that a killed writer tore, or a check that was repeated, in a folder of an earlier version.
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                rows[row["step"]] = row
        return [rows[step] for step in sorted(rows)]

    def _fused(self) -> np.ndarray:
        vectors, rows = self._prompts.unit_means, splits.fitted(splits.TRAIN, len(self._train.ids))
        fitted = surface.fit(vectors[rows], self._train.targets[rows], self._train.categories[rows])
        return fitted.success_probability(fitted.directions(vectors[self._rows]))

    def _score(self, engine: Any, from_vectors: bool) -> np.ndarray:
        """Return the network's probabilities (prompts, candidates); in stage 1 vectors say all that states do."""
        learned = np.zeros(self._truth.shape, dtype=np.float32)
        device = self._ranks.device
        order = np.argsort(self._prompts.lengths[self._rows], kind="stable")
        objective = engine.module
        learning, objective.training = objective.training, False
        with torch.no_grad():
            for start in range(0, len(order), _BATCH):
                part = order[start : start + _BATCH]
                read: tuple[torch.Tensor, torch.Tensor | None]
                if from_vectors:
                    read = (torch.from_numpy(self._prompts.vectors[self._rows[part]]).to(device), None)
                else:
                    states, mask = self._prompts.batch(self._rows[part])
                    read = (states.to(device), mask.to(device))
                learned[part] = torch.sigmoid(engine(*read, None, None)).cpu().numpy()
        objective.training = learning
        return learned
