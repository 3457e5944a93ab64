"""Ten days in the life of a router, played on ours and on one that was built in an afternoon."""
