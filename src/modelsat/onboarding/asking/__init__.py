"""Puts the frozen aptitude test, or questions of one's own, to a candidate through an OpenAI-compatible endpoint.

    ask      asks what has no answer yet and writes a results folder
    plan     says what that would take, without a call

The folder is read by `modelsat collect` like any other results.
"""

from modelsat.onboarding.asking.exam import Plan, ask, plan, request_mark
from modelsat.onboarding.asking.run import AskingProgress, shown_on
from modelsat.onboarding.asking.settings import MAX_TOKENS, AskingSettings

__all__ = ["MAX_TOKENS", "AskingProgress", "AskingSettings", "Plan", "ask", "plan", "request_mark", "shown_on"]
