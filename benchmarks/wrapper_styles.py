"""Wrappers that no router learns from, unlike those of `modelsat.text.wrapped` in words and structure.

Six styles: an email, chat, a polite postscript, role-play, a prompt template, and a story around the question.
"""

from collections.abc import Callable

import numpy as np

Style = Callable[[str, np.random.Generator], str]

_SUBJECTS = ("quick favour", "stuck since lunch", "one for the weekend")
_EMAIL = (
    "Following up on our call from Tuesday, I am forwarding the item that Priya raised.",
    "As discussed with the board, I need a second pair of eyes on the passage beneath.",
    "Apologies that this lands in your inbox so late in the quarter.",
)
_EMAIL_ENDS = (
    "Kindly reply before noon so that we can close the ticket.",
    "Looking forward to your response.",
    "Much obliged.",
)
_NAMES = ("Dr. Helena Voss", "Rajesh", "Accounts Department")
_CHAT = (
    "ok so my roommate and i have been arguing about this all night lol and he is soooo sure he is right",
    "yo whats up, random one for ya, saw it on a quiz show and everybody in the room went quiet",
    "omg i cannot believe how annoying this thing is, been staring at my screen for ages and my coffee went cold",
)
_POSTSCRIPTS = (
    "If it is no trouble, would you be so kind as to walk me through it at your convenience? You have my gratitude.",
    "No rush at all, whenever you find a spare moment. Have a lovely evening!",
    "I know you must be busy, yet your guidance means the world to my family.",
)
_ROLES = (
    "Pretend to be a grumpy wizard who secretly loves riddles. An apprentice walks into your tower and says:",
    "Imagine that you host a late-night radio programme and a listener calls in with this:",
    "Act as a seasoned detective with thirty years of experience; the file on your desk reads:",
)
_ROLE_ENDS = ("Stay in character throughout.", "Reply the way that persona would.", "Begin your reply with a sigh.")
_TEMPLATES = (
    "Produce a well-structured reply. Avoid hallucinations, cite no sources, and keep the tone neutral. Output valid "
    "Markdown with a heading.",
    "You will receive an input enclosed by tags. Process it and return JSON with the keys reasoning and result.",
    "Work through the input in a scratchpad, verify each step twice, then state a conclusion on its own line.",
)
_STORIES = (
    "My daughter started at a new school in September and moved up a set after the winter term. The pace is much "
    "faster than before, and her notebook is full of crossed-out lines. On the train this morning she showed me what "
    "follows.",
    "We run a small bakery near the harbour and play trivia with regulars on Fridays. Last week nobody got a point on "
    "the final round. The host refused to reveal the solution, so here it is.",
    "I moved to Lisbon three years ago to work for a shipping company. In the evenings I take an online course, mostly "
    "to keep my mind fresh. The forum has been silent since Sunday, which is why I turn to you.",
)
_STORY_ENDS = ("She has to hand it in by Monday.", "The prize is a free cake.", "Nobody there has replied so far.")


def _email(text: str, rng: np.random.Generator) -> str:
    return (
        f"Subject: {rng.choice(_SUBJECTS)}\n\nDear colleague,\n\n{rng.choice(_EMAIL)}\n\n{text}\n\n"
        f"{rng.choice(_EMAIL_ENDS)}\n\nSincerely,\n{rng.choice(_NAMES)}\nSent from my phone"
    )


STYLES: dict[str, Style] = {
    "email": _email,
    "chat": lambda text, rng: f"{rng.choice(_CHAT)}\n{text}",
    "postscript": lambda text, rng: f"{text}\n\n{rng.choice(_POSTSCRIPTS)}",
    "role-play": lambda text, rng: f'{rng.choice(_ROLES)}\n"{text}"\n{rng.choice(_ROLE_ENDS)}',
    "template": lambda text, rng: (
        f"### Instruction\n{rng.choice(_TEMPLATES)}\n\n<input>\n{text}\n</input>\n\n### Response"
    ),
    "story": lambda text, rng: f"{rng.choice(_STORIES)}\n\n{text}\n\n{rng.choice(_STORY_ENDS)}",
}
