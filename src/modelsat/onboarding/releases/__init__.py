"""Releases: the ledger that remembers them, which are due, and when to retrain."""
