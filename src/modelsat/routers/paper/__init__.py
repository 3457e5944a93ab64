"""Model-SAT as published: the network, how it reads a capability instruction, and the challenger it becomes.

The default in `modelsat.routers.model_sat.network` goes beyond the paper; this package does not. See `docs/adr/0007`.
"""
