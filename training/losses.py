"""The training objective: four terms over the log-odds of a batch of prompts and all candidates.

Every term divides by constants of the batch's shape, never by what happened to be observed in it, so that averaging
over ranks gives the loss of the whole batch; `within` alone compares the prompts of one rank's share. Targets may be
soft; NaN means not run and never counts.
"""

import torch
from torch.nn import functional


def pointwise(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of every pair, averaged over (prompts, candidates): what calibrates P(Yes).

    Args:
        logits: Log-odds of Yes (prompts, candidates).
        targets: Scores in [0, 1] of the same shape, NaN where not run.
    """
    asked = ~torch.isnan(targets)
    losses = functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(targets), reduction="none")
    return (losses * asked).sum() / logits.numel()


def across(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of choosing a candidate that solves the prompt, averaged over prompts: what routing decides.

    Prompts that all candidates or none solve say nothing about the choice and give 0.
    """
    asked = ~torch.isnan(targets)
    score = torch.nan_to_num(targets) * asked
    total = score.sum(1, keepdim=True)
    decides = ((total > 0) & (total < asked.sum(1, keepdim=True))).squeeze(1)
    log_share = functional.log_softmax(logits.masked_fill(~asked, -1e4), dim=1)
    losses = -(score / total.clamp(min=1e-6) * log_share.masked_fill(~asked, 0.0)).sum(1)
    return (losses * decides).sum() / len(logits)


def category(attention: torch.Tensor, membership: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of reading the card lines of the prompt's own category, averaged over prompts.

    Args:
        attention: Log attention over card lines (prompts, tasks).
        membership: 1 where a task belongs to a category, else 0, (tasks, categories).
        labels: Category of each prompt (prompts,), -1 where the test has none for it; those give 0.
    """
    known = labels >= 0
    share = torch.log((attention.exp() @ membership).clamp(min=1e-9))
    losses = functional.nll_loss(share, labels.clamp(min=0), reduction="none")
    return (losses * known).sum() / len(labels)


def within(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The paper's group loss: one positive against the negatives of the same candidate in the batch (Model-SAT, Eq. 5).

    Averaged over all (prompt, candidate) pairs; pairs that are no positive give 0.
    """
    asked = ~torch.isnan(targets)
    right = asked & (torch.nan_to_num(targets) > 0.5)
    wrong = asked & ~right
    negatives = torch.logsumexp(logits.masked_fill(~wrong, -1e4), dim=0, keepdim=True)
    losses = torch.logaddexp(logits, negatives) - logits
    return (losses * right * wrong.any(dim=0, keepdim=True)).sum() / logits.numel()
