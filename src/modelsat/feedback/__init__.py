"""Feedback: what the gateway logged of its answers, what became of them, and how much of that may be believed."""

BENCHMARK = "feedback"
"""Benchmark and task of the prompts that come from it: they are learned from, and never asked of anybody again."""
