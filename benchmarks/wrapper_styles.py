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


def _pick(rng: np.random.Generator, *options: str) -> str:
    return str(rng.choice(options))


def _forum(text: str, rng: np.random.Generator) -> str:
    title = _pick(rng, "Stumped, anyone?", "Brain fog, please advise", "Settle a bet")
    opening = _pick(
        rng,
        "Posting from the ferry, third attempt because the wifi keeps dropping.",
        "Long-time lurker, first post, mods delete if this belongs in another board.",
    )
    end = _pick(rng, "Edit: typo fixed. Edit 2: wow, front page.", "Upvotes feed my goldfish.")
    return f"**{title}**\n\n{opening}\n\n[quote]{text}[/quote]\n\n{end}"


def _ticket(text: str, rng: np.random.Generator) -> str:
    head = f"TICKET-{rng.integers(1000, 9999)} | Priority: {_pick(rng, 'low', 'urgent')}"
    reporter, to = _pick(rng, "facilities", "night shift"), _pick(rng, "whoever is awake", "second floor")
    return f"{head} | Reporter: {reporter}\nDescription:\n{text}\nAttachments: none\nEscalate to: {to}"


def _courtly(text: str, rng: np.random.Generator) -> str:
    opening = _pick(
        rng,
        "O wise counsellor, lend thine ear unto a weary traveller.",
        "Hark, noble oracle, I kneel before thy lamp.",
    )
    story = _pick(
        rng, "Mine own wits have fled like swallows in autumn.", "The innkeeper wagered his finest mule upon it."
    )
    end = _pick(rng, "Thus ends my plea; may thy quill run swift.", "Speak, and the bards shall sing of thee.")
    return f"{opening} {story}\n{text}\n{end}"


def _dictated(text: str, rng: np.random.Generator) -> str:
    opening = _pick(
        rng,
        "um hey so yeah, dictating this while I chop onions,",
        "okay recording, is it recording, yes the little light is on,",
    )
    story = _pick(rng, "grandma read it off the back of a cereal box", "it was on the radio between two songs")
    end = _pick(rng, "anyway thats it, over and out, oh no the pan", "full stop. send. no, send. SEND")
    return f"{opening} {story} {text} {end}"


def _quiz(text: str, rng: np.random.Generator) -> str:
    opening = _pick(
        rng,
        "Welcome back after the break! Our finalists have their fingers on the buzzers.",
        "Lights down, drum roll, ten points are up for grabs!",
    )
    rules = _pick(rng, "The audience at home can play along.", "No conferring, gentlemen in row three.")
    end = _pick(rng, "Tick tock, tick tock... I will have to hurry you!", "And the crowd holds its breath.")
    return f"{opening} {rules}\n\n{text}\n\n{end}"


def _asides(text: str, rng: np.random.Generator) -> str:
    opening = _pick(
        rng, "(ignore the crumbs on this message, I am eating a croissant)", "[two espressos in, bear that in mind]"
    )
    story = _pick(
        rng,
        "It fell out of a second-hand paperback along with a tram ticket.",
        "A ceramics school put this on its placement test, of all places.",
    )
    end = _pick(
        rng,
        "ps the cat walked over the keyboard, any stray letters are hers",
        "no pressure but the kettle is about to boil",
    )
    return f"{opening}\n{story}\n{text}\n{end}"


KEPT_BACK: dict[str, Style] = {
    "forum": _forum,
    "ticket": _ticket,
    "courtly": _courtly,
    "dictated": _dictated,
    "quiz show": _quiz,
    "asides": _asides,
}
"""Six more that no setting was chosen by, although several ways were measured on them."""


def _minutes(text: str, rng: np.random.Generator) -> str:
    present = _pick(rng, "the treasurer, both wardens, Olu (late)", "six members and a dog")
    before = _pick(rng, "Item 3 was raised again and not resolved.", "The chair read the next slip from the hat.")
    end = _pick(rng, "Action: everyone, by the spring fair.", "Carried over. Biscuits were provided.")
    return f"Minutes of the allotment society. Present: {present}.\n{before}\n\n{text}\n\n{end}"


def _aunt(text: str, rng: np.random.Generator) -> str:
    opening = _pick(rng, "Dear Aunt Mathilde, the roses are out at last and the roof holds.", "My dear old Bertie,")
    story = _pick(
        rng,
        "The vicar put this to us over supper and the whole table fell silent.",
        "You will laugh, but the postman left me with a puzzle instead of the parcel.",
    )
    end = _pick(rng, "Kisses to the twins, and do wear a scarf.", "Ever your devoted, if damp, nephew")
    return f"{opening} {story} {text} {end}"


def _commit(text: str, rng: np.random.Generator) -> str:
    head = _pick(rng, "chore(quiz): nobody on the team gets this one", "WIP: add item to trivia night, do not merge")
    end = _pick(rng, "Reviewed-by: the intern\nRefs: #4471", "Co-authored-by: caffeine\nSkip-CI: yes")
    return f"{head}\n\n{text}\n\n{end}"


def _translated(text: str, rng: np.random.Generator) -> str:
    opening = _pick(
        rng,
        "[The following was translated from Estonian by my flatmate, who apologises for nothing.]",
        "[Transcribed from a fax; two words were smudged and are guessed.]",
    )
    end = _pick(rng, "[End of translation. The stamp below it is illegible.]", "[The rest of the page was torn off.]")
    return f"{opening}\n{text}\n{end}"


def _voice(text: str, rng: np.random.Generator) -> str:
    opening = _pick(
        rng,
        "Computer, wake up. Lights off. Now listen closely.",
        "Ok speaker, stop the music. No, not the kitchen one. You.",
    )
    end = _pick(rng, "That was all, computer. Lights on.", "Say it out loud so the kids in the back hear you.")
    return f"{opening} {text} {end}"


def _notice(text: str, rng: np.random.Generator) -> str:
    head = _pick(rng, "QUIZ NIGHT AT THE ANCHOR\nThursdays, doors at seven", "STAFF ROOM BOARD\nPuzzle of the week")
    end = _pick(rng, "Tear off a strip below.\nWinner gets the crisps", "Answers in the biscuit tin, one per person!")
    return f"{head}\n* * *\n{text}\n* * *\n{end}"


LAST: dict[str, Style] = {
    "minutes": _minutes,
    "aunt": _aunt,
    "commit": _commit,
    "translated": _translated,
    "voice": _voice,
    "notice": _notice,
}
"""Six that were written after all else was settled, and measured once."""
