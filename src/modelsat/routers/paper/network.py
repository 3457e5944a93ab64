"""The network of the paper: one soft vector per candidate in front of the prompt, one pass per candidate.

Legend for the shapes in comments: c cards, p pieces of cards, n instructions, l tokens, e and d width of the capability
encoder and of the language model.

    e_c = W psi(c)             psi: mean over the tokens of a card, length 1; W: the connector, one linear layer
    z   = [e_c, e_x, e_p]      capability, user instruction, performance inquiry
    Yes, No                    two rows of the language model's vocabulary head at the last token of z

A language model without such a head, as MiniLM, gets two new rows. P(Yes) is the sigmoid of Yes minus No.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from modelsat.errors import InputError
from modelsat.routers.paper.layout import SLOT, Layout, Pieces
from modelsat.routers.paper.packing import Packed
from modelsat.text.encoder import is_causal, load_language_model

YES, NO = 0, 1
ANSWERS = ("Yes", "No")
BACKBONES = ("encoder.", "language_model.")


class PaperNetwork(nn.Module):
    """Scores capability instructions.

    Args:
        language_model: A transformer without vocabulary head, causal or bidirectional.
        encoder: The capability encoder, BERT-shaped; None where cards are read as text.
        answers: Rows of Yes and No of the vocabulary head (2, d); None makes new ones.
    """

    def __init__(self, language_model: Any, encoder: Any | None, answers: torch.Tensor | None) -> None:
        super().__init__()
        width = int(language_model.config.hidden_size)
        self.language_model = language_model
        self.encoder = encoder
        self.connector = None if encoder is None else nn.Linear(int(encoder.config.hidden_size), width)
        self.answer = nn.Linear(width, 2, bias=False)
        with torch.no_grad():
            if answers is None:
                nn.init.normal_(self.answer.weight, std=0.02)
            else:
                self.answer.weight.copy_(answers)
        for part in self.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0

    def represent(self, pieces: torch.Tensor, mask: torch.Tensor, card: torch.Tensor, cards: int) -> torch.Tensor:
        """Turn cards into soft vectors.

        Args:
            pieces: Token ids (p, l).
            mask: 1 for tokens, 0 for padding, (p, l).
            card: Which card each piece belongs to (p,).
            cards: Their number c.

        Returns:
            (c, d).
        """
        if self.encoder is None or self.connector is None:
            raise ValueError("a network that reads cards as text has no soft vectors")
        states = self.encoder(input_ids=pieces, attention_mask=mask).last_hidden_state
        kept = mask[..., None].to(states.dtype)
        summed = states.new_zeros(cards, states.shape[2]).index_add(0, card, (states * kept).sum(1))
        tokens = states.new_zeros(cards, 1).index_add(0, card, kept.sum(1))
        return self.connector(functional.normalize(summed / tokens, dim=-1))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, soft: torch.Tensor | None = None) -> torch.Tensor:
        """Answer the performance inquiry.

        Args:
            ids: Token ids as `Layout.sequences` makes them (n, l).
            mask: 1 for tokens, 0 for padding at the right, (n, l).
            soft: Soft vectors that fill the slot (n, d); None where the card stands in the prompt as text.

        Returns:
            Log-odds of Yes against No, float32 (n,).
        """
        return self._answered(self._last(ids, mask, soft))

    def answer_packed(self, packed: Packed, soft: torch.Tensor | None = None) -> torch.Tensor:
        """Answer as `forward` does, from instructions that share rows; the language model has to be causal."""
        return self._answered(self._last_packed(packed, soft))

    def _last(self, ids: torch.Tensor, mask: torch.Tensor, soft: torch.Tensor | None = None) -> torch.Tensor:
        """Return the states of the last tokens, (n, d)."""
        states = self.language_model.get_input_embeddings()(ids)
        if soft is not None:
            states = torch.cat([states[:, :SLOT], soft[:, None].to(states.dtype), states[:, SLOT + 1 :]], dim=1)
        hidden = self.language_model(inputs_embeds=states, attention_mask=mask).last_hidden_state
        return hidden[torch.arange(len(ids), device=ids.device), mask.sum(1) - 1]

    def _last_packed(self, packed: Packed, soft: torch.Tensor | None = None) -> torch.Tensor:
        states = self.language_model.get_input_embeddings()(packed.ids)
        if soft is not None:
            states = states.index_put((packed.row, packed.first + SLOT), soft.to(states.dtype))
        # With a mask or a cache, transformers takes the positions for those of one text, without a word.
        hidden = self.language_model(inputs_embeds=states, position_ids=packed.positions, use_cache=False)
        return hidden.last_hidden_state[packed.row, packed.last]

    def _answered(self, last: torch.Tensor) -> torch.Tensor:
        answers = self.answer(last).float()
        return answers[:, YES] - answers[:, NO]

    def soft_vectors(self, pieces: Pieces) -> torch.Tensor:
        """Turn pieces that lie anywhere into soft vectors on this network's device (c, d)."""
        ids, mask, card = (part.to(self.answer.weight.device) for part in (pieces.ids, pieces.mask, pieces.card))
        return self.represent(ids, mask, card, int(card.max()) + 1)


