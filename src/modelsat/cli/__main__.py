"""Lets `python -m modelsat.cli` do what `modelsat` does."""

from modelsat.cli import main

main()
