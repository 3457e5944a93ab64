"""From capability instructions to a bundle that is not promoted yet."""
