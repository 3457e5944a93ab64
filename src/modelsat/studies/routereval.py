"""RouterEval's metrics and reference policies (Huang et al., Findings of EMNLP 2025, arXiv 2503.10657).

A policy is a distribution over candidates per prompt: a router that always chooses puts all of it on one candidate.
Scores are complete here, as every candidate of a pool was run on every prompt of it.
"""

import numpy as np

REFERENCE_SCORES = {
    "arc": 0.852,
    "hellaswag": 0.953,
    "mmlu": 0.864,
    "harness_truthfulqa_mc_0": 0.669,
    "winogrande": 0.875,
    "gsm8k": 0.92,
    "ifeval": 0.7689,
    "bbh": 0.8303,
    "gpqa": 0.397,
    "math": 0.4,
    "musr": 0.699,
    "mmlu_pro": 0.637,
}
"""Mean score of a model of GPT-4's class by benchmark, in [0, 1]: what `V_R` is relative to."""


def mean_score(scores: np.ndarray, policy: np.ndarray) -> float:
    """Return mu_o, the expected score of what a policy chooses, in [0, 1].

    Args:
        scores: Observed scores (prompts, candidates), in [0, 1], no NaN.
        policy: Probabilities (prompts, candidates); every row sums to 1.
    """
    return float((scores * policy).sum(axis=1).mean())


def to_reference(mean: float, benchmark: str) -> float | None:
    """Return V_R, mu_o over the reference score of the benchmark; None where there is none. Above 1 is better."""
    return mean / REFERENCE_SCORES[benchmark] if benchmark in REFERENCE_SCORES else None


def to_best_single(mean: float, scores: np.ndarray, judged_by: np.ndarray) -> float:
    """Return V_B, mu_o over the mean score of the best single candidate.

    Args:
        mean: Mean score of the policy.
        scores: Test scores (prompts, candidates).
        judged_by: Scores by which the best single is chosen (any prompts, candidates): the test scores as published,
            which no router could know, or training scores.
    """
    return mean / float(scores[:, judged_by.mean(axis=0).argmax()].mean())


def entropy(policy: np.ndarray) -> float:
    """Return E_p, the mean entropy per prompt in bits, in [0, log2 of the candidates].

    Of a prompt's own distribution and not of how often candidates are chosen over all prompts: a router may score
    high and send everything to one candidate. Each published router makes its distribution in another way, so E_p
    compares settings of one router and not routers.
    """
    logs = np.log2(policy, out=np.zeros_like(policy), where=policy > 0)
    return float(-(policy * logs).sum(axis=1).mean())


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the distribution that RouterEval reads from a router's scores (prompts, candidates) for E_p."""
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def chosen(choice: np.ndarray, candidates: int) -> np.ndarray:
    """Return the policy that chooses these columns (prompts,)."""
    return np.eye(candidates)[choice]


def shared(scores: np.ndarray) -> np.ndarray:
    """Return the distribution of the oracle for E_p: scores divided by their sum, uniform where nobody scored."""
    total = scores.sum(axis=1, keepdims=True)
    return np.divide(scores, total, out=np.full(scores.shape, 1 / scores.shape[1]), where=total > 0)


def oracle(scores: np.ndarray, share: float = 1.0) -> np.ndarray:
    """Return r_o(share): with that probability the best candidate of each prompt, else any candidate.

    The expectation that RouterEval draws 1,000 times; r_o is `share` 1, random is `share` 0. Of equally good
    candidates each is as likely as the others.

    Args:
        scores: Observed scores (prompts, candidates).
        share: In [0, 1].
    """
    best = shared((scores == scores.max(axis=1, keepdims=True)).astype(np.float64))
    return np.asarray(share * best + (1 - share) / scores.shape[1])
