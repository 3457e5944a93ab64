"""Two collections at once, for the network's part: is a capability encoder better for the cards and prompts of both?

    python benchmarks/together_network.py [--sets NAME NAME]

Stage 1 of the default recipe, which teaches what reads cards from prompts' vectors, alone on one set or on both, with
the aptitude test, cards and training prompts that instructions of one set or of both have. Log-loss counts on held-out
prompts of the one set: of its candidates; of its candidates where half of them at a time are left out of training and
known by their cards alone (newcomers); and on benchmarks of which half at a time are left out of training (kinds). The
network's column of `benchmarks/results/together.json`.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch
from markdown import mean_points
from quality import DATA, KEPT
from together import INTO, SETS

from modelsat.aptitude import instructions as capability_instructions
from modelsat.aptitude.instructions import Instructions
from modelsat.data import score_matrix, splits
from modelsat.data.collection import Collection, collect
from modelsat.io.atomic import write_json
from modelsat.routers.mixture import log_loss
from modelsat.studies import cross_validation
from modelsat.text import embeddings
from modelsat.text.backbone import default_backbone
from training import finetune, losses, order
from training.recipe import Recipe

HALVES = 2
SETTINGS = Recipe()
Score = Callable[[list[str]], np.ndarray]
"""Candidates to success probabilities of the held-out prompts, (n, candidates)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs=2, default=list(SETS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, beside in (arguments.sets, arguments.sets[::-1]):
        began = time.monotonic()
        found = Trial(name, beside).measured()
        facts = json.loads(INTO.read_text(encoding="utf-8"))
        for setting, one in found.items():
            facts["sets"][name][setting]["network"] = one
        write_json(INTO, facts)
        print(f"{name} beside {beside}: {found} ({time.monotonic() - began:.0f} s)", flush=True)


class Trial:
    """Trains alone and together, and scores the held-out prompts of one set.

    Args:
        name: Of the set.
        beside: Of the other one.
    """

    def __init__(self, name: str, beside: str) -> None:
        sets = {one: collect([str(DATA / one)]) for one in (name, beside)}
        self.vectors: dict[str, np.ndarray] = {}
        for one in sets.values():
            self.vectors |= read(one)
        both = collect([str(DATA / one) for one in (name, beside)])
        self.learned_from = {
            "alone": capability_instructions.build(sets[name]),
            "together": capability_instructions.build(both),
        }
        alone = self.learned_from["alone"]
        self.test = [one for one in alone.part(splits.TEST).ids if one in self.vectors]
        blocks = sets[name].blocks("candidate", "prompt_id", "score")
        truth = score_matrix.spread(blocks, self.test, list(alone.names))
        core = score_matrix.core_candidates(truth)
        self.truth, self.candidates = truth[:, core], [one for one, kept in zip(alone.names, core, strict=True) if kept]
        prompts = alone.prompts
        self.kind = dict(zip(prompts["prompt_id"].to_pylist(), prompts["benchmark"].to_pylist(), strict=True))

    def measured(self) -> dict:
        """Return log-loss alone and together, and what together saves, by what is held out."""
        return {
            "questions": self.compared(self.questions),
            "kinds": self.compared(self.kinds),
            "newcomers": self.compared(self.newcomers),
        }

    def compared(self, said: Callable[[str], np.ndarray]) -> dict:
        """Return both log-losses of the prompts, and their difference in thousandths of a nat."""
        alone, together = (np.nanmean(log_loss(said(how), self.truth), axis=1) for how in ("alone", "together"))
        saved = [round(10 * value, 2) for value in mean_points(alone - together)]
        losses_of = {"alone": round(float(alone.mean()), 4), "together": round(float(together.mean()), 4)}
        return {"prompts": len(alone), "log_loss": losses_of, "saved": saved}

    def questions(self, how: str) -> np.ndarray:
        """Return success probabilities (n, candidates) of a network that was trained `how`."""
        return self.trained(how)(self.candidates)

    def kinds(self, how: str) -> np.ndarray:
        """Return those of networks that were trained without the benchmark of the prompt."""
        names, out = sorted(set(self.kind.values())), np.empty_like(self.truth)
        for half in range(HALVES):
            hidden = set(names[half::HALVES])
            rows = [i for i, one in enumerate(self.test) if self.kind[one] in hidden]
            out[rows] = self.trained(how, hidden)(self.candidates)[rows]
        return out

    def newcomers(self, how: str) -> np.ndarray:
        """Return those of networks that were trained without the candidate, which is known by its card."""
        out = np.empty_like(self.truth)
        for half in range(HALVES):
            out[:, half::HALVES] = self.trained(how, (), self.candidates[half::HALVES])(self.candidates[half::HALVES])
        return out

    def trained(self, how: str, hidden: set[str] | tuple = (), unknown: list[str] | tuple = ()) -> Score:
        """Train stage 1 without the set's kinds in `hidden`, and without the outcomes of candidates in `unknown`."""
        instructions: Instructions = self.learned_from[how]
        train = instructions.part(splits.TRAIN)
        targets = train.targets.copy()
        targets[:, np.isin(instructions.names, list(unknown))] = np.nan
        answered = ~np.isnan(targets).all(axis=1)
        rows = [
            i
            for i, one in enumerate(train.ids)
            if answered[i] and one in self.vectors and self.kind.get(one) not in hidden
        ]
        network, capability, _ = finetune.build(instructions, default_backbone(), SETTINGS)
        membership, labels = finetune._categories(instructions, train)
        prompts = torch.from_numpy(np.stack([self.vectors[train.ids[i]] for i in rows]))
        self._stage_1(network, capability, prompts, torch.from_numpy(targets[rows]), membership, labels[rows])
        test = torch.from_numpy(np.stack([self.vectors[one] for one in self.test]))

        def score(candidates: list[str]) -> np.ndarray:
            columns = [instructions.names.index(one) for one in candidates]
            with torch.inference_mode():
                return torch.sigmoid(network.read_card(test, capability[columns])).numpy()

        return score

    @staticmethod
    def _stage_1(network, capability, prompts, targets, membership, labels) -> None:
        torch.manual_seed(SETTINGS.seed)
        parts = (network.reader, network.trust, network.ability, network.difficulty, network.connector)
        ours = [value for part in (*parts, network.correction) for value in _parameters(part)]
        optimiser = torch.optim.AdamW(ours, lr=1.0, weight_decay=SETTINGS.weight_decay)
        step, steps, epoch = 0, SETTINGS.connector_steps, 0
        while step < steps:
            for rows in order.batches(len(prompts), SETTINGS.connector_batch, SETTINGS.seed, 1, epoch)[: steps - step]:
                rate = order.rate(step, steps, SETTINGS.warm_up)
                optimiser.param_groups[0]["lr"] = SETTINGS.connector_learning_rate * rate
                read = torch.nn.functional.dropout(prompts[rows], SETTINGS.dropout)
                logits = network.read_card(read, capability)
                loss = (
                    SETTINGS.pointwise * losses.pointwise(logits, targets[rows])
                    + SETTINGS.across * losses.across(logits, targets[rows])
                    + SETTINGS.category * losses.category(network.attention(read), membership, labels[rows])
                )
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(ours, SETTINGS.clip)
                optimiser.step()
                step += 1
            epoch += 1


def _parameters(part) -> list[torch.nn.Parameter]:
    return [part] if isinstance(part, torch.nn.Parameter) else list(part.parameters())


def read(collection: Collection) -> dict[str, np.ndarray]:
    """Return the last layer's vectors of the prompts that count, by id."""
    arena = cross_validation.build(collection).arena
    return dict(zip(arena.prompt_ids, embeddings.vectors(arena.texts, KEPT / "vectors")[:, -1], strict=True))


if __name__ == "__main__":
    main()
