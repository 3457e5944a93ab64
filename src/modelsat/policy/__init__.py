"""From probabilities and prices to a choice: pure arithmetic, the same offline and when serving."""
