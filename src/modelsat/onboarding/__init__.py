"""A candidate comes, changes its price or goes: from its answers to a new bundle version, without training."""
