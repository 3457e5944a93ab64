"""Fusion mode: candidates enter after the language model, so that a thousand of them cost next to nothing.

What all candidates scored on the training prompts has a few directions that can be told from a prompt's vectors: how
hard it is, who is strong at its kind. `surface` finds them in closed form, `newcomer` places a candidate among them by
a few answers.
"""
