"""Puts the frozen aptitude test to a candidate through an OpenAI-compatible endpoint.

    ask      asks what has no answer yet and writes a results folder
    plan     says what that would take, without a call

The folder is read by `modelsat collect` like any other results.
"""

from modelsat.asking.exam import Plan, ask, plan
from modelsat.asking.run import Standing
from modelsat.asking.settings import Settings

__all__ = ["Plan", "Settings", "Standing", "ask", "plan"]
