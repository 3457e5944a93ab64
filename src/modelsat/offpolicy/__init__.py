"""Off-policy evaluation: what another choice of models would have done with requests that were answered already."""
