"""The last thing a user says in a text that a model's chat template rendered.

Instruct models get their prompts in markers of their own, such as `<|im_start|>user`. The same question then looks
different for each of them, so it is taken out of the markers again, by the markers that the field's templates use.
"""

import re

# Each template as (where the user begins to speak, where that ends). Both ends of a line of speech are trimmed.
_BAR = r"<[|\uff5c]"
_TEMPLATES = tuple(
    (re.compile(opening), re.compile(closing))
    for opening, closing in (
        (r"<\|im_start\|>user\n?", r"<\|im_end\|>"),
        (r"<\|start_header_id\|>user<\|end_header_id\|>", r"<\|eot_id\|>"),
        (r"<\|header_start\|>user<\|header_end\|>", r"<\|eot\|>"),
        (r"<\|start_of_role\|>user<\|end_of_role\|>", r"<\|end_of_text\|>"),
        (r"<\|start\|>user<\|message\|>", r"<\|end\|>"),
        (r"<\|im_user\|>user<\|im_middle\|>", r"<\|im_end\|>"),
        (r"<start_of_turn>user\n?", r"<end_of_turn>"),
        (r"<\|turn>user\n?", r"<turn\|>"),
        (r"<\|START_OF_TURN_TOKEN\|><\|USER_TOKEN\|>", r"<\|END_OF_TURN_TOKEN\|>"),
        (r"\[\|user\|\]", r"\[\|(?:assistant|endofturn)\|\]"),
        (r"\[INST\](?:\s*<<SYS>>(?s:.*?)<</SYS>>)?", r"\[/INST\]"),
        (_BAR + r"(?i:user)[|\uff5c]>", rf"{_BAR}(?:(?i:assistant|end|eot)[|\uff5c]>|end)|</s>|<\|endoftext\|>"),
        (r"<\u7528\u6237>", r"<AI>"),
        (r"<seed:bos>user\n?", r"<seed:eos>"),
        (r"<reserved_106>", r"<reserved_107>"),
        (r"(?:^|\n)<extra_id_1>User\n", r"\n<extra_id_1>Assistant"),
        (r"GPT4 Correct User: ?", r"<\|end_of_turn\|>"),
        (r"(?:^|\n)#{2,3} ?(?:Instruction|User|Human)(?:s)?: ?\n?", r"\n#{2,3} ?(?:Response|Assistant)"),
        (r"(?:^|\n|\s|>)(?:USER|User|Human|HUMAN): ?", r"\s(?:ASSISTANT|Assistant|AI|GPT):|</s>"),
    )
)
# A marker of any template: what is left in a text that none of the above explains.
_MARKER = re.compile(
    rf"{_BAR}[^|\uff5c<>]{{1,40}}[|\uff5c]>|\[/?INST\]|<(?:start|end)_of_turn>|<</?SYS>>|<seed:[a-z_]+>"
)
_PLAIN = 2


def last_user_text(text: str, is_templated: bool) -> tuple[str, int] | None:
    """Return what the user says last in a rendered chat, and how many times the user speaks.

    Args:
        text: The rendered context.
        is_templated: Whether the run is known to have applied a chat template; only then are plain words such as
            `USER:` taken for markers.

    Returns:
        The text between the last user's marker and the next marker, and the number of the user's turns; None where no
        template is recognised.
    """
    for opening, closing in _TEMPLATES if is_templated else _TEMPLATES[:-_PLAIN]:
        found = list(opening.finditer(text))
        end = closing.search(text, found[-1].end()) if found else None
        if found and end:
            return text[found[-1].end() : end.start()].strip(), len(found)
    return None


def has_markers(text: str) -> bool:
    """Say whether a text holds a marker of a chat template."""
    return bool(_MARKER.search(text))
