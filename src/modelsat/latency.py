"""How long an answer takes, in seconds: an overhead and a time per token for each candidate, where both were logged.

Where no latency was logged there is none: a speed is not guessed from a price or a size.
"""

import numpy as np


def expected(tokens_out: np.ndarray, logged_tokens: np.ndarray, logged_seconds: np.ndarray) -> np.ndarray:
    """Return expected latencies.

    Overhead and time per token are the least-squares line of a candidate's answers; neither is below 0, and the line
    passes through their mean. Where all logged answers are of one length, their mean latency is all that is known.

    Args:
        tokens_out: Expected answer lengths in tokens (prompts, candidates).
        logged_tokens: Logged answer lengths in tokens (answers, candidates), NaN where not logged.
        logged_seconds: Logged latencies in seconds, same shape, NaN where not logged.

    Returns:
        Seconds (prompts, candidates), NaN for candidates of whom no answer has both.
    """
    both = ~np.isnan(logged_tokens) & ~np.isnan(logged_seconds)
    count = np.maximum(both.sum(axis=0), 1)
    tokens, seconds = (np.where(both, values, 0.0).astype(np.float64) for values in (logged_tokens, logged_seconds))
    mean_tokens, mean_seconds = tokens.sum(axis=0) / count, seconds.sum(axis=0) / count
    distance = np.where(both, tokens - mean_tokens, 0.0)
    spread = (distance**2).sum(axis=0)
    slope = np.divide((distance * seconds).sum(axis=0), spread, out=np.zeros_like(spread), where=spread > 0)
    steepest = np.divide(mean_seconds, mean_tokens, out=np.zeros_like(spread), where=mean_tokens > 0)
    slope = np.clip(slope, 0.0, steepest)
    line = mean_seconds + slope * (tokens_out - mean_tokens)
    return np.where(both.any(axis=0), line, np.nan)
