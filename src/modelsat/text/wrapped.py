"""Synthetic wrappers around training prompts, from which a router learns what is no part of a question."""

from dataclasses import dataclass

import numpy as np

BEFORE = (
    "Hi, could you help me out with this?",
    "Good morning! I have a question for you.",
    "Hey there, I am a bit lost here.",
    "Hello again!",
    "Greetings.",
    "Hi everyone.",
    "Please answer the following question.",
    "Solve the problem below.",
    "Below is a problem; work it out carefully.",
    "Read the text and give your best answer.",
    "Consider this carefully before you reply.",
    "Pick the right option.",
    "I saw this in a book yesterday and could not stop thinking about it.",
    "My teacher gave us this as homework and I do not know how to begin.",
    "I have an exam coming up and I keep getting this wrong.",
    "A friend asked me this at dinner and I had no clue.",
    "We discussed this in class, but I was ill that day.",
    "I have tried for two hours now without any luck.",
    "My brother says it is easy, but I do not see it.",
    "I am preparing material for a workshop whose participants are beginners.",
    "This came up at work today.",
    "For context, I have not studied this since I left university.",
    "I found it in an old notebook of my grandfather's.",
    "It is from last year's test.",
    "You are a knowledgeable assistant.",
    "You are an expert in this field.",
    "You always explain your reasoning clearly.",
    "Be concise and precise.",
    "Respond in plain English.",
    "Never make anything up.",
    "Your task is to respond to what the user asks.",
    "The user will give you a question.",
    "Follow these rules: be correct, be complete, be kind.",
    "Let me paste what I was sent.",
    "Here is the next item on the list.",
    "I would like your opinion on something, if you do not mind.",
    "Here it comes.",
    "See below.",
    "The text is this:",
    "Quick one.",
    "One more for today.",
    "So, here is my problem.",
    "I hope this is the right place to ask.",
    "Sorry in advance if it is a silly one.",
    "I am not a native speaker, so please bear with me.",
    "You have been a great help before.",
    "We are three people and cannot agree.",
)
LABELS = ("Question:", "Task:", "Q:", "Problem:", "---", "***", "Input:", "Prompt:", "Here is the question:", "1)")
AFTER = (
    "Thank you very much!",
    "Thanks a lot.",
    "Think step by step before you answer.",
    "I really appreciate your time.",
    "Answer briefly.",
    "Let me know what you think.",
    "Best wishes,",
    "Yours, Tom",
    "Do not guess; say so if you are unsure.",
    "It is due tomorrow, so the sooner the better.",
    "What would you say?",
    "Give only the final answer.",
    "Sorry for bothering you again.",
    "State the letter of the correct option.",
    "Explain why the other options are wrong.",
    "Take your time.",
    "Please keep it short, I am on my phone.",
    "I will check back this evening.",
    "Use simple words.",
    "Put the result at the end.",
    "Any hint would do.",
    "My parents will be so proud.",
    "I owe you one.",
    "Show all your work.",
    "If something is missing, just tell me.",
    "No need to be formal.",
    "Explain it as you would to a child.",
    "Do not repeat the question.",
    "Then summarise in one sentence.",
    "Hope to hear from you soon.",
    "Cheers!",
    "We would all be thankful.",
)
ENDS = ("Answer:", "A:", "---", "***", "Your answer:", "Solution:")


@dataclass(frozen=True)
class Wrapped:
    """A wrapped prompt; the prompt itself stands from `start` to `end`, in characters."""

    text: str
    start: int
    end: int


def wrap(prompt: str, rng: np.random.Generator) -> Wrapped:
    """Wrap a prompt in sentences drawn at random: before it, after it or both, joined in one of several ways."""
    where = rng.choice(5, p=[0.3, 0.2, 0.4, 0.05, 0.05])
    before = list(rng.choice(BEFORE, rng.integers(1, 5), replace=False)) if where in (0, 2) else []
    after = list(rng.choice(AFTER, rng.integers(1, 4), replace=False)) if where in (1, 2) else []
    before += [rng.choice(LABELS)] if where == 3 or rng.random() < 0.25 else []
    after += [rng.choice(ENDS)] if where == 4 or rng.random() < 0.15 else []
    gap, sentences = rng.choice(["\n\n", "\n", " "]), rng.choice(["\n", " ", " "])
    opening = sentences.join(before) + (gap if before else "")
    closing = (gap if after else "") + sentences.join(after)
    return Wrapped(f"{opening}{prompt}{closing}", len(opening), len(opening) + len(prompt))
