"""What a capability instruction is in tokens: capability, prompt, inquiry, in this order."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelsat.errors import InputError
from modelsat.routers.paper.layout import SLOT, Layout, in_runs
from modelsat.routers.paper.tokens import PaperTokens
from modelsat.text.encoder import load_tokenizer
from modelsat.text.rendering import INQUIRY, render_card_line


def spoken(tokenizer: Any, ids: Any) -> str:
    """Return the text of token ids without spaces and without what the tokenizer adds."""
    return "".join(tokenizer.convert_ids_to_tokens(ids, skip_special_tokens=True)).replace("##", "")


LINES = [render_card_line(["red"] * 5, i / 20) for i in range(20)]


def test_packing_by_hand() -> None:
    assert in_runs(["a", "b", "c", "d"], [3, 2, 4, 1], 5) == [["a", "b"], ["c", "d"]]


def test_line_larger_than_its_budget_is_refused() -> None:
    with pytest.raises(InputError, match=r"'b' takes 6 tokens where 5 are left; raise the recipe's card_tokens"):
        in_runs(["a", "b"], [1, 6], 5)


def test_causal_instruction_opens_with_its_first_token_and_ends_with_the_inquiry(
    make_layout: Callable[..., Layout],
) -> None:
    layout = make_layout("causal")

    ids, mask = layout.sequences([layout.slot()], layout.prompts(["red sky"]))

    assert layout.tokenizer.convert_ids_to_tokens(ids[0].tolist())[0] == "<s>"
    assert spoken(layout.tokenizer, ids[0, SLOT + 1 :].tolist()) == "redskycanthismodelhandletheinstruction?YesorNo"
    assert mask.all()


def test_bidirectional_instruction_is_closed(make_layout: Callable[..., Layout]) -> None:
    layout = make_layout("bidirectional")

    ids, _ = layout.sequences([layout.slot()], layout.prompts(["red sky"]))

    words = layout.tokenizer.convert_ids_to_tokens(ids[0].tolist())
    inquiry = layout.tokenizer.tokenize("\n" + INQUIRY)
    assert words[0] == "[CLS]"
    assert words[-len(inquiry) - 1 :] == [*inquiry, "[SEP]"]


def test_shorter_instructions_are_padded_at_the_right(make_layout: Callable[..., Layout]) -> None:
    layout = make_layout("causal")

    ids, mask = layout.sequences([layout.slot()] * 2, layout.prompts(["red", "red sky above"]))

    assert mask[0].tolist() == sorted(mask[0].tolist(), reverse=True)
    assert mask.sum(1)[0] < mask.sum(1)[1] == ids.shape[1]


def test_long_prompt_keeps_both_ends_and_its_inquiry(make_layout: Callable[..., Layout]) -> None:
    layout = make_layout("causal", PaperTokens("vector", 8, 128))

    (prompt,) = layout.prompts(["red " * 30 + "blue " * 30])

    assert len(prompt) == 8
    assert layout.tokenizer.decode(prompt[:1]) != layout.tokenizer.decode(prompt[-1:])
    assert layout.sequences([layout.slot()], [prompt])[0].shape[1] == layout.longest


def test_pieces_tell_every_line_once_behind_the_prefix_and_fit_the_encoder(
    make_layout: Callable[..., Layout], folders: dict[str, Path]
) -> None:
    layout = make_layout("causal", PaperTokens("vector", 32, 128, "query: "))
    tokenizer = load_tokenizer(folders["causal"] / "encoder")

    pieces = layout.pieces([LINES, LINES[:2]])

    texts = [spoken(tokenizer, row.tolist()) for row in pieces.ids]
    assert pieces.ids.shape[1] <= 128
    assert pieces.card.tolist() == [0] * (len(texts) - 1) + [1]
    assert len(texts) > 2
    assert all(text.startswith("query:themodelachievesaccuracy") for text in texts)
    told = "".join(texts[:-1])
    assert [told.count(f"accuracy{i * 5}.0%on") for i in range(20)] == [1] * 20


def test_card_in_words_is_told_as_far_as_it_fits(make_layout: Callable[..., Layout]) -> None:
    short = make_layout("bidirectional", PaperTokens("text", 32, 128))
    whole = make_layout("bidirectional", PaperTokens("text", 32, 2000))

    some, everything = (spoken(layout.tokenizer, layout.in_words(LINES)) for layout in (short, whole))

    assert len(short.in_words(LINES)) <= 128
    assert 0 < some.count("accuracy") < everything.count("accuracy") == len(LINES)
    assert everything.startswith(some.removesuffix("."))
