"""The metric that lm-eval 0.4.0 fetches from the Hub when it is imported, for runs without a network."""

import re

import datasets
import evaluate
import numpy as np


class ExactMatch(evaluate.Metric):
    """Share of predictions equal to their reference after the removals that are asked for."""

    def _info(self) -> evaluate.MetricInfo:
        strings = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})
        return evaluate.MetricInfo(description=__doc__, citation="", inputs_description="", features=strings)

    def _compute(self, predictions, references, regexes_to_ignore=(), ignore_case=False, **_):
        pairs = []
        for texts in (predictions, references):
            for pattern in regexes_to_ignore or ():
                texts = [re.sub(pattern, "", text) for text in texts]
            pairs.append([text.lower() if ignore_case else text for text in texts])
        return {"exact_match": np.mean([a == b for a, b in zip(*pairs, strict=True)])}