def start(language_model: Path, encoder: Path | None, tokenizer: Any, attention: str = "sdpa") -> PaperNetwork:
    """Build the network from the weights of its backbones.

    Args:
        language_model: Folder; a causal model's vocabulary head gives the rows of Yes and No.
        encoder: Folder of the capability encoder; None where cards are read as text.
        tokenizer: Of the language model.
        attention: How a causal language model computes attention, by the name that transformers has for it.

    Raises:
        InputError: A folder holds no model, this machine cannot compute attention so, or Yes or No is no single token.
    """
    read = None if encoder is None else load_language_model(encoder)
    if not is_causal(language_model):
        return PaperNetwork(load_language_model(language_model), read, None)
    options: dict[str, Any] = {
        "local_files_only": True,
        "trust_remote_code": False,
        "dtype": torch.float32,
        "use_safetensors": True,
        "attn_implementation": attention,
    }
    try:
        model = AutoModelForCausalLM.from_pretrained(str(language_model), **options)
    except (ImportError, ValueError) as error:
        fault = str(error).splitlines()[0]
        raise InputError(
            f"attention {attention!r} does not run here ({fault}); set attention to sdpa in the recipe"
        ) from error
    except OSError as error:
        fault = str(error).splitlines()[0]
        raise InputError(
            f"backbone {str(language_model)!r} holds no model ({fault}); name a folder with safetensors"
        ) from error
    answers = model.get_output_embeddings().weight[answer_tokens(tokenizer)].detach().clone()
    return PaperNetwork(model.base_model, read, answers)


def answer_tokens(tokenizer: Any) -> list[int]:
    """Return the token ids of Yes and No.

    Raises:
        InputError: One of them is not one token.
    """
    ids = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in ANSWERS]
    if any(len(tokens) != 1 or tokens[0] == tokenizer.unk_token_id for tokens in ids):
        raise InputError(
            f"the language model's tokenizer has no single token for {' and '.join(ANSWERS)}; use another backbone"
        )
    return [tokens[0] for tokens in ids]


def rebuild(folder: Path, state: dict[str, torch.Tensor]) -> PaperNetwork:
    """Build the network from its own weights.

    Args:
        folder: Holds `language_model` and, unless cards are read as text, `encoder`: configuration, no weights.
        state: Its tensors.
    """
    encoder = _bare(folder / "encoder") if any(name.startswith("encoder.") for name in state) else None
    network = PaperNetwork(_bare(folder / "language_model"), encoder, None)
    network.load_state_dict(state)
    return network.eval()


def rounded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors as a bundle holds them: backbones in bfloat16, what is ours in float32."""
    return {
        name: value.detach().cpu().to(torch.bfloat16 if name.startswith(BACKBONES) else torch.float32).contiguous()
        for name, value in state.items()
    }


def check_lengths(network: PaperNetwork, layout: Layout) -> None:
    """Refuse instructions or pieces of cards that are longer than the backbones read.

    Raises:
        InputError: They are.
    """
    longest = {"language model": (network.language_model, layout.longest)}
    if network.encoder is not None:
        longest["capability encoder"] = (network.encoder, layout.reading.card_tokens)
    for what, (model, needed) in longest.items():
        # Models of the RoBERTa family count positions from behind the padding token.
        offset = 1 + model.config.pad_token_id if model.config.model_type in ("roberta", "xlm-roberta") else 0
        most = int(model.config.max_position_embeddings) - offset
        if needed > most:
            raise InputError(
                f"the recipe does not fit the backbone: up to {needed} tokens for a {what} that reads {most}; lower "
                "card_tokens or max_tokens"
            )


@torch.no_grad()
def check_packing(network: PaperNetwork, layout: Layout, most: int) -> None:
    """Refuse to pack where a row is too short, or where the language model would mix the instructions of a row.

    Args:
        network: On the device and in the precision of training.
        layout: Writes the instructions.
        most: Tokens of a row; 0 lays all instructions into one.

    Raises:
        InputError: It is, or it would.
    """
    if 0 < most < layout.longest:
        raise InputError(
            f"packing: an instruction takes up to {layout.longest} tokens and a row has {most}; raise packing, or set "
            "it to 0"
        )
    device = network.answer.weight.device
    prompts = layout.prompts(["What is 17 times 23?", "Which word rhymes with river?"])
    slots = [layout.slot()] * len(prompts)
    apart = network._last(*(part.to(device) for part in layout.sequences(slots, prompts))).float()
    packed = network._last_packed(layout.packed(slots, prompts, most).to(device)).float()
    # Coarse numbers round otherwise in longer rows; an instruction that sees another one is further off than that.
    allowed = 1e-3 if network.answer.weight.dtype == torch.float32 else 0.05
    if not ((apart - packed).norm(dim=1) <= allowed * apart.norm(dim=1)).all():
        kind = network.language_model.config.model_type
        raise InputError(
            f"packing: a language model of type {kind} does not keep the instructions of a row apart; set it to 0"
        )


def _bare(folder: Path) -> Any:
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    options = {} if is_causal(folder) else {"add_pooling_layer": False}
    return AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False, **options)
