"""Protocols of the benchmarks; no product code imports them."""
