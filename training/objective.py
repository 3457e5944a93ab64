"""The default's objective: the losses of a batch in both stages."""

import torch
from torch.nn import functional

from modelsat.routers.model_sat.network import Network
from training import losses, recipe


class Objective(torch.nn.Module):
    """The module that DeepSpeed wraps: batch in, loss out."""

    def __init__(
        self, network: Network, settings: recipe.Recipe, capability: torch.Tensor, membership: torch.Tensor
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.capability: torch.Tensor
        self.membership: torch.Tensor
        self.register_buffer("capability", capability, persistent=False)
        self.register_buffer("membership", membership, persistent=False)

    def forward(
        self,
        prompts: torch.Tensor,
        mask: torch.Tensor | None,
        targets: torch.Tensor | None,
        labels: torch.Tensor | None,
    ) -> torch.Tensor:
        """Score a batch, in stage 1 (no mask) from the prompts' vectors, in stage 2 from their states.

        Returns:
            The loss; without targets the log-odds of Yes (prompts, candidates).
        """
        settings = self.settings
        read = prompts.to(self.network.inquiry.dtype)
        if mask is None:
            read = functional.dropout(read, settings.dropout, self.training)
            logits = self.network.read_card(read, self.capability).float()
        else:
            logits = self.network(read, mask, self.capability).float()
        if targets is None or labels is None:
            return logits
        found = logits.new_zeros(())
        if mask is None:
            found = losses.category(self.network.attention(read).float(), self.membership.float(), labels)
        return (
            settings.pointwise * losses.pointwise(logits, targets)
            + settings.across * losses.across(logits, targets)
            + settings.within * losses.within(logits, targets)
            + settings.category * found
        )
