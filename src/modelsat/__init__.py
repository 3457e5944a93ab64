"""modelsat learns from benchmark results which LLM can handle which prompt, and keeps learning as new LLMs appear."""

__version__ = "0.2.0"
