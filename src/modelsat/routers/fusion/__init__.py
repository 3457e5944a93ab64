"""Fusion: candidates enter after the language model, so that a thousand of them add almost no cost.

The candidates' scores on training prompts have a few principal directions that can be predicted from a prompt's
vectors, such as its difficulty and which candidates are strong on its kind. `surface` fits them in closed form;
`newcomer` places a candidate on them from a few answers.
"""
