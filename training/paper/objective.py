"""The paper's objective: of a group, the positive is to be chosen (Model-SAT, Eq. 5)."""

import torch

from modelsat.routers.paper.network import PaperNetwork
from modelsat.routers.paper.packing import Packed


def group_loss(scores: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of choosing the positive among its group, averaged over groups.

    Whatever is added to all scores of a group changes nothing: groups hold one candidate, so nothing here makes the
    scores of different candidates comparable.

    Args:
        scores: Log-odds of Yes (groups, k), the positive first.
        present: Where a group holds a prompt (groups, k); a group without a positive gives 0.
    """
    chosen = torch.logsumexp(scores.masked_fill(~present, -1e4), dim=1) - scores[:, 0]
    return (chosen * present[:, 0]).sum() / len(scores)


class GroupObjective(torch.nn.Module):
    """The module that DeepSpeed wraps: groups in, loss out."""

    def __init__(self, network: PaperNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor | None,
        present: torch.Tensor,
        pieces: torch.Tensor | None,
        pieces_mask: torch.Tensor | None,
        card: torch.Tensor | None,
        *packed: torch.Tensor,
    ) -> torch.Tensor:
        """Score g groups of k instructions (g*k, l); cards come as p pieces (p, l), or as text within `ids`.

        Without a mask the instructions share rows, and `packed` are the fields of `Packed` behind its ids.
        """
        soft = None
        if pieces is not None and pieces_mask is not None and card is not None:
            vectors = self.network.represent(pieces, pieces_mask, card, len(present))
            soft = vectors.repeat_interleave(present.shape[1], dim=0)
        answers = (
            self.network.answer_packed(Packed(ids, *packed), soft) if mask is None else self.network(ids, mask, soft)
        )
        return group_loss(answers.view(present.shape), present)
