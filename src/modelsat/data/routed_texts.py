"""What a router reads of collected prompts: question, options, and the text in their pictures."""

import pyarrow as pa

from modelsat.text.rendering import render_prompt, with_picture_text


def of(prompts: pa.Table, with_pictures: bool = True) -> list[str]:
    """Return the texts of prompts of the contract `PROMPTS`, in their order.

    Args:
        prompts: The table.
        with_pictures: Whether the text in their pictures is part of them, as it is wherever a router reads.
    """
    columns = (prompts[name].to_pylist() for name in ("prompt", "choices", "image_text"))
    return [
        with_picture_text(render_prompt(prompt, choices), image_text if with_pictures else None)
        for prompt, choices, image_text in zip(*columns, strict=True)
    ]
