"""Feedback: the gateway's log of answers and outcomes, and how far it can be trusted."""

BENCHMARK = "feedback"
"""Benchmark and task of prompts from feedback; they are used for learning and never sent to a candidate."""
